"""The hub's queues in memory, behind the part of boto3's SQS client that `hub_lambdas.queues` uses.

Time does not pass here: a delayed message is kept aside until the test says so. Whatever the real SQS
promises on order, deduplication and redelivery is tested against the emulator; this fake is for what the
handlers make of messages.
"""

import itertools
import json
from collections.abc import Callable, Iterable
from typing import Any

from botocore.exceptions import EndpointConnectionError

Handler = Callable[[dict[str, Any], object], dict[str, Any]]


MAX_MESSAGE_BYTES = 1024 * 1024
_ids = itertools.count(1)
"""As with SQS, no two messages have one id: the ledger knows a dead letter by it."""


class FakeSqs:
    """Queues by name. `url` of a queue is its name."""

    def __init__(self) -> None:
        self.queues: dict[str, list[dict[str, Any]]] = {}
        self.delayed: dict[str, list[dict[str, Any]]] = {}
        self.in_flight: dict[str, int] = {}
        self.postponed: list[tuple[str, int]] = []
        self.broken: set[str] = set()
        self._seen: set[tuple[str, str]] = set()

    # --- the client's methods, by boto3's names ---

    def get_queue_url(self, QueueName: str) -> dict[str, str]:  # noqa: N803
        return {"QueueUrl": QueueName}

    def get_queue_attributes(self, QueueUrl: str, AttributeNames: Iterable[str]) -> dict[str, Any]:  # noqa: N803
        if QueueUrl in self.broken:
            raise EndpointConnectionError(endpoint_url=QueueUrl)
        counts = {
            "ApproximateNumberOfMessages": len(self.queues.get(QueueUrl, ())),
            "ApproximateNumberOfMessagesNotVisible": self.in_flight.get(QueueUrl, 0),
            "ApproximateNumberOfMessagesDelayed": len(self.delayed.get(QueueUrl, ())),
        }
        return {"Attributes": {name: str(counts[name]) for name in AttributeNames}}

    def send_message(self, **message: Any) -> dict[str, Any]:
        queue = message["QueueUrl"]
        if queue in self.broken:
            raise EndpointConnectionError(endpoint_url=queue)
        assert len(message["MessageBody"].encode("ascii")) <= MAX_MESSAGE_BYTES
        deduplication = (queue, str(message.get("MessageDeduplicationId")))
        if message.get("MessageDeduplicationId") and deduplication in self._seen:
            return {"MessageId": "deduplicated"}
        self._seen.add(deduplication)
        record = self._record(queue, message)
        kept = self.delayed if message.get("DelaySeconds") else self.queues
        kept.setdefault(queue, []).append(record)
        return {"MessageId": record["messageId"]}

    def send_message_batch(self, QueueUrl: str, Entries: Iterable[Any]) -> dict[str, Any]:  # noqa: N803
        for entry in Entries:
            self.send_message(
                QueueUrl=QueueUrl, **{key: value for key, value in entry.items() if key != "Id"}
            )
        return {"Successful": []}

    def change_message_visibility(self, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:  # noqa: N803
        self.postponed.append((QueueUrl, VisibilityTimeout))

    # --- what a test does with them ---

    def bodies(self, queue: str) -> list[Any]:
        """The bodies that wait in a queue, in order."""
        return [json.loads(record["body"]) for record in self.queues.get(queue, [])]

    def requests(self) -> list[Any]:
        """The requests that wait for the LLM, without cancellations."""
        return [body for body in self.bodies("llm-requests") if "cancel" not in body]

    def put(self, queue: str, body: Any, *, group: str = "test") -> None:
        """Queue a body as somebody else would."""
        self.send_message(QueueUrl=queue, MessageBody=json.dumps(body), MessageGroupId=group)

    def release(self, queue: str) -> None:
        """Let the delays of a queue be over."""
        self.queues.setdefault(queue, []).extend(self.delayed.pop(queue, []))

    def forget_ids(self) -> None:
        """Let the five minutes be over in which a queue drops what has an id that it was given before."""
        self._seen.clear()

    def run(self, queue: str, handler: Handler, *, times: int = 1) -> int:
        """Give all that waits in a queue to a handler, `times` times over; what fails stays. Returns how
        many failed."""
        records = self.queues.pop(queue, [])
        failed: set[str] = set()
        for _ in range(times):
            if records:
                for record in records:
                    count = int(record["attributes"]["ApproximateReceiveCount"])
                    record["attributes"]["ApproximateReceiveCount"] = str(count + 1)
                failures = handler({"Records": records}, None)["batchItemFailures"]
                failed = {failure["itemIdentifier"] for failure in failures}
        left = [record for record in records if record["messageId"] in failed]
        self.queues[queue] = left + self.queues.get(queue, [])
        return len(left)

    def _record(self, queue: str, message: dict[str, Any]) -> dict[str, Any]:
        number = next(_ids)
        return {
            "messageId": f"m{number}",
            "receiptHandle": f"r{number}",
            "body": message["MessageBody"],
            "attributes": {
                "MessageGroupId": message.get("MessageGroupId", ""),
                "ApproximateReceiveCount": "0",
            },
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:us-east-1:000000000000:{queue}",
            "awsRegion": "us-east-1",
        }
