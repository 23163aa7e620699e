"""Which of the requests that wait on this box is answered next, and which one in work gives its slot to it.
Pure: no queue, no clock, no event loop.

In this order: interactive before test runs, those that can still be in time before those that are late, then
the organization with the least load, then the oldest. An organization's load is what it has in work, now and
on average lately, so whoever asks now and then goes before whoever always does.

Every slot is used while anything waits. A flood stays out of the others' way because it gives slots back:
where none is free, and one organization has far more in hand, waiting or in work, than the one that is next,
and had many slots in work lately, what it started last is stopped and waits again. That costs the flood a
part of an answer, and nobody else anything. On a box that is nearly full without a flood somebody has far
more in hand now and then, by chance: to stop that would cost all of them. How much is far more, and what this
does, is measured: tests/llm_api/test_fairness.py.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Generic, TypeVar

from llm_api.engine.base import Priority

T = TypeVar("T")

LATELY_SECONDS = 15.0
"""What an organization had in work so long ago counts for about a third in its average."""
FAR_MORE = 0.75
"""An organization gives way to one that has less in hand by so many of the slots."""
LEAST_FAR_MORE = 3
"""That many requests are no flood, however few slots there are."""
FLOOD_SHARE = 0.3
"""Nor is an organization that had less than so many of the slots in work lately."""
MAX_STOPS = 3
"""How often one request gives way: the next time it is answered."""
NEGLIGIBLE_LOAD = 0.001


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
    key: str
    item: T
    terms: Terms
    number: int
    stops: int = 0


@dataclass(slots=True)
class _Load:
    """What an organization has in work, now and on average lately. `at` is in epoch seconds."""

    in_work: int = 0
    average: float = 0.0
    at: float = 0.0

    @property
    def total(self) -> float:
        return self.in_work + self.average

    def change(self, by: int, now: float) -> None:
        self.let_pass(now)
        self.in_work += by

    def let_pass(self, now: float) -> None:
        kept = math.exp(min(0.0, self.at - now) / LATELY_SECONDS)
        self.average = kept * self.average + (1 - kept) * self.in_work
        self.at = now


class Waiting(Generic[T]):
    """Items by a key of their own, each under its terms: those that wait, and those in work."""

    def __init__(self, slots: int) -> None:
        self._far_more = max(LEAST_FAR_MORE, FAR_MORE * slots)
        self._flood_load = FLOOD_SHARE * slots
        self._entries: dict[str, _Entry[T]] = {}
        self._in_work: dict[str, _Entry[T]] = {}
        self._loads: defaultdict[str, _Load] = defaultdict(_Load)
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._entries)

    def count(self, priority: Priority) -> int:
        """How many of a class wait."""
        return sum(entry.terms.priority == priority for entry in self._entries.values())

    def add(self, key: str, item: T, terms: Terms) -> None:
        self._entries[key] = _Entry(key, item, terms, next(self._numbers))

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
        """Take the next item out of the line: it is in work until `finish`. None where nothing waits."""
        entry = self._next(now)
        if entry is None:
            return None
        del self._entries[entry.key]
        self._in_work[entry.key] = entry
        self._loads[entry.terms.organization].change(+1, now)
        return entry.item

    def finish(self, key: str, now: float) -> None:
        """An item that was picked is done."""
        entry = self._in_work.pop(key)
        self._loads[entry.terms.organization].change(-1, now)

    def find_way_giver(self, now: float) -> T | None:
        """The item in work that is to be stopped when the next is picked, if any: the newest that may be."""
        comer = self._next(now)
        if comer is None or comer.terms.priority == "test":
            return None
        held = (*self._entries.values(), *self._in_work.values())
        in_hand = Counter(entry.terms.organization for entry in held)
        far_more = in_hand[comer.terms.organization] + self._far_more
        newest_first = reversed(self._in_work.values())
        may_stop = (entry for entry in newest_first if entry.stops < MAX_STOPS)
        return next(
            (each.item for each in may_stop if self._floods(each.terms.organization, in_hand, far_more)), None
        )

    def wait_again(self, key: str, now: float) -> None:
        """An item in work was stopped: it waits at its old place in the line."""
        entry = self._in_work[key]
        self.finish(key, now)
        entry.stops += 1
        self._entries[key] = entry

    def _floods(self, organization: str, in_hand: Counter[str], far_more: float) -> bool:
        lately = self._loads[organization].average
        return in_hand[organization] >= far_more and lately >= self._flood_load

    def _next(self, now: float) -> _Entry[T] | None:
        self._let_pass(now)

        def rank(entry: _Entry[T]) -> tuple[bool, bool, float, int]:
            terms = entry.terms
            load = self._loads[terms.organization].total
            return terms.priority == "test", terms.is_late(now), load, entry.number

        return min(self._entries.values(), key=rank, default=None)

    def _let_pass(self, now: float) -> None:
        for load in self._loads.values():
            load.let_pass(now)
        idle = [name for name, load in self._loads.items() if load.total < NEGLIGIBLE_LOAD]
        for organization in idle:
            del self._loads[organization]
