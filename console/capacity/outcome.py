"""What became of a simulated day's turns."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

HOLDING_SECONDS = 4.0
IN_TIME_SECONDS = 5.0
HAND_OVER_SECONDS = 60.0
_STEPS_A_SECOND = 100


@dataclass
class Hour:
    """Turns by when they were written. `waits`: how many were answered so many hundredths of a second after
    their last message. `boxes`: how many were paid for at the end of each minute."""

    handed_over: int = 0
    waits: Counter[int] = field(default_factory=Counter)
    boxes: list[int] = field(default_factory=list)


class Outcome:
    """A day."""

    def __init__(self) -> None:
        self.hours: Sequence[Hour] = [Hour() for _ in range(24)]

    # --- while it is simulated ---

    def answer(self, written_at: float, seconds: float, turns: int) -> None:
        """Turns have their answers so long after they were written, or are staff's if that is too late."""
        if written_at >= 0:
            hour = self.hours[int(written_at // 3600)]
            if seconds <= HAND_OVER_SECONDS:
                hour.waits[math.ceil(seconds * _STEPS_A_SECOND)] += turns
            else:
                hour.handed_over += turns

    def hand_over(self, written_at: float, turns: int) -> None:
        """Turns were not answered by their limit."""
        self.answer(written_at, math.inf, turns)

    def count_boxes(self, now: float, count: int) -> None:
        """At the end of a minute."""
        hour = math.ceil(now / 3600) - 1
        if 0 <= hour < len(self.hours):
            self.hours[hour].boxes.append(count)

    # --- afterwards ---

    @property
    def answered(self) -> int:
        """Turns of the day."""
        return sum(hour.waits.total() for hour in self.hours)

    @property
    def handed_over(self) -> int:
        """Turns of the day that no answer came to in time."""
        return sum(hour.handed_over for hour in self.hours)

    @property
    def turns(self) -> int:
        """Of the day: each is answered or handed over."""
        return self.answered + self.handed_over

    @property
    def in_time_share(self) -> float:
        """What part of all turns is answered within five seconds."""
        return self._share_within(IN_TIME_SECONDS)

    @property
    def holding_share(self) -> float:
        """What part of all turns gets a holding line."""
        return 1 - self._share_within(HOLDING_SECONDS)

    def percentile(self, share: float, hour: int | None = None) -> float | None:
        """Seconds within which that share of the answers came, of an hour or the day; None for no answers."""
        waits = _together(self.hours if hour is None else [self.hours[hour]])
        needed = share * waits.total()
        for wait in sorted(waits):
            needed -= waits[wait]
            if needed <= 0:
                return wait / _STEPS_A_SECOND
        return None

    @property
    def box_hours(self) -> float:
        """Paid for."""
        return sum(sum(hour.boxes) for hour in self.hours) / 60

    @property
    def most_boxes(self) -> int:
        """At a time."""
        return max((max(hour.boxes, default=0) for hour in self.hours), default=0)

    def _share_within(self, seconds: float) -> float:
        waits = _together(self.hours)
        within = sum(count for wait, count in waits.items() if wait <= seconds * _STEPS_A_SECOND)
        return within / self.turns if self.turns else 1.0


def _together(hours: Iterable[Hour]) -> Counter[int]:
    waits: Counter[int] = Counter()
    for hour in hours:
        waits.update(hour.waits)
    return waits
