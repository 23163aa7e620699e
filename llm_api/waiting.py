"""Which of the requests that wait on this box is answered next. Pure: no queue, no clock, no event loop.

In this order: interactive before test runs, those that can still be in time before those that are late, then
the organization with the fewest requests in work, then the one served longest ago, then the oldest. An
organization that shares the box with others, which wait now or were served a moment ago, has at most half of
the slots: so a flood costs its own organization time, and the others, who find a slot free, next to none.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from llm_api.engine.base import Priority

T = TypeVar("T")

SHARED_SECONDS = 30.0
"""How long after its last request an organization still counts as one that the box is shared with."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a request's turn depends on. Times are epoch seconds; None is no limit."""

    organization: str
    priority: Priority = "interactive"
    answer_by: float | None = None
    expires_at: float | None = None

    def is_late(self, now: float) -> bool:
        return self.answer_by is not None and now >= self.answer_by

    def is_expired(self, now: float) -> bool:
        return self.expires_at is not None and now >= self.expires_at


@dataclass(slots=True)
class _Entry(Generic[T]):
    item: T
    terms: Terms
    number: int = field(default=0)


@dataclass(frozen=True, slots=True)
class _Served:
    """When an organization was served last, in order and in epoch seconds."""

    number: int
    at: float


NEVER = _Served(0, 0.0)


class Waiting(Generic[T]):
    """Items by a key of their own, each under its terms."""

    def __init__(self, slots: int) -> None:
        self._cap = (slots + 1) // 2
        self._entries: dict[str, _Entry[T]] = {}
        self._in_work: Counter[str] = Counter()
        self._served: dict[str, _Served] = {}
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._entries)

    def count(self, priority: Priority) -> int:
        """How many of a class wait."""
        return sum(entry.terms.priority == priority for entry in self._entries.values())

    def add(self, key: str, item: T, terms: Terms) -> None:
        self._entries[key] = _Entry(item, terms, next(self._numbers))

    def remove(self, key: str) -> T | None:
        """Take an item out of the line, if it still waits."""
        entry = self._entries.pop(key, None)
        return entry.item if entry else None

    def clear(self) -> list[T]:
        """Take all items out of the line."""
        items = [entry.item for entry in self._entries.values()]
        self._entries.clear()
        return items

    def drop_expired(self, now: float) -> list[T]:
        """Take out what nobody wants any more."""
        expired = [key for key, entry in self._entries.items() if entry.terms.is_expired(now)]
        return [self._entries.pop(key).item for key in expired]

    def pick(self, now: float) -> T | None:
        """Take the next item out of the line; its organization has one more in work until `finish`. None
        where nothing waits that may have a slot now."""
        self._forget_idle(now)
        sharing = {entry.terms.organization for entry in self._entries.values()} | self._served.keys()

        def may_start(entry: _Entry[T]) -> bool:
            return len(sharing) < 2 or self._in_work[entry.terms.organization] < self._cap

        def rank(key: str) -> tuple[object, ...]:
            terms = self._entries[key].terms
            return (
                terms.priority == "test",
                terms.is_late(now),
                self._in_work[terms.organization],
                self._served.get(terms.organization, NEVER).number,
                self._entries[key].number,
            )

        key = min((key for key, entry in self._entries.items() if may_start(entry)), key=rank, default=None)
        if key is None:
            return None
        entry = self._entries.pop(key)
        organization = entry.terms.organization
        self._in_work[organization] += 1
        self._served[organization] = _Served(next(self._numbers), now)
        return entry.item

    def _forget_idle(self, now: float) -> None:
        idle = [name for name, served in self._served.items() if now - served.at > SHARED_SECONDS]
        for organization in idle:
            del self._served[organization]

    def finish(self, organization: str) -> None:
        """An item that was picked is done."""
        self._in_work[organization] -= 1
        if self._in_work[organization] <= 0:
            del self._in_work[organization]
