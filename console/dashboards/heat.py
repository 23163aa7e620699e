"""The busiest hours: a cell for each hour of the week, the darker the more contacts wrote in it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from django.utils.dateformat import format as written
from django.utils.translation import gettext as _

from console.proof import words
from console.proof.plot import Cell

MONDAY = date(2001, 1, 1)


@dataclass(frozen=True)
class HeatCell:
    """An hour of the week. `share`: of the busiest one's messages, in percent."""

    title: str
    share: int


@dataclass(frozen=True)
class HeatMap:
    """A row for each day of the week, with its cells; and the same as a table."""

    days: Sequence[tuple[str, Sequence[HeatCell]]]
    hours: Sequence[int]
    rows: Sequence[tuple[str, Sequence[Cell]]]
    said: str
    """The busiest hour, in words."""


def heat_map(messages: Mapping[tuple[int, int], int]) -> HeatMap:
    """`messages`: by weekday (Monday is 1) and hour."""
    most = max(messages.values(), default=0)
    names = [written(MONDAY.replace(day=day), "l") for day in range(1, 8)]
    hours = range(24)
    return HeatMap(
        days=[
            (name, [_cell(name, hour, messages.get((day, hour), 0), most) for hour in hours])
            for day, name in enumerate(names, start=1)
        ],
        hours=hours,
        rows=[
            (name, [Cell(words.number(count), count) for count in _day(messages, day)])
            for day, name in enumerate(names, start=1)
        ],
        said=_busiest(messages, names),
    )


def _cell(name: str, hour: int, count: int, most: int) -> HeatCell:
    said = _("%(count)s messages") % {"count": words.number(count)}
    return HeatCell(f"{name}, {_hour(hour)}: {said}", round(count * 100 / most) if most else 0)


def _day(messages: Mapping[tuple[int, int], int], day: int) -> list[int]:
    return [messages.get((day, hour), 0) for hour in range(24)]


def _busiest(messages: Mapping[tuple[int, int], int], names: Sequence[str]) -> str:
    if not messages:
        return ""
    day, hour = max(messages, key=lambda each: messages[each])
    return _("Most is written on %(day)s, %(hour)s.") % {"day": names[day - 1], "hour": _hour(hour)}


def _hour(hour: int) -> str:
    return f"{hour:02}:00 – {(hour + 1) % 24:02}:00"
