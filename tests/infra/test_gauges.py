"""What an LLM box tells CloudWatch, from what llm_api itself says at /metrics."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from infra.llm_box.gauges import Gauges
from llm_api.metrics import Metrics
from llm_api.slots import Slots
from tests.fakes.cloudwatch import FakeCloudWatch
from tests.fakes.server import Answer, Request, Served

MINUTE = datetime(2026, 11, 30, 10, 30, tzinfo=UTC)


class Box:
    """An LLM whose numbers the test sets, and the gauges of its box."""

    def __init__(self) -> None:
        self.watch = FakeCloudWatch()
        self.start()

    def start(self) -> None:
        """Start the LLM anew: it counts from 0."""
        self.metrics, self.slots = Metrics(), Slots(8)
        self.numbers = {"prefix_hits_total": 0.0, "prefix_misses_total": 0.0}
        self.metrics.watch_slots(self.slots)
        self.metrics.watch_waiting(lambda priority: 2 if priority == "interactive" else 1)
        self.metrics.watch_engine(lambda: self.numbers)
        self.status = 200

    def respond(self, request: Request) -> Answer:
        return Answer(self.status, self.metrics.render())

    def told(self, metric: str) -> list[tuple[datetime, float]]:
        return self.watch.values.get(("channels-hub", metric, "prod"), [])


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.fixture
def gauges(box: Box) -> Iterator[Gauges]:
    with Served(box.respond) as served:
        yield Gauges("prod", served.url, box.watch)


def test_what_is_now_is_told_of_the_minute_that_runs(box: Box, gauges: Gauges) -> None:
    box.slots.take()
    assert gauges.publish(MINUTE.timestamp() + 7)
    told = {name: box.told(f"Llm{name}") for name in ("Slots", "SlotsTaken", "Waiting", "TokensPerSecond")}
    assert told == {
        "Slots": [(MINUTE, 8)],
        "SlotsTaken": [(MINUTE, 1)],
        "Waiting": [(MINUTE, 3)],
        "TokensPerSecond": [(MINUTE, 0)],
    }


def test_what_only_grows_is_told_by_its_growth_even_over_a_restart(box: Box, gauges: Gauges) -> None:
    gauges.publish(MINUTE.timestamp())
    for hits in (30, 31):
        box.numbers |= {"prefix_hits_total": hits, "prefix_misses_total": 2}
        gauges.publish(MINUTE.timestamp() + 2 * hits)
    box.start()
    box.numbers["prefix_hits_total"] = 4
    gauges.publish(MINUTE.timestamp() + 120)
    assert [value for _, value in box.told("LlmPrefixHits")] == [0, 30, 1, 4]
    assert [value for _, value in box.told("LlmPrefixMisses")] == [0, 2, 0, 0]


def test_an_llm_that_does_not_answer_is_not_reported(box: Box, gauges: Gauges) -> None:
    box.status = 503
    assert not gauges.publish(MINUTE.timestamp())
    assert not box.watch.values
