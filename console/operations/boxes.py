"""The LLM boxes, by the gauges that each publishes once a minute (infra/llm_box/gauges.py)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from console.operations import points, spark
from console.operations.cloudwatch import Figure, Figures

NAMESPACE = "channels-hub"
SETTLED = timedelta(seconds=75)
"""Every box has published the gauges of a minute that began so long ago."""
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Boxes:
    """All boxes together. None stands for what nobody told: `in_service` where no group keeps them,
    `requests` where SQS does not answer, `hit_percent` where the engine counts no prefixes or read none."""

    reporting: int
    in_service: int | None
    slots: int
    taken: int
    waiting: int
    tokens_per_second: float
    hit_percent: int | None
    requests: int | None
    target: float
    taken_history: spark.Spark
    tokens_history: spark.Spark

    @property
    def free(self) -> int:
        """Slots in which a request could begin at once."""
        return max(0, self.slots - self.taken)

    @property
    def silent(self) -> int:
        """Boxes that are in service and do not report."""
        return max(0, (self.in_service or 0) - self.reporting)

    @property
    def load(self) -> float | None:
        """Requests for each box, those that wait and those in its hands: what the number of boxes follows."""
        return None if self.requests is None else self.requests / max(1, self.reporting)

    @property
    def is_behind(self) -> bool:
        """Whether there are more for each box than are aimed at."""
        return (self.load or 0) > self.target

    @property
    def percent_of_target(self) -> int:
        """How near the next box is."""
        return min(100, round((self.load or 0) * 100 / max(1, self.target)))

    @property
    def percent_taken(self) -> int:
        """How full the slots are."""
        return min(100, round(self.taken * 100 / self.slots)) if self.slots else 0


def _gauge(metric: str, statistic: str = "Sum") -> Figure:
    return Figure(NAMESPACE, metric, ("Stage", settings.STAGE), statistic)


def _gauges() -> dict[str, Figure]:
    sums = ("Slots", "SlotsTaken", "Waiting", "TokensPerSecond", "PrefixHits", "PrefixMisses")
    return {name: _gauge(f"Llm{name}") for name in sums} | {"boxes": _gauge("LlmSlots", "SampleCount")}


def _in_service() -> Figure:
    group = ("AutoScalingGroupName", f"channels-hub-{settings.STAGE}-llm")
    return Figure("AWS/AutoScaling", "GroupInServiceInstances", group, "Maximum")


def _newest_minute(told: points.Points, now: datetime) -> datetime:
    """The newest of which all boxes have told; when they have just begun, of which one has."""
    fresh = [at for at in told if now - at <= points.FRESH]
    settled = [at for at in fresh if now - at >= SETTLED]
    return max(settled or fresh, default=now)


def figures() -> list[Figure]:
    """What the boxes need of CloudWatch."""
    return [*_gauges().values(), _in_service()]


def boxes(now: datetime, counted: Figures, requests: int | None) -> Boxes:
    """The boxes as of the newest minute of which all have told. `requests`: those that wait or were taken."""
    gauges = {name: counted[figure] for name, figure in _gauges().items()}
    at = _newest_minute(gauges["boxes"], now)
    told = {name: found.get(at, 0.0) for name, found in gauges.items()}
    hits, misses = (points.total(gauges[name], now, HOUR) for name in ("PrefixHits", "PrefixMisses"))
    in_service = points.newest(counted[_in_service()], now)
    return Boxes(
        reporting=round(told["boxes"]),
        in_service=None if in_service is None else round(in_service),
        slots=round(told["Slots"]),
        taken=round(told["SlotsTaken"]),
        waiting=round(told["Waiting"]),
        tokens_per_second=told["TokensPerSecond"],
        hit_percent=round(hits * 100 / (hits + misses)) if hits + misses else None,
        requests=requests,
        target=settings.LLM_REQUESTS_PER_BOX,
        taken_history=spark.draw(points.last_hour(gauges["SlotsTaken"], now), "slots taken"),
        tokens_history=spark.draw(points.last_hour(gauges["TokensPerSecond"], now), "tokens a second"),
    )
