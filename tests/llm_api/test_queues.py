"""The queues on a local SQS."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest

from llm_api.queues import QueueMessage, SqsQueues
from tests.llm_api.conftest import free_port, make_client

pytestmark = pytest.mark.anyio


@pytest.fixture
def sqs(sqs_url: str) -> Iterator[Any]:
    client = make_client(sqs_url)
    yield client
    client.close()


@pytest.fixture
def prefix(sqs: Any) -> str:
    prefix = f"{uuid.uuid4().hex}-"
    sqs.create_queue(QueueName=f"{prefix}llm-requests")
    return prefix


def queues_at(url: str, prefix: str) -> SqsQueues:
    return SqsQueues(
        prefix=prefix, region="us-east-1", endpoint_url=url, visibility_seconds=600, poll_seconds=1, threads=4
    )


@pytest.fixture
async def queues(sqs_url: str, prefix: str) -> AsyncIterator[SqsQueues]:
    queues = queues_at(sqs_url, prefix)
    yield queues
    await queues.close()


@pytest.fixture
async def received(queues: SqsQueues, sqs: Any, prefix: str) -> list[QueueMessage]:
    """23 messages, in three batches of SQS."""
    url = sqs.get_queue_url(QueueName=f"{prefix}llm-requests")["QueueUrl"]
    for number in range(23):
        sqs.send_message(QueueUrl=url, MessageBody=str(number))
    messages: list[QueueMessage] = []
    while len(messages) < 23:
        messages += await queues.receive(23, wait=False)
    return messages


async def test_many_messages_are_returned_together(queues: SqsQueues, received: list[QueueMessage]) -> None:
    assert await queues.receive(10, wait=False) == []
    assert await queues.hide(received, 0) == []
    again: list[QueueMessage] = []
    while len(again) < 23:
        again += await queues.receive(10, wait=False)
    assert {message.id for message in again} == {message.id for message in received}
    assert {message.receive_count for message in again} == {2}


async def test_of_a_batch_that_is_refused_in_part_the_rest_is_done(
    queues: SqsQueues, received: list[QueueMessage]
) -> None:
    lost = [replace(message, receipt="gone") for message in (received[3], received[12], received[22])]
    rest = [message for message in received if message.id not in {each.id for each in lost}]
    refused = await queues.hide([*rest[:5], lost[0], *rest[5:15], *lost[1:], *rest[15:]], 0)
    assert refused == [(message, "ReceiptHandleIsInvalid") for message in lost]
    again: list[QueueMessage] = []
    while len(again) < len(rest):
        again += await queues.receive(10, wait=False)
    assert {message.id for message in again} == {message.id for message in rest}


async def test_a_queue_that_cannot_be_reached_refuses_all() -> None:
    queues = queues_at(f"http://127.0.0.1:{free_port()}", "no-")
    messages = [QueueMessage(str(number), "receipt", "", sent_at=0) for number in range(11)]
    refused = await queues.hide(messages, 30)
    await queues.close()
    assert [message for message, _ in refused] == messages
    assert {reason for _, reason in refused} == {"EndpointConnectionError"}


async def test_nothing_is_no_call(queues: SqsQueues) -> None:
    assert await queues.hide([], 0) == []
