"""Events, contexts and batch results, against AWS' documentation."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.events import schedule_event, sqs_event
from infra.local.invocation import context_of, failed_message_ids
from infra.local.triggers import Function, QueueTrigger, load_functions
from tests.infra.conftest import Queue

# "Using Lambda with Amazon SQS", example of a message from a FIFO queue (Lambda developer guide).
FIFO_EXAMPLE = """
{"Records": [{
    "messageId": "11d6ee51-4cc7-4302-9e22-7cd8afdaadf5",
    "receiptHandle": "AQEBBX8nesZEXmkhsmZeyIE8iQAMig7qw...",
    "body": "Test message.",
    "attributes": {
        "ApproximateReceiveCount": "1",
        "SentTimestamp": "1573251510774",
        "SequenceNumber": "18849496460467696128",
        "MessageGroupId": "1",
        "SenderId": "AIDAIO23YVJENQZJOL4VO",
        "MessageDeduplicationId": "1",
        "ApproximateFirstReceiveTimestamp": "1573251510774"
    },
    "messageAttributes": {},
    "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
    "eventSource": "aws:sqs",
    "eventSourceARN": "arn:aws:sqs:us-east-2:123456789012:fifo.fifo",
    "awsRegion": "us-east-2"
}]}
"""


def shape(value: Any) -> Any:
    """A value's keys and types, without what it says."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value]
    return type(value).__name__


def sweep() -> Function:
    return load_functions()["sweep"]


def test_a_fifo_message_has_the_shape_of_the_documented_example(sqs: Any) -> None:
    queue = Queue(sqs, "shape.fifo", 30, 5)
    queue.send("Test message.", group="1")

    event = sqs_event(queue.receive(), QueueTrigger(queue.arn, 10))

    assert shape(event) == shape(json.loads(FIFO_EXAMPLE))
    (record,) = event["Records"]
    assert record["body"] == "Test message."
    assert record["md5OfBody"] == "e4e68fb7bd0e697a0ae8f1bb342846b3"
    assert record["eventSourceARN"] == queue.arn
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["attributes"]["MessageGroupId"] == "1"


def test_message_attributes_are_typed_as_lambda_types_them(sqs: Any) -> None:
    queue = Queue(sqs, "attributes", 30, 5)
    attributes = {
        "kind": {"DataType": "String", "StringValue": "telegram"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    sqs.send_message(QueueUrl=queue.url, MessageBody="x", MessageAttributes=attributes)

    (record,) = sqs_event(queue.receive(), QueueTrigger(queue.arn, 10))["Records"]

    lists: dict[str, list[str]] = {"stringListValues": [], "binaryListValues": []}
    assert record["messageAttributes"]["kind"] == {"stringValue": "telegram", "dataType": "String"} | lists
    assert record["messageAttributes"]["raw"] == {"binaryValue": "AP8=", "dataType": "Binary"} | lists
    assert len(record["md5OfMessageAttributes"]) == 32


def test_an_event_survives_json(sqs: Any) -> None:
    queue = Queue(sqs, "json", 30, 5)
    queue.send("مرحبا {{ name }}")

    event = sqs_event(queue.receive(), QueueTrigger(queue.arn, 10))

    assert json.loads(json.dumps(event)) == event


def test_a_schedule_event_is_what_eventbridge_sends_by_zappa_s_rule() -> None:
    event = schedule_event(sweep(), datetime(2026, 11, 24, 6, 0, 1, tzinfo=UTC))

    assert event["detail-type"] == "Scheduled Event"
    assert event["source"] == "aws.events"
    assert event["time"] == "2026-11-24T06:00:01Z"
    assert event["resources"][0].startswith("arn:aws:events:us-east-1:000000000000:rule/")
    assert (event["detail"], event["kwargs"]) == ({}, {})


def test_a_context_knows_its_function_and_its_time() -> None:
    context = context_of(sweep())

    assert context.function_name == "channels-hub-sweep"
    assert context.invoked_function_arn == "arn:aws:lambda:us-east-1:000000000000:function:channels-hub-sweep"
    assert context.memory_limit_in_mb == "128"
    assert 0 < context.get_remaining_time_in_millis() <= 60_000
    assert context.aws_request_id != context_of(sweep()).aws_request_id


@pytest.mark.parametrize("result", [None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}])
def test_results_that_mean_success(result: Any) -> None:
    assert failed_message_ids(result, ["a", "b"]) == set()


@pytest.mark.parametrize(
    "result",
    [
        "",
        "ok",
        7,
        [],
        object(),
        {"batchItemFailures": "a"},
        {"batchItemFailures": ["a"]},
        {"batchItemFailures": [{}]},
        {"batchItemFailures": [{"itemIdentifier": ""}]},
        {"batchItemFailures": [{"itemIdentifier": None}]},
        {"batchItemFailures": [{"itemIdentifier": ["a"]}]},
        {"batchItemFailures": [{"itemIdentifer": "a"}]},
        {"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "unknown"}]},
    ],
)
def test_results_that_fail_the_whole_batch(result: Any) -> None:
    assert failed_message_ids(result, ["a", "b"]) == {"a", "b"}


@given(st.lists(st.sampled_from("abcdefghij")))
def test_what_is_reported_fails_and_nothing_else(reported: list[str]) -> None:
    result = {"batchItemFailures": [{"itemIdentifier": each} for each in reported]}

    assert failed_message_ids(result, list("abcdefghij")) == set(reported)
