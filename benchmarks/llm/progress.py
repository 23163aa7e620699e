"""What the run is at: a line that changes on a terminal, else a line now and then."""

import sys
import time
from collections.abc import Callable

LINE_SECONDS = 10.0
WIDTH = 100


class Progress:
    """To stderr, so that the report can be kept apart."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._shown_at = 0.0

    def say(self, text: str) -> None:
        """A line of its own."""
        self._clear()
        print(text, file=sys.stderr, flush=True)

    def of(self, name: str) -> Callable[[int, int, float], None]:
        """Shows how far the part of the run with this name is."""

        def show(done: int, count: int, seconds: float) -> None:
            text = f"{name}: {done} of {count} done, {seconds:.0f} s"
            if done == count:
                self.say(text)
            elif self._is_terminal:
                print(f"\r{text:<{WIDTH}}", end="", file=sys.stderr, flush=True)
            elif time.monotonic() > self._shown_at + LINE_SECONDS:
                self._shown_at = time.monotonic()
                self.say(text)

        return show

    def _clear(self) -> None:
        if self._is_terminal:
            print(f"\r{'':<{WIDTH}}\r", end="", file=sys.stderr)
