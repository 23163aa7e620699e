"""How many requests the engine works on, whether they came by queue or by HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Slots:
    """Counts requests against the engine's slots.

    HTTP requests are never turned away, so more may be taken than there are; the consumer starts
    nothing until one is free.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.taken = 0
        self._when_released: Callable[[], None] = _do_nothing

    @property
    def free(self) -> int:
        return max(0, self.total - self.taken)

    def when_released(self, call: Callable[[], None]) -> None:
        """Have `call` called after each release."""
        self._when_released = call

    def take(self) -> None:
        self.taken += 1

    def release(self) -> None:
        self.taken -= 1
        self._when_released()

    @contextmanager
    def hold(self) -> Iterator[None]:
        self.take()
        try:
            yield
        finally:
            self.release()


def _do_nothing() -> None:
    pass
