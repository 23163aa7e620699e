"""How many requests the engine works on, whether they came by queue or by HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Slots:
    """Counts requests against the engine's slots.

    HTTP requests are never turned away, so more may be taken than there are; the consumer waits
    until one is free before it receives a message.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.taken = 0
        self._some_free = asyncio.Event()
        self._some_free.set()

    @property
    def free(self) -> int:
        return max(0, self.total - self.taken)

    def take(self) -> None:
        self._count(+1)

    def release(self) -> None:
        self._count(-1)

    @contextmanager
    def hold(self) -> Iterator[None]:
        self.take()
        try:
            yield
        finally:
            self.release()

    async def wait_free(self) -> int:
        """Wait until at least one slot is free and return how many are."""
        await self._some_free.wait()
        return self.free

    def _count(self, change: int) -> None:
        self.taken += change
        if self.free:
            self._some_free.set()
        else:
            self._some_free.clear()
