"""What went wrong with a delivery: counted, and logged without a word of it."""

from __future__ import annotations

import logging

from llm_api.metrics import ConsumerError, Metrics
from llm_api.queues import QueueMessage

log = logging.getLogger(__name__)


class Failures:
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def note(self, operation: ConsumerError, event: str, message: QueueMessage, **fields: str) -> None:
        self._metrics.count_consumer_error(operation)
        facts = {"message_id": message.id, "receive_count": message.receive_count}
        log.warning(event, extra={"fields": facts | fields})
