"""Where bars, points and labels of a chart lie, what they say and where they lead. Pure.

Across, everything is in percent of the plot's width, so that a chart fits any screen without its text being
scaled; down, in pixels.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from django.utils.timezone import localtime

from console.conversations.report import ORIGIN, Numbers
from console.proof import words

Link = Callable[..., str]
"""The address of the list of turns with these words in its query string."""

HEIGHT = 200
TOP = 10
LABELS_AT_MOST = 8
_LABEL_STEPS = [
    *(timedelta(minutes=minutes) for minutes in (10, 30)),
    *(timedelta(hours=hours) for hours in (1, 2, 4, 6, 12)),
    *(timedelta(days=days) for days in (1, 2, 4, 7, 14, 28, 56, 182, 364)),
]


@dataclass(frozen=True)
class Tick:
    """A label on an axis."""

    at: str
    label: str
    is_minor: bool = False


@dataclass(frozen=True)
class Bar:
    """One piece of a column."""

    css: str
    y: str
    height: str
    href: str
    title: str


@dataclass(frozen=True)
class Point:
    """One point of a line, and where the line comes from, unless it begins here."""

    css: str
    x: str
    y: str
    href: str
    title: str
    is_cut: bool
    from_x: str = ""
    from_y: str = ""


@dataclass(frozen=True)
class Column:
    """One bucket of time."""

    x: str
    width: str
    title: str
    href: str
    bars: Sequence[Bar] = ()
    points: Sequence[Point] = ()


@dataclass(frozen=True)
class Cell:
    """A number in the chart's table. `raw`: as a spreadsheet takes it."""

    text: str
    raw: int | float | str
    href: str = ""


@dataclass(frozen=True)
class Row:
    """One bucket in the chart's table."""

    label: str
    start: datetime
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Chart:
    """A chart with its table."""

    name: str
    title: str
    note: str
    legend: Sequence[tuple[str, str]]
    y_ticks: Sequence[Tick]
    x_ticks: Sequence[Tick]
    columns: Sequence[Column]
    rows: Sequence[Row]
    limit_y: str = ""
    more_columns: Sequence[tuple[str, str]] = ()
    """Of the table, after those of the legend: key and head of what is not drawn."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(column.bars or column.points for column in self.columns)


@dataclass(frozen=True)
class Series:
    """The buckets of a chart, oldest first, each with its numbers if there were turns in it."""

    starts: Sequence[datetime]
    width: timedelta
    numbers: Mapping[datetime, Numbers]
    link: Link

    @cached_property
    def _said(self) -> Mapping[datetime, str]:
        return {start: words.stretch(start, self.width) for start in self.starts}

    def said(self, start: datetime) -> str:
        """The bucket in words."""
        return self._said[start]

    @cached_property
    def _addresses(self) -> Mapping[datetime, str]:
        return {start: self.link(bucket=start.isoformat().replace("+00:00", "Z")) for start in self.starts}

    def href(self, start: datetime, **more: str | int) -> str:
        """The turns of a bucket. `more`: names of the proof's own and numbers, which need no quoting."""
        return self._addresses[start] + "".join(f"&{name}={value}" for name, value in more.items())

    def x(self, index: float) -> str:
        """Where a bucket begins, in percent."""
        return _percent(index / len(self.starts))


def stack(values: Mapping[str, int], hrefs: Mapping[str, str], title: str, top: float) -> list[Bar]:
    """A column: `values` from the bottom upwards."""
    bars: list[Bar] = []
    below = 0
    for name, value in values.items():
        if value:
            upper, lower = _down(below + value, top), _down(below, top)
            bars.append(Bar(name, f"{upper:.1f}", f"{max(lower - upper, 1):.1f}", hrefs[name], title))
            below += value
    return bars


def axis_top(highest: float) -> float:
    """Where the axis ends: four round steps that reach `highest`."""
    wanted = max(highest / 4, 1)
    power: float = 10 ** math.floor(math.log10(wanted))
    steps = (
        (1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10) if power >= 10 else (1, 2, 3, 4, 5, 10)
    )  # few turns: whole ones
    return 4 * next(step * power for step in steps if step * power >= wanted * 0.999)


def _down(value: float, top: float) -> float:
    return TOP + (HEIGHT - TOP) * (1 - min(value, top) / top)


def y(value: float, top: float) -> str:
    """How far down a value lies; beyond the axis, at its end."""
    return f"{_down(value, top):.1f}"


def _percent(share: float) -> str:
    return f"{share * 100:.3f}%"


def y_ticks(top: float, written: Callable[[float], str]) -> list[Tick]:
    """Five lines from 0 to `top`."""
    return [Tick(y(top / 4 * line, top), written(top / 4 * line)) for line in range(5)]


def x_ticks(series: Series) -> list[Tick]:
    """Labels at round times; every other one may be left out on a small screen."""
    length = series.width * len(series.starts)
    step = next((step for step in _LABEL_STEPS if length <= step * LABELS_AT_MOST), length)
    step = max(step, series.width)
    labelled = [
        index for index, start in enumerate(series.starts) if (_local(start) - ORIGIN) % step < series.width
    ]
    return [
        Tick(series.x(index), _x_label(series.starts[index], step), is_minor=place % 2 == 1)
        for place, index in enumerate(labelled)
    ]


def _local(at: datetime) -> datetime:
    """The reader's wall clock, to be counted with."""
    return localtime(at).replace(tzinfo=UTC)


def _x_label(at: datetime, step: timedelta) -> str:
    local = localtime(at)
    is_midnight = local.hour == local.minute == 0
    return words.day(at) if is_midnight or step >= timedelta(days=1) else words.clock(at)
