"""The Lambda functions in the last hour: how often they ran and failed, and how long they took."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils.translation import gettext as _

from console.operations import points, spark
from console.operations.cloudwatch import HOUR_SECONDS, MINUTE_SECONDS, Figure, Figures

LATELY = timedelta(minutes=15)
HOUR = timedelta(hours=1)
NEAR = 0.9
"""The share of its time-out at which a function is close to it."""
SWEEP = "sweep"


@dataclass(frozen=True)
class Function:
    """A function by its stage in zappa_settings.json, with what is set there (a test keeps them equal)."""

    stage: str
    timeout_seconds: int
    memory_mb: int

    @property
    def name(self) -> str:
        """What AWS knows it by: the console's own name, with its stage in the place of the console's."""
        return settings.CONSOLE_FUNCTION.replace("console", self.stage.replace("_", "-"))

    def figure(self, metric: str, statistic: str, period_seconds: int = MINUTE_SECONDS) -> Figure:
        """Of AWS/Lambda."""
        return Figure("AWS/Lambda", metric, ("FunctionName", self.name), statistic, period_seconds)


FUNCTIONS = (
    Function("webhook", 10, 128),
    Function("inbound", 10, 128),
    Function("wakeups", 10, 128),
    Function("replies", 10, 128),
    Function("outbound", 30, 128),
    Function("errands", 60, 256),
    Function("dead_letters", 30, 128),
    Function(SWEEP, 60, 128),
    Function("console", 30, 512),
)
COUNTS = ("Invocations", "Errors", "Throttles")
TIMES = ("p50", "p95", "Maximum")


@dataclass(frozen=True)
class FunctionRow:
    """One function. Counts are of the last hour, `…_lately` of its last minutes, times in milliseconds (None:
    it did not run); `last_run_at` is the minute in which it was started last."""

    function: Function
    invocations: int
    errors: int
    throttles: int
    invocations_lately: int
    errors_lately: int
    throttles_lately: int
    p50: float | None
    p95: float | None
    longest: float | None
    last_run_at: datetime | None
    history: spark.Spark

    @property
    def percent_of_timeout(self) -> int:
        """How much of its time the longest invocation took."""
        return min(100, round((self.longest or 0) / self.function.timeout_seconds / 10))

    @property
    def is_near_timeout(self) -> bool:
        """Whether an invocation came close to being ended."""
        return self.percent_of_timeout >= NEAR * 100


def figures() -> list[Figure]:
    """What the rows need of CloudWatch. Times are those of whole clock hours: percentiles do not add up."""
    counts = [function.figure(metric, "Sum") for function in FUNCTIONS for metric in COUNTS]
    return counts + [_time(function, statistic) for function in FUNCTIONS for statistic in TIMES]


def rows(now: datetime, counted: Figures) -> Sequence[FunctionRow]:
    """A row per function."""
    return [_row(function, now, counted) for function in FUNCTIONS]


def _time(function: Function, statistic: str) -> Figure:
    return function.figure("Duration", statistic, HOUR_SECONDS)


def _row(function: Function, now: datetime, counted: Figures) -> FunctionRow:
    invocations, errors, throttles = (counted[function.figure(metric, "Sum")] for metric in COUNTS)
    p50, p95, longest = (points.most(counted[_time(function, statistic)]) for statistic in TIMES)
    return FunctionRow(
        function=function,
        invocations=round(points.total(invocations, now, HOUR)),
        errors=round(points.total(errors, now, HOUR)),
        throttles=round(points.total(throttles, now, HOUR)),
        invocations_lately=round(points.total(invocations, now, LATELY)),
        errors_lately=round(points.total(errors, now, LATELY)),
        throttles_lately=round(points.total(throttles, now, LATELY)),
        p50=p50,
        p95=p95,
        longest=longest,
        last_run_at=max((at for at, count in invocations.items() if count), default=None),
        history=spark.draw(points.last_hour(invocations, now), _("invocations")),
    )
