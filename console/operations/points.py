"""What the points of a figure say: the newest, all of them, the last hour by the minute. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta

Points = Mapping[datetime, float]
"""Values by the start of their step (UTC), oldest first. Steps in which nothing was counted are absent."""

MINUTE = timedelta(minutes=1)
HOUR_MINUTES = 60
FRESH = timedelta(minutes=4)
"""AWS publishes the figures of a minute up to three minutes later. What is older says nothing of now."""


def newest(points: Points, now: datetime, within: timedelta = FRESH) -> float | None:
    """The newest value, unless it is too old."""
    at = max(points, default=None)
    return None if at is None or now - at > within else points[at]


def last_hour(points: Points, now: datetime) -> list[float]:
    """A value for each minute, oldest first; 0 where nothing was counted. The newest two minutes are left
    out: AWS is not done with counting them."""
    last = now.replace(second=0, microsecond=0) - 2 * MINUTE
    return [points.get(last - MINUTE * back, 0.0) for back in reversed(range(HOUR_MINUTES))]


def total(points: Points, now: datetime, within: timedelta) -> float:
    """The sum of what was counted lately."""
    return sum(value for at, value in points.items() if now - at <= within)


def most(points: Points) -> float | None:
    """The highest value; None where nothing was counted."""
    return max(points.values(), default=None)
