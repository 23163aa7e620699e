"""Keeps the requests in hand hidden from other boxes for as long as this one lives, and gives them back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from llm_api.failures import Failures
from llm_api.queues import QueueMessage, Queues


class Heartbeat:
    """Renews the visibility of what it keeps at a third of its time, many messages a call."""

    def __init__(self, queues: Queues, failures: Failures, visibility_seconds: float) -> None:
        self._queues = queues
        self._failures = failures
        self._seconds = visibility_seconds
        self._kept: dict[str, QueueMessage] = {}
        self._one_at_a_time = asyncio.Lock()

    def keep(self, message: QueueMessage) -> None:
        """Keep a message hidden; of a message that was delivered again the newer receipt counts."""
        self._kept[message.id] = message

    def drop(self, message: QueueMessage) -> None:
        self._kept.pop(message.id, None)

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            await asyncio.sleep(self._seconds / 3)
            if self._kept:
                await self._beat()

    async def give_back(self, messages: Sequence[QueueMessage], pause_seconds: int = 0) -> None:
        """Have the queue deliver the messages again, after a pause."""
        for message in messages:
            self.drop(message)
        async with self._one_at_a_time:  # a beat that is under way would hide them again
            failed = await self._queues.hide(messages, pause_seconds)
        for message, reason in failed:
            event = "request not returned, it reappears by itself"
            self._failures.note("release", event, message, error=reason)

    async def _beat(self) -> None:
        async with self._one_at_a_time:
            failed = await self._queues.hide(list(self._kept.values()), max(1, round(self._seconds)))
        for message, reason in failed:
            if message.id in self._kept:  # else it was answered and deleted meanwhile
                self._failures.note("heartbeat", "heartbeat failed", message, error=reason)
