"""When an organization's staff are there: business hours by its own clock, whatever that is set to. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

MINUTES_A_DAY = 24 * 60
LOOKS_DAYS = 370
"""So far ahead and back an opening is looked for: closed for longer, staff are not known to come back."""


@dataclass(frozen=True)
class Span:
    """Open from one minute of the day to another; after midnight these go on counting (26:00 is 2:00)."""

    opens: int
    closes: int


@dataclass(frozen=True)
class Hours:
    """`week`: the spans of each weekday, Monday first, in order. `closed_yearly`: (month, day)."""

    zone: tzinfo
    week: Sequence[Sequence[Span]]
    closed_dates: frozenset[date] = frozenset()
    closed_yearly: frozenset[tuple[int, int]] = frozenset()

    def is_open(self, at: datetime) -> bool:
        """Whether staff are there at a moment."""
        today = at.astimezone(self.zone).date()
        days = (today - timedelta(days=1), today)  # a night belongs to the day on which it began
        return any(opens <= at < closes for day in days for opens, closes in self._of(day))

    def opens_at(self, after: datetime) -> datetime | None:
        """When staff are back, for a moment at which they are not there; None: not within a year."""
        days = self._days(after, 1)
        return next((opens for day in days for opens, _ in self._of(day) if opens > after), None)

    def closed_since(self, at: datetime) -> datetime:
        """When staff left, for a moment at which they are not there."""
        ends = (closes for day in self._days(at, -1) for _, closes in reversed([*self._of(day)]))
        return next((closes for closes in ends if closes <= at), at - timedelta(days=LOOKS_DAYS))

    def _days(self, at: datetime, step: int) -> Iterator[date]:
        today = at.astimezone(self.zone).date()
        return (today + timedelta(days=step * number) for number in range(LOOKS_DAYS))

    def _of(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        """The spans that begin on a day, as moments."""
        if day in self.closed_dates or (day.month, day.day) in self.closed_yearly:
            return
        for span in self.week[day.weekday()]:
            yield self._moment(day, span.opens, 0), self._moment(day, span.closes, 1)

    def _moment(self, day: date, minute: int, fold: int) -> datetime:
        """`fold`: which of the two, for a time that a clock put back shows twice."""
        days, minute = divmod(minute, MINUTES_A_DAY)
        local = datetime.combine(
            day + timedelta(days=days), time(minute // 60, minute % 60, fold=fold), self.zone
        )
        return local.astimezone(UTC)
