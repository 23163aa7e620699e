"""The highest rate at which nearly all are answered in time, found by going up and down a ladder of rates."""

import math
from collections.abc import Callable, Sequence

STEP = 2 ** (1 / 3)
RATES: Sequence[float] = [0.25 * STEP**number for number in range(28)]
"""Requests a second; each is a quarter more than the one before, from 0.25 to 128."""
IN_TIME_SHARE = 0.95


def tolerated_misses(requests: int) -> int:
    """So many of `requests` may be late at a rate that passes."""
    return math.floor(requests * (1 - IN_TIME_SHARE) + 1e-9)


def start_near(answers_per_second: float) -> int:
    """The step to begin at: the highest that is below what a server answers in a burst."""
    return max([number for number, rate in enumerate(RATES) if rate < answers_per_second], default=0)


def climb(passes: Callable[[float], bool], start: int) -> float:
    """The highest rate that passes, or 0.0: up from `start` while it does, else down until one does."""
    step = start
    if passes(RATES[step]):
        while step + 1 < len(RATES) and passes(RATES[step + 1]):
            step += 1
        return RATES[step]
    while step > 0:
        step -= 1
        if passes(RATES[step]):
            return RATES[step]
    return 0.0
