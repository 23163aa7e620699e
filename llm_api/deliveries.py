"""How a delivery ends: with a reply, deleted without one, or given back to the queue."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from llm_api.contract import LlmReply
from llm_api.failures import Failures
from llm_api.heartbeat import Heartbeat
from llm_api.queues import QueueError, QueueMessage, Queues

log = logging.getLogger(__name__)

MAX_RETRY_SECONDS = 30.0


class Deliveries:
    def __init__(self, queues: Queues, heartbeat: Heartbeat, failures: Failures) -> None:
        self._queues = queues
        self._heartbeat = heartbeat
        self._failures = failures

    async def settle(self, message: QueueMessage, organization: str, reply: LlmReply) -> None:
        """Send the reply, then delete the request: a crash in between repeats the reply, never loses it."""
        try:
            await self._queues.reply(reply.to_json(), organization)
        except QueueError as error:
            event = "reply not sent, request returned"
            self._failures.note("reply", event, message, request_id=reply.id, error=str(error))
            await self.give_back([message], retry_seconds(message))
            return
        log.info("request answered", extra={"fields": _facts(reply)})
        await self.delete(message)

    async def delete(self, message: QueueMessage) -> None:
        self._heartbeat.drop(message)
        try:
            await self._queues.delete(message)
        except QueueError as error:
            event = "request not deleted, it will come again"
            self._failures.note("delete", event, message, error=str(error))

    async def give_back(self, messages: Sequence[QueueMessage], pause_seconds: int = 0) -> None:
        await self._heartbeat.give_back(messages, pause_seconds)


def retry_seconds(message: QueueMessage) -> int:
    """How long to wait before the next try: longer with each delivery."""
    return int(min(MAX_RETRY_SECONDS, 2 ** min(message.receive_count, 10)))


def _facts(reply: LlmReply) -> dict[str, Any]:
    return {
        "request_id": reply.id,
        "status": reply.status,
        "error": reply.error and reply.error.code,
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "seconds": round(reply.finished_at - reply.started_at, 3),
    }
