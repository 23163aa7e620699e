"""Sparklines: the last hour of a figure as the path of a small chart. Pure.

The chart is WIDTH by HEIGHT and stretched to whatever room there is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.formats import number_format
from django.utils.translation import gettext as _

WIDTH, HEIGHT = 120, 24


@dataclass(frozen=True)
class Spark:
    """A line and the area below it; `said`: the same for those who cannot see it."""

    line: str
    area: str
    said: str


def draw(values: Sequence[float], unit: str) -> Spark:
    """The sparkline of a value for each minute."""
    peak = max(values, default=0.0)
    step = WIDTH / max(1, len(values) - 1)
    line = " ".join(f"{index * step:.1f},{_down(value, peak):.1f}" for index, value in enumerate(values))
    said = _("Last hour, by the minute: at most %(peak)s %(unit)s") % {
        "peak": number_format(round(peak), force_grouping=True),
        "unit": unit,
    }
    return Spark(line, f"0,{HEIGHT} {line} {WIDTH},{HEIGHT}", said)


def _down(value: float, peak: float) -> float:
    return HEIGHT - 1 - (HEIGHT - 3) * (value / peak if peak else 0)
