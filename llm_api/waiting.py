"""Which of the requests that wait on this box is answered next. Pure: no queue, no clock, no event loop.

In this order: interactive before test runs, those that can still be in time before those that are late, then
the organization with the fewest requests in work, then the one served longest ago, then the oldest. While
several organizations wait, none has more than half of the slots: a flood costs its own organization time, and
the others next to none.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from llm_api.engine.base import Priority

T = TypeVar("T")


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


class Waiting(Generic[T]):
    """Items by a key of their own, each under its terms."""

    def __init__(self, slots: int) -> None:
        self._cap = max(1, slots // 2)
        self._entries: dict[str, _Entry[T]] = {}
        self._in_work: Counter[str] = Counter()
        self._served: dict[str, int] = {}
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._entries)

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
        """Take the next item out of the line; its organization has one more in work until `finish`."""
        if not self._entries:
            return None
        organizations = {entry.terms.organization for entry in self._entries.values()}
        shares = len(organizations) > 1

        def rank(key: str) -> tuple[object, ...]:
            entry = self._entries[key]
            organization = entry.terms.organization
            in_work = self._in_work[organization]
            return (
                entry.terms.priority == "test",
                shares and in_work >= self._cap,
                entry.terms.is_late(now),
                in_work,
                self._served.get(organization, 0),
                entry.number,
            )

        entry = self._entries.pop(min(self._entries, key=rank))
        organization = entry.terms.organization
        self._in_work[organization] += 1
        self._served[organization] = next(self._numbers)
        return entry.item

    def finish(self, organization: str) -> None:
        """An item that was picked is done."""
        self._in_work[organization] -= 1
        if self._in_work[organization] <= 0:
            del self._in_work[organization]
