"""The two queues as the consumer sees them, and their form on SQS."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.type_defs import ChangeMessageVisibilityBatchResultTypeDef

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


class Queues(Protocol):
    """Every method but `close` raises QueueError when the queue cannot be reached or refuses."""

    async def receive(self, limit: int) -> list[QueueMessage]:
        """Wait a short while for at most `limit` requests."""

    async def hide(self, message: QueueMessage, seconds: int) -> None:
        """Keep the request from other receivers for `seconds` from now; 0 returns it."""

    async def hide_all(
        self, messages: Sequence[QueueMessage], seconds: int
    ) -> list[tuple[QueueMessage, str]]:
        """The same for many; returns those that the queue did not hide, each with its reason."""

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

    async def receive(self, limit: int) -> list[QueueMessage]:
        response = await self._call(
            lambda: self._client.receive_message(
                QueueUrl=self._url(REQUESTS),
                MaxNumberOfMessages=min(limit, MAX_BATCH),
                WaitTimeSeconds=self._poll_seconds,
                VisibilityTimeout=self._visibility_seconds,
                MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
            )
        )
        return [_message(raw) for raw in response.get("Messages", [])]

    async def hide(self, message: QueueMessage, seconds: int) -> None:
        await self._call(
            lambda: self._client.change_message_visibility(
                QueueUrl=self._url(REQUESTS), ReceiptHandle=message.receipt, VisibilityTimeout=seconds
            )
        )

    async def hide_all(
        self, messages: Sequence[QueueMessage], seconds: int
    ) -> list[tuple[QueueMessage, str]]:
        failed: list[tuple[QueueMessage, str]] = []
        for start in range(0, len(messages), MAX_BATCH):
            batch = messages[start : start + MAX_BATCH]
            answer = await self._call(partial(self._hide_batch, batch, seconds))
            refused = {each["Id"]: each["Code"] for each in answer.get("Failed", [])}
            failed += [(batch[int(number)], code) for number, code in refused.items()]
        return failed

    def _hide_batch(
        self, batch: Sequence[QueueMessage], seconds: int
    ) -> ChangeMessageVisibilityBatchResultTypeDef:
        return self._client.change_message_visibility_batch(
            QueueUrl=self._url(REQUESTS),
            Entries=[
                {"Id": str(number), "ReceiptHandle": message.receipt, "VisibilityTimeout": seconds}
                for number, message in enumerate(batch)
            ],
        )

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
