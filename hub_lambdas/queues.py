"""What goes onto the queues. Bodies carry ids and small facts; credentials never.

The text of a conversation travels on two of them only, because the reader has no database:
`dm-inbound.fifo` (it is not stored yet) and `llm-requests`/`llm-replies` (llm_api knows no Postgres).
"""

import json
import math
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings

from console import aws

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

INBOUND = "dm-inbound.fifo"
ERRANDS = "errands"
OUTBOUND = "dm-outbound.fifo"
WAKEUPS = "wakeups"
LLM_REQUESTS = "llm-requests"
LLM_REPLIES = "llm-replies"

MAX_DELAY_SECONDS = 900
MAX_BATCH = 10
MAX_BATCH_BYTES = 240_000


@cache
def client() -> "SQSClient":
    """The process's SQS client: kept between invocations."""
    from botocore.config import Config

    config = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 3, "mode": "standard"})
    return cast("SQSClient", aws.client("sqs", settings.AWS_REGION, settings.AWS_ENDPOINT_URL, config))


@cache
def url(queue: str) -> str:
    """Address of a queue by its name without the deployment's prefix."""
    return client().get_queue_url(QueueName=settings.QUEUE_PREFIX + queue)["QueueUrl"]


def moment(epoch_seconds: float | None) -> datetime | None:
    """A time that a body names."""
    return None if epoch_seconds is None else datetime.fromtimestamp(epoch_seconds, UTC)


def encode(body: dict[str, Any]) -> str:
    """ASCII JSON: SQS takes no control characters, and contacts send them."""
    return json.dumps(body, separators=(",", ":"))


def send_inbound(entries: Sequence[tuple[str, str, dict[str, Any]]]) -> None:
    """Queue (group, deduplication id, body) triples on dm-inbound.fifo, in order. Raises when any was not
    taken."""
    batch: list[Any] = []
    size = 0
    for group, deduplication_id, body in entries:
        encoded = encode(body)
        if batch and (len(batch) == MAX_BATCH or size + len(encoded) > MAX_BATCH_BYTES):
            _send_batch(batch)
            batch, size = [], 0
        batch.append(
            {
                "Id": str(len(batch)),
                "MessageBody": encoded,
                "MessageGroupId": group,
                "MessageDeduplicationId": deduplication_id,
            }
        )
        size += len(encoded)
    if batch:
        _send_batch(batch)


def run_errands(bodies: Sequence[dict[str, Any]]) -> None:
    """Have the errands Lambda fetch files and names: what no answer waits for."""
    for start in range(0, len(bodies), MAX_BATCH):
        entries: list[Any] = [
            {"Id": str(number), "MessageBody": encode(body)}
            for number, body in enumerate(bodies[start : start + MAX_BATCH])
        ]
        client().send_message_batch(QueueUrl=url(ERRANDS), Entries=entries)


class QueueError(Exception):
    """SQS did not take a message."""


def _send_batch(entries: list[Any]) -> None:
    answer = client().send_message_batch(QueueUrl=url(INBOUND), Entries=entries)
    if answer.get("Failed"):
        codes = sorted({failure["Code"] for failure in answer["Failed"]})
        raise QueueError(f"SQS refused {len(answer['Failed'])} messages for {INBOUND}: {', '.join(codes)}.")


def wake(turn_id: int, until: datetime, now: datetime) -> None:
    """Have the wakeups Lambda look at a turn at `until`: rounded up, so never before it is due."""
    delay = min(MAX_DELAY_SECONDS, max(0, math.ceil((until - now).total_seconds())))
    client().send_message(QueueUrl=url(WAKEUPS), MessageBody=encode({"turn": turn_id}), DelaySeconds=delay)


def request_llm(organization_slug: str, body: dict[str, Any]) -> None:
    """Queue a request for llm_api; the group makes the queue fair between organizations."""
    client().send_message(
        QueueUrl=url(LLM_REQUESTS), MessageBody=encode(body), MessageGroupId=organization_slug
    )


def cancel_llm(organization_slug: str, request_id: uuid.UUID) -> None:
    """Tell llm_api that nobody wants the answer to a request any more."""
    body = {"cancel": str(request_id), "organization": organization_slug}
    client().send_message(
        QueueUrl=url(LLM_REQUESTS), MessageBody=encode(body), MessageGroupId=organization_slug
    )


def deliver(conversation_id: int, message_id: int, key: str) -> None:
    """Have the outbound Lambda send a message. In one conversation they leave in the order of these calls;
    of two with the same `key` within five minutes the second is dropped."""
    client().send_message(
        QueueUrl=url(OUTBOUND),
        MessageBody=encode({"message": message_id}),
        MessageGroupId=str(conversation_id),
        MessageDeduplicationId=key,
    )


def show_typing(conversation_id: int, request_id: uuid.UUID) -> None:
    """Have the outbound Lambda show the contact that an answer is being written; in a group of its own, so
    that no answer waits for a platform that is slow to show it."""
    client().send_message(
        QueueUrl=url(OUTBOUND),
        MessageBody=encode({"typing": str(request_id)}),
        MessageGroupId=f"typing-{conversation_id}",
        MessageDeduplicationId=f"typing-{request_id}",
    )


def postpone(queue: str, receipt_handle: str, seconds: float) -> None:
    """Let a received record come back after `seconds` instead of the queue's visibility time-out."""
    timeout = min(MAX_DELAY_SECONDS, max(1, math.ceil(seconds)))
    client().change_message_visibility(
        QueueUrl=url(queue), ReceiptHandle=receipt_handle, VisibilityTimeout=timeout
    )


def replay(queue: str, body: str) -> None:
    """Put a dead letter's body back on the queue that it came from, in a group of its own."""
    group = f"replay-{uuid.uuid4().hex}"
    message: Any = {"QueueUrl": url(queue), "MessageBody": body, "MessageGroupId": group}
    if queue.endswith(".fifo"):
        message["MessageDeduplicationId"] = group
    client().send_message(**message)
