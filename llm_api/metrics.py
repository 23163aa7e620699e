"""What Prometheus reads at /metrics: counts and times, never a word of a message."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from llm_api.engine.base import EngineError, Event, Finished, Started

Source = Literal["queue", "http"]
ConsumerError = Literal["receive", "heartbeat", "reply", "delete", "release", "malformed", "engine"]

SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 60.0)


class _EngineNumbers(Collector):
    def __init__(self, numbers: Callable[[], Mapping[str, int]]) -> None:
        self._numbers = numbers

    def collect(self) -> Iterator[Metric]:
        for name, number in self._numbers().items():
            family = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            yield family(f"hub_llm_engine_{name}", "Of the embedded engine", value=number)


class Metrics:
    """The service's numbers, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = self._counter("requests", "Requests by source and outcome", "source", "outcome")
        self._tokens = self._counter("tokens", "Tokens read (prompt), reused (cached), written", "kind")
        self._consumer_errors = self._counter("consumer_errors", "Failures of the consumer", "operation")
        self._in_flight = Gauge(
            "hub_llm_in_flight",
            "Requests at the engine, in work or in its line",
            ["source"],
            registry=self.registry,
        )
        self._waiting = Gauge(
            "hub_llm_waiting", "Queue requests in hand that wait for a slot", registry=self.registry
        )
        self._dropped = self._counter("dropped", "Queue requests not answered, by reason", "reason")
        self._stopped = Counter(
            "hub_llm_stopped",
            "Generations stopped for another organization's request, to be made anew",
            registry=self.registry,
        )
        self._wait = self._histogram("queue_wait_seconds", "From sending a request to its start")
        self._generation = self._histogram("generation_seconds", "From the start to the last token")

    def render(self) -> bytes:
        return generate_latest(self.registry)

    def count_consumer_error(self, operation: ConsumerError) -> None:
        self._consumer_errors.labels(operation).inc()

    def watch_waiting(self, count: Callable[[], int]) -> None:
        """Ask `count` whenever somebody reads how many requests wait."""
        self._waiting.set_function(count)

    def watch_engine(self, numbers: Callable[[], Mapping[str, int]]) -> None:
        """Ask for `numbers` whenever somebody reads them; those whose names end in _total only grow."""
        self.registry.register(_EngineNumbers(numbers))

    def count_dropped(self, reason: Literal["expired", "cancelled"]) -> None:
        self._dropped.labels(reason).inc()

    def count_stopped(self) -> None:
        self._stopped.inc()

    async def observe(
        self, source: Source, events: AsyncGenerator[Event, None], sent_at: float
    ) -> AsyncGenerator[Event, None]:
        """Pass the events of one request on and count them. `sent_at` is in epoch seconds."""
        outcome = "cancelled"
        started_at = time.time()
        self._in_flight.labels(source).inc()
        try:
            async with aclosing(events):
                async for event in events:
                    if isinstance(event, Started):
                        started_at = event.at
                        self._wait.labels(source).observe(max(0.0, started_at - sent_at))
                    elif isinstance(event, Finished):
                        outcome = "completed"
                        self._generation.labels(source).observe(time.time() - started_at)
                        self._count_tokens(event)
                    yield event
        except Exception as error:
            outcome = "refused" if isinstance(error, EngineError) and error.permanent else "failed"
            raise
        finally:
            self._in_flight.labels(source).dec()
            self._requests.labels(source, outcome).inc()

    def _count_tokens(self, finished: Finished) -> None:
        self._tokens.labels("prompt").inc(finished.prompt_tokens)
        self._tokens.labels("cached").inc(finished.cached_tokens)
        self._tokens.labels("completion").inc(finished.completion_tokens)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"hub_llm_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str) -> Histogram:
        return Histogram(f"hub_llm_{name}", text, ["source"], buckets=SECONDS, registry=self.registry)
