"""Which records of a batch SQS is told to keep."""

from typing import Any

import pytest

from hub_lambdas import batch

pytestmark = pytest.mark.django_db


def record(number: int, group: str = "", queue: str = "wakeups") -> dict[str, Any]:
    return {
        "messageId": str(number),
        "body": str(number),
        "attributes": {"MessageGroupId": group},
        "eventSourceARN": f"arn:aws:sqs:us-east-1:000000000000:{queue}",
    }


def failures(records: list[dict[str, Any]], bad: set[int]) -> tuple[list[int], list[int]]:
    """(numbers that failed, numbers that were handled) when the handler fails on `bad`."""
    handled = []

    def handle(it: batch.SqsRecord) -> None:
        handled.append(int(it["body"]))
        if int(it["body"]) in bad:
            raise ValueError("bad record")

    result = batch.process({"Records": records}, handle)
    return [int(failure["itemIdentifier"]) for failure in result["batchItemFailures"]], handled


def test_one_failure_is_one_failure() -> None:
    assert failures([record(1), record(2), record(3)], {2}) == ([2], [1, 2, 3])


def test_none_failed() -> None:
    assert failures([record(1)], set()) == ([], [1])


def test_on_a_fifo_queue_the_rest_of_the_group_waits() -> None:
    records = [
        record(n, group, "dm-outbound.fifo")
        for n, group in [(1, "a"), (2, "b"), (3, "a"), (4, "b"), (5, "a")]
    ]
    assert failures(records, {1}) == ([1, 3, 5], [1, 2, 4])


def test_groups_of_a_standard_queue_are_for_fairness_only() -> None:
    assert failures([record(1, "a"), record(2, "a")], {1}) == ([1], [1, 2])


def test_what_a_contact_wrote_is_not_logged_with_a_fault(caplog: pytest.LogCaptureFixture) -> None:
    text = "a contact's " + "secret"

    def fail(it: batch.SqsRecord) -> None:
        raise ValueError(text)

    batch.process({"Records": [record(1)]}, fail)
    assert "ValueError" in caplog.text
    assert "in fail" in caplog.text
    assert text not in caplog.text
