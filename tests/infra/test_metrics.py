"""What the local stack publishes in the place of AWS, and that the Health page's way of reading finds it."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from console.operations import cloudwatch
from console.operations.cloudwatch import Figure
from infra.llm_box.gauges import Gauges
from infra.local.environment import home_of
from infra.local.invocation import counted
from infra.local.metrics import Publisher, Tally, queue_data
from infra.local.tally import Invocation, address_of
from tests.infra.conftest import Queue

NOWHERE = "http://127.0.0.1:9"


class Context:
    """Of an invocation that began just now."""

    function_name = "channels-hub-inbound"

    def __init__(self) -> None:
        self.started_at = time.monotonic()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as found:
        found.bind(address_of(home_of(os.environ)))
        yield found


@pytest.fixture
def emulated(aws: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    client = boto3.client("cloudwatch")
    cloudwatch.forget()
    monkeypatch.setattr(cloudwatch, "client", lambda: client)
    yield client
    cloudwatch.forget()
    client.close()


def test_the_health_page_reads_what_was_published(
    aws: str, emulated: Any, make_queue: Callable[..., Queue], listener: socket.socket
) -> None:
    queue = make_queue("published.fifo")
    queue.send("one", "two")
    publisher = Publisher(aws, [queue.name], Gauges("local", NOWHERE, emulated), emulated)
    with counted(Context()):
        pass
    with pytest.raises(ZeroDivisionError), counted(Context()):
        _ = 1 / 0
    publisher.listen(listener, time.monotonic() + 0.1)
    publisher.publish(time.time())

    name, ours = ("FunctionName", Context.function_name), ("QueueName", queue.name)
    figures = {
        "invocations": Figure("AWS/Lambda", "Invocations", name, "Sum"),
        "errors": Figure("AWS/Lambda", "Errors", name, "Sum"),
        "p95": Figure("AWS/Lambda", "Duration", name, "p95", 3600),
        "waiting": Figure("AWS/SQS", "ApproximateNumberOfMessagesVisible", ours, "Maximum"),
        "age": Figure("AWS/SQS", "ApproximateAgeOfOldestMessage", ours, "Maximum"),
    }
    found = cloudwatch.read(list(figures.values()), datetime.now(UTC))

    told = {key: list(found[figure].values()) for key, figure in figures.items()}
    assert (told["invocations"], told["errors"], told["waiting"]) == ([2], [1], [2])
    assert 0 < told["p95"][0] < 1000
    assert 0 <= told["age"][0] < 30


def test_invocations_are_counted_once_and_by_function() -> None:
    tally = Tally()
    for milliseconds in (41.7, 42.3, 1234):
        tally.add(Invocation("inbound", milliseconds, failed=False))
    tally.add(Invocation("outbound", 10, failed=True))

    data = {(each["Dimensions"][0]["Value"], each["MetricName"]): each for each in tally.take()}

    assert (data["inbound", "Invocations"]["Value"], data["inbound", "Errors"]["Value"]) == (3, 0)
    assert (data["inbound", "Duration"]["Values"], data["inbound", "Duration"]["Counts"]) == (
        [42, 1200],
        [2, 1],
    )
    assert data["outbound", "Errors"]["Value"] == 1
    assert tally.take() == []


def test_what_is_not_due_yet_does_not_wait() -> None:
    due = {"ReceiveCount": 0, "IsVisible": True, "VisibleAt": 90, "FirstReceiveTimestamp": None}
    later = {**due, "IsVisible": False, "VisibleAt": 900}
    taken = {**later, "ReceiveCount": 2, "FirstReceiveTimestamp": 60}

    def told(*messages: dict[str, Any]) -> list[float]:
        return [each["Value"] for each in queue_data("wakeups", messages, now=100)]

    assert told(later) == [0, 0, 0]
    assert told(due, later) == [1, 0, 10]
    assert told(due, taken, later) == [1, 1, 40]


def test_what_is_no_invocation_is_passed_over(listener: socket.socket) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
        for datagram in (b"hello", b"{}", b"[1]", b'{"function": "x"}'):
            stranger.sendto(datagram, listener.getsockname())
    publisher = Publisher(NOWHERE, [], Gauges("local", NOWHERE, None), None)  # type: ignore[arg-type]
    publisher.listen(listener, time.monotonic() + 0.1)
    assert publisher.tally.take() == []
