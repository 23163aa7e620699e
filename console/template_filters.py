"""Filters of the console's templates (`{% load hub %}`)."""

from datetime import datetime, timedelta

from django import template
from django.utils import timezone

register = template.Library()


@register.filter
def seconds(milliseconds: int | None) -> str:
    """1234 as "1.2 s", nothing measured as a dash."""
    return "–" if milliseconds is None else f"{milliseconds / 1000:.1f} s"


@register.filter
def duration(milliseconds: int | None) -> str:
    """A hop's time: "38 ms", from ten seconds on "12.3 s"."""
    if milliseconds is None:
        return ""
    return f"{milliseconds} ms" if abs(milliseconds) < 10_000 else f"{milliseconds / 1000:.1f} s"


@register.filter
def age(at: datetime | None) -> str:
    """How long ago, in one unit: "12 s", "3 min", "2 h", "4 d"."""
    return "–" if at is None else length(max(timezone.now() - at, timedelta(0)))


def length(time: timedelta) -> str:
    """A stretch of time in one unit: "12 s", "3 min", "2 h", "4 d"."""
    seconds = time.total_seconds()
    for unit, unit_seconds in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= unit_seconds:
            return f"{seconds // unit_seconds:.0f} {unit}"
    return f"{seconds:.0f} s"
