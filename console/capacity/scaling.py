"""Target tracking as EC2 Auto Scaling does it: a metric per box is held near a target. Pure."""

import math
from collections import deque
from dataclasses import dataclass
from enum import StrEnum


class Metric(StrEnum):
    """What is counted."""

    WAITING = "waiting"
    """Requests on the queue that no box holds."""
    BACKLOG = "backlog"
    """Requests on the queue and at the boxes."""
    CPU = "cpu"
    """The share of its time in which a box computes anything."""


@dataclass(frozen=True)
class Scaling:
    """How the number of boxes follows the metric, per box. An alarm needs its metric above `target` for
    `out_minutes` in a row, or below nine tenths of it for `in_minutes`, and a metric is `delay_minutes` late.
    `in_share`: how many of the boxes go at a time, one at least: AWS says that it scales in gradually.
    `start_seconds`: from the launch of a box until it takes its first request."""

    metric: Metric
    target: float
    least: int = 1
    most: int = 1000
    out_minutes: int = 3
    in_minutes: int = 15
    delay_minutes: int = 1
    in_share: float = 0.1
    start_seconds: float = 180.0


class Tracking:
    """The two alarms and what they ask for."""

    LOW_SHARE = 0.9

    def __init__(self, scaling: Scaling) -> None:
        self._scaling = scaling
        self._late: deque[tuple[float, int]] = deque()
        self._high_minutes = self._low_minutes = 0

    def wanted(self, value: float, serving: int, starting: int) -> int:
        """How many boxes there should be after a minute whose metric per box was `value`, of which `serving`
        are at work and `starting` were launched: these count, so that the same need launches them once."""
        scaling, present = self._scaling, serving + starting
        self._late.append((value, serving))
        if len(self._late) <= scaling.delay_minutes:
            return present
        known, served_then = self._late.popleft()
        self._high_minutes = self._high_minutes + 1 if known > scaling.target else 0
        self._low_minutes = self._low_minutes + 1 if known < self.LOW_SHARE * scaling.target else 0
        fitting = min(max(math.ceil(served_then * known / scaling.target), scaling.least), scaling.most)
        if self._high_minutes >= scaling.out_minutes:
            return max(present, fitting)
        if self._low_minutes >= scaling.in_minutes and not starting:
            self._low_minutes = 0
            return min(present, max(fitting, math.floor(present * (1 - scaling.in_share))))
        return present
