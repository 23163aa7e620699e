"""What an ops box is: installed from the release that its stage runs, which it follows, with one worker."""
