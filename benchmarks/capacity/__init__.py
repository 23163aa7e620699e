"""What `manage.py capacity` takes for granted, measured: the speed of a box, and what it predicts."""
