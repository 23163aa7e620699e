"""A consumer with an engine and queues in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from llm_api.consumer import Consumer
from llm_api.metrics import Metrics
from llm_api.slots import Slots
from tests.llm_api.fakes import FakeEngine, FakeQueues


class Box:
    """A consumer with its fakes."""

    def __init__(self, engine: FakeEngine, **settings: Any) -> None:
        self.engine = engine
        self.queues = FakeQueues()
        self.slots = Slots(engine.slots)
        self.metrics = Metrics()
        self.consumer = Consumer(
            self.queues,
            engine,
            self.slots,
            self.metrics,
            **({"backoff_seconds": 0.001, "look_ahead_seconds": 0.001} | settings),
        )

    def metric(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.consumer.run())
        yield task
        self.consumer.stop_receiving()
        await task
