"""How much of what there is, and when. Pure: the same for the same random numbers."""

import bisect
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

MESSAGES_PER_TURN = 2.342
"""Of the turns below: what contacts, the bot and staff write."""
TURNS_PER_CONVERSATION = 3.5
_BY_HOUR = (
    *(0.10, 0.06, 0.04, 0.04, 0.05, 0.10, 0.25, 0.55, 0.85, 1.10, 1.25, 1.20),
    *(0.95, 0.90, 1.05, 1.10, 1.05, 1.00, 1.05, 1.15, 1.10, 0.80, 0.50, 0.25),
)
_BY_WEEKDAY = (1.15, 1.10, 1.05, 1.0, 0.95, 0.65, 0.45)


@dataclass(frozen=True)
class PlannedTurn:
    """A turn that is to be: of which conversation, and when the contact writes."""

    at: datetime
    conversation: int


def zipf(count: int, total: int, at_least: int) -> list[int]:
    """`total` shared out among `count`: the second gets half as much as the first, the third a third."""
    harmonic = sum(1 / rank for rank in range(1, count + 1))
    return [max(at_least, round(total / rank / harmonic)) for rank in range(1, count + 1)]


class Calendar:
    """Moments of the last days, as many in each hour as people write in it. A little more each month."""

    def __init__(self, until: datetime, days: int) -> None:
        self._first = until.replace(minute=0, second=0, microsecond=0) - timedelta(days=days)
        self._seconds = (until - self._first).total_seconds()
        self._sums = list(itertools.accumulate(self._weight(hour) for hour in range(days * 24 + 1)))

    def _weight(self, hour: int) -> float:
        at = self._first + timedelta(hours=hour)
        return _BY_HOUR[at.hour] * _BY_WEEKDAY[at.weekday()] * (1 + hour / len(_BY_HOUR) / 300)

    def moment(self, random: Random) -> float:
        """Seconds since the first of these days."""
        while True:
            hour = bisect.bisect(self._sums, random.random() * self._sums[-1])
            second = (hour + random.random()) * 3600
            if second < self._seconds:
                return second

    def is_past(self, second: float) -> bool:
        return second < self._seconds

    def at(self, second: float) -> datetime:
        return self._first + timedelta(seconds=second)


def conversations_of(messages: int) -> int:
    """How many conversations so many messages are."""
    return max(1, round(messages / MESSAGES_PER_TURN / TURNS_PER_CONVERSATION))


def turns_of(calendar: Calendar, random: Random, numbers: Sequence[int], messages: int) -> list[PlannedTurn]:
    """The turns of one organization's conversations (by their `numbers`), in any order."""
    planned: list[PlannedTurn] = []
    wanted = max(len(numbers), round(messages / MESSAGES_PER_TURN))
    while len(planned) < wanted:
        for number in numbers:
            planned += _visit(calendar, random, number)
            if len(planned) >= wanted:
                break
    return planned


def _visit(calendar: Calendar, random: Random, conversation: int) -> list[PlannedTurn]:
    """A contact writes, often once, now and then for a while."""
    second, turns = calendar.moment(random), []
    while calendar.is_past(second):
        turns.append(PlannedTurn(calendar.at(second), conversation))
        if random.random() < 0.45:
            break
        second += random.lognormvariate(math.log(90), 1.0)
    return turns
