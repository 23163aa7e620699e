"""When turns come: at random, at a rate that follows the hours of the day."""

from collections.abc import Iterator, Sequence
from random import Random

HOUR_SECONDS = 3600
DAY_SECONDS = 24 * HOUR_SECONDS
PARCELS_AN_HOUR = 5_000
"""Turns that are simulated one by one. Of more, some that come one after the other are simulated as one."""
_MINUTES = 24 * 60


def arrivals(turns_per_hour: Sequence[float], rng: Random, start: float) -> Iterator[tuple[float, int]]:
    """Parcels of turns: when they come, in seconds since midnight from `start` to the end of the day, and how
    many. Turns come as a Poisson process; each parcel ends with one of them, which keeps how much their
    number varies from minute to minute."""
    rates, sizes = rates_by_minute(turns_per_hour), [parcel(turns) for turns in turns_per_hour]
    at, minute = start, int(start // 60)
    while True:
        size = sizes[minute // 60 % 24]
        due = rng.gammavariate(size, 1.0) if size > 1 else rng.expovariate(1.0)
        while due > (coming := rates[minute % _MINUTES] * ((minute + 1) * 60 - at)):
            due -= coming
            minute += 1
            at = minute * 60.0
            if at >= DAY_SECONDS:
                return
        at += due / rates[minute % _MINUTES]
        yield at, size


def parcel(turns: float) -> int:
    """How many turns are simulated as one in an hour with so many."""
    return max(1, round(turns / PARCELS_AN_HOUR))


def rates_by_minute(turns_per_hour: Sequence[float]) -> list[float]:
    """Turns a second, straight from the middle of each hour to that of the next: no jump at a full hour."""
    return [_rate_at(turns_per_hour, minute / 60) for minute in range(_MINUTES)]


def _rate_at(turns_per_hour: Sequence[float], hour: float) -> float:
    before = int((hour - 0.5) // 1)
    share = hour - 0.5 - before
    blended = turns_per_hour[before % 24] * (1 - share) + turns_per_hour[(before + 1) % 24] * share
    return blended / HOUR_SECONDS
