"""The hub's queues, seen from outside: how much waits in them, and poison put into them."""

import json
from collections.abc import Sequence
from typing import Any

import boto3

from infra.local.queues import queue_properties
from infra.local.stack_env import emulator_values

MARK = "poison-of-the-chaos-run"
CONSOLE_JOBS = "console-jobs"
_IN_HAND = "ApproximateNumberOfMessagesNotVisible"
_WAITING = ("ApproximateNumberOfMessages", _IN_HAND)
_IN_BATCHES = ("dm-inbound.fifo", "wakeups", "llm-replies")
"""Those that functions are given several messages of at once."""
_NOBODY = "00000000-0000-4000-8000-000000000000"
POISON: dict[str, dict[str, object]] = {
    "dm-inbound.fifo": {"channel": _NOBODY, "received_at": 1.0, "inbound": {"type": "message"}},
    "dm-outbound.fifo": {"message": 2**40},
    "wakeups": {"turn": 2**40},
    "errands": {"media": 2**40},
    "llm-requests": {"organization": "nobody"},
    "llm-replies": {"id": _NOBODY, "status": "completed", "text": "Certainly."},
    CONSOLE_JOBS: {"id": _NOBODY},
}
"""Well-formed JSON that speaks of what is not there."""


class Queues:
    """The queues of a stack whose emulator listens on `port`."""

    def __init__(self, port: int) -> None:
        values = emulator_values(port)
        self._client: Any = boto3.client(
            "sqs",
            endpoint_url=values["AWS_ENDPOINT_URL"],
            region_name=values["AWS_DEFAULT_REGION"],
            aws_access_key_id=values["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=values["AWS_SECRET_ACCESS_KEY"],
        )
        self._urls = {
            name: self._client.get_queue_url(QueueName=name)["QueueUrl"]
            for name in queue_properties()
            if name in POISON
        }

    def waiting(self) -> int:
        """Messages on their way between contact and answer that wait or are being worked on, besides those
        whose delay has not ended."""
        return sum(self._count(name, _WAITING) for name in self._urls if name != CONSOLE_JOBS)

    def in_batches(self) -> int:
        """Messages of batches that a function was given and has not finished."""
        return sum(self._count(name, (_IN_HAND,)) for name in _IN_BATCHES)

    def poison(self) -> int:
        """Put rubbish and unknown ids on every queue; how many records."""
        for name in self._urls:
            self._send(name, f"{{rubbish {MARK}")
            self._send(name, json.dumps(POISON[name] | {"mark": MARK}))
        return 2 * len(self._urls)

    def _count(self, name: str, attributes: Sequence[str]) -> int:
        answer = self._client.get_queue_attributes(QueueUrl=self._urls[name], AttributeNames=list(attributes))
        return sum(int(answer["Attributes"][attribute]) for attribute in attributes)

    def _send(self, name: str, body: str) -> None:
        message = {"QueueUrl": self._urls[name], "MessageBody": body}
        if name.endswith(".fifo"):
            message |= {"MessageGroupId": MARK, "MessageDeduplicationId": str(len(body))}
        self._client.send_message(**message)
