"""Receives requests and outlives outages of the queue."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress

from llm_api.metrics import Metrics
from llm_api.queues import QueueError, QueueMessage, Queues

log = logging.getLogger(__name__)

MAX_BACKOFF_SECONDS = 30.0


class Receiver:
    """Waits longer after each failure, but not once `stopping` is set."""

    def __init__(
        self, queues: Queues, metrics: Metrics, stopping: asyncio.Event, backoff_seconds: float
    ) -> None:
        self._queues = queues
        self._metrics = metrics
        self._stopping = stopping
        self._backoff_seconds = backoff_seconds
        self._failed_receives = 0

    @property
    def is_failing(self) -> bool:
        return self._failed_receives > 0

    async def receive(self, limit: int, *, wait: bool) -> list[QueueMessage]:
        """At most `limit` messages; with `wait` a while is spent on waiting for the first."""
        try:
            messages = await self._queues.receive(limit, wait=wait)
        except QueueError as error:
            await self._back_off(error)
            return []
        if self._failed_receives:
            log.info("queue reached again", extra={"fields": {"failed_receives": self._failed_receives}})
            self._failed_receives = 0
        return messages

    async def _back_off(self, error: QueueError) -> None:
        """Log once per outage and wait longer after each try, with jitter so that boxes spread out."""
        self._metrics.count_consumer_error("receive")
        if not self._failed_receives:
            log.warning("cannot reach the queue, trying on", extra={"fields": {"error": str(error)}})
        seconds = min(MAX_BACKOFF_SECONDS, self._backoff_seconds * 2 ** min(self._failed_receives, 10))
        self._failed_receives += 1
        jitter = random.uniform(0.5, 1.0)  # noqa: S311  no secret
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds * jitter)
