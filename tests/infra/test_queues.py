"""infra/queues.yaml in a real emulator, against what the rest of the hub counts on."""

import json
from typing import Any

import boto3
import pytest

from infra.local import queues
from infra.local.errors import QueueError
from infra.local.queues import queue_properties

FIFO = {"dm-inbound.fifo": 30, "dm-outbound.fifo": 60}
STANDARD = {"wakeups": 30, "errands": 90, "llm-requests": 60, "llm-replies": 30}
STANDARD |= {"console-jobs": 3600, "deploys": 3600}
DAY_SECONDS = 24 * 60 * 60


def dead(name: str) -> str:
    return f"{name.removesuffix('.fifo')}-dead{'.fifo' if name.endswith('.fifo') else ''}"


def attributes(sqs: Any, name: str) -> dict[str, str]:
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    found: dict[str, str] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return found


def test_the_template_has_the_queues_of_the_hub_and_no_other() -> None:
    live = [*FIFO, *STANDARD]

    assert set(queue_properties("test-")) == {f"test-{name}" for name in [*live, *map(dead, live)]}


@pytest.mark.parametrize(("name", "visibility_seconds"), [*FIFO.items(), *STANDARD.items()])
def test_a_queue_has_its_visibility_retention_encryption_and_dead_letter_queue(
    sqs: Any, name: str, visibility_seconds: int
) -> None:
    queues.apply_queues("kept-")

    live, buried = attributes(sqs, f"kept-{name}"), attributes(sqs, f"kept-{dead(name)}")

    assert live["VisibilityTimeout"] == str(visibility_seconds)
    assert live["MessageRetentionPeriod"] == str(4 * DAY_SECONDS)
    assert buried["MessageRetentionPeriod"] == str(14 * DAY_SECONDS)
    assert live["SqsManagedSseEnabled"] == buried["SqsManagedSseEnabled"] == "true"
    redrive = json.loads(live["RedrivePolicy"])
    assert redrive == {"deadLetterTargetArn": buried["QueueArn"], "maxReceiveCount": 5}
    assert live.get("ContentBasedDeduplication") == ("false" if name in FIFO else None)


def test_a_message_received_five_times_is_buried(sqs: Any) -> None:
    queues.apply_queues("five-")
    url = sqs.get_queue_url(QueueName="five-dm-inbound.fifo")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="poison", MessageGroupId="g", MessageDeduplicationId="1")

    for _ in range(5):
        message = sqs.receive_message(QueueUrl=url)["Messages"][0]
        sqs.change_message_visibility(
            QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
        )

    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    dead_url = sqs.get_queue_url(QueueName="five-dm-inbound-dead.fifo")["QueueUrl"]
    assert sqs.receive_message(QueueUrl=dead_url)["Messages"][0]["Body"] == "poison"


def test_applying_again_keeps_the_messages(sqs: Any) -> None:
    queues.apply_queues("again-")
    url = sqs.get_queue_url(QueueName="again-wakeups")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="kept")

    queues.apply_queues("again-")

    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "kept"


def test_a_lost_queue_is_made_anew(sqs: Any) -> None:
    queues.apply_queues("lost-")
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName="lost-wakeups")["QueueUrl"])

    queues.apply_queues("lost-")

    assert attributes(sqs, "lost-wakeups")["VisibilityTimeout"] == "30"


def test_a_prefix_with_an_underscore(sqs: Any) -> None:
    queues.apply_queues("under_score-")

    assert attributes(sqs, "under_score-wakeups")


def test_the_bucket_of_files_is_made_once(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_QUEUE_PREFIX", "bucket-")
    monkeypatch.setenv("HUB_STORAGE_BUCKET", "console-files")

    queues.apply()
    queues.apply()

    client = boto3.client("s3")
    assert [bucket["Name"] for bucket in client.list_buckets()["Buckets"]].count("console-files") == 1
    client.close()


def test_no_emulator_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")

    with pytest.raises(QueueError, match=r"could not be made at http://127\.0\.0\.1:9"):
        queues.apply()
