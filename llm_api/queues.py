"""The two queues as the consumer sees them, and their form on SQS."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.type_defs import ChangeMessageVisibilityBatchRequestEntryTypeDef

T = TypeVar("T")

REQUESTS = "llm-requests"
REPLIES = "llm-replies"
MAX_BATCH = 10  # the limit of SQS, for what it gives and takes in one call


class QueueError(Exception):
    """A queue cannot be reached or refuses a call; the text names the kind of failure, no message."""


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """One delivery of a message. `receipt` belongs to this delivery, `id` to the message."""

    id: str
    receipt: str
    body: str
    sent_at: float
    receive_count: int = 1


Refusal = tuple[QueueMessage, str]
"""A message with which the queue did not do as it was told, and the kind of failure."""


class Queues(Protocol):
    """`receive`, `delete` and `reply` raise QueueError when the queue cannot be reached or refuses."""

    async def receive(self, limit: int, *, wait: bool) -> list[QueueMessage]:
        """At most `limit` requests; with `wait` a short while is spent on waiting for the first."""

    async def hide(self, messages: Sequence[QueueMessage], seconds: int) -> list[Refusal]:
        """Keep requests from other receivers for `seconds` from now; 0 returns them. Gives what the queue
        did not do: an unreachable queue refuses all, and nothing is raised."""

    async def delete(self, message: QueueMessage) -> None: ...

    async def reply(self, body: str, organization: str) -> None: ...

    async def close(self) -> None: ...


class SqsQueues:
    """Queues on SQS. boto3 blocks, so each call runs on a thread."""

    def __init__(
        self,
        *,
        prefix: str,
        region: str,
        endpoint_url: str | None,
        visibility_seconds: int,
        poll_seconds: int,
        threads: int,
    ) -> None:
        self._client = _client(region, endpoint_url, poll_seconds, threads)
        self._prefix = prefix
        self._visibility_seconds = visibility_seconds
        self._poll_seconds = poll_seconds
        self._urls: dict[str, str] = {}
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="sqs")

    async def receive(self, limit: int, *, wait: bool) -> list[QueueMessage]:
        response = await self._call(
            lambda: self._client.receive_message(
                QueueUrl=self._url(REQUESTS),
                MaxNumberOfMessages=min(limit, MAX_BATCH),
                WaitTimeSeconds=self._poll_seconds if wait else 0,
                VisibilityTimeout=self._visibility_seconds,
                MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
            )
        )
        return [_message(raw) for raw in response.get("Messages", [])]

    async def hide(self, messages: Sequence[QueueMessage], seconds: int) -> list[Refusal]:
        batches = [messages[start : start + MAX_BATCH] for start in range(0, len(messages), MAX_BATCH)]
        refused = await asyncio.gather(*(self._hide_batch(batch, seconds) for batch in batches))
        return [refusal for each in refused for refusal in each]

    async def _hide_batch(self, batch: Sequence[QueueMessage], seconds: int) -> list[Refusal]:
        entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
            {"Id": str(number), "ReceiptHandle": message.receipt, "VisibilityTimeout": seconds}
            for number, message in enumerate(batch)
        ]
        try:
            response = await self._call(
                lambda: self._client.change_message_visibility_batch(
                    QueueUrl=self._url(REQUESTS), Entries=entries
                )
            )
        except QueueError as error:  # of this batch only: the others may have been taken
            return [(message, str(error)) for message in batch]
        return [(batch[int(failed["Id"])], failed["Code"]) for failed in response.get("Failed", [])]

    async def delete(self, message: QueueMessage) -> None:
        await self._call(
            lambda: self._client.delete_message(QueueUrl=self._url(REQUESTS), ReceiptHandle=message.receipt)
        )

    async def reply(self, body: str, organization: str) -> None:
        await self._call(
            lambda: self._client.send_message(
                QueueUrl=self._url(REPLIES), MessageBody=body, MessageGroupId=organization
            )
        )

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown)
        self._client.close()

    async def _call(self, call: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except ClientError as error:
            raise QueueError(error.response.get("Error", {}).get("Code", "ClientError")) from None
        except BotoCoreError as error:
            raise QueueError(type(error).__name__) from None

    def _url(self, name: str) -> str:
        if name not in self._urls:
            self._urls[name] = self._client.get_queue_url(QueueName=self._prefix + name)["QueueUrl"]
        return self._urls[name]


def _client(region: str, endpoint_url: str | None, poll_seconds: int, threads: int) -> SQSClient:
    # The emulator takes any key, and looking for a real one would ask the network first.
    local = urlsplit(endpoint_url or "").hostname in ("127.0.0.1", "localhost", "::1")
    key = "local" if local and "AWS_ACCESS_KEY_ID" not in os.environ else None
    config = Config(
        connect_timeout=3,
        read_timeout=poll_seconds + 10,
        max_pool_connections=threads,
        retries={"mode": "standard", "total_max_attempts": 2},
    )
    return boto3.client(
        "sqs",
        region_name=region,
        endpoint_url=endpoint_url,
        config=config,
        aws_access_key_id=key,
        aws_secret_access_key=key,
    )


def _message(raw: Any) -> QueueMessage:
    attributes = raw.get("Attributes", {})
    return QueueMessage(
        id=raw["MessageId"],
        receipt=raw["ReceiptHandle"],
        body=raw["Body"],
        sent_at=int(attributes.get("SentTimestamp", 0)) / 1000,
        receive_count=int(attributes.get("ApproximateReceiveCount", 1)),
    )
