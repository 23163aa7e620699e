"""The hub's queues, seen from outside: how much waits in them, and poison put into them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import boto3

from infra.local.queues import queue_properties
from infra.local.stack_env import emulator_values
from tests.chaos.poison import CONSOLE_JOBS, Poison

_IN_HAND = "ApproximateNumberOfMessagesNotVisible"
_WAITING = ("ApproximateNumberOfMessages", _IN_HAND)
_IN_BATCHES = ("dm-inbound.fifo", "wakeups", "llm-replies")
"""Those that functions are given several messages of at once."""
_NOT_IN_A_RUN = (CONSOLE_JOBS, "deploys")
"""Nothing between contact and answer."""


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
            name: self._client.get_queue_url(QueueName=name)["QueueUrl"] for name in queue_properties()
        }

    def waiting(self) -> Mapping[str, int]:
        """By queue: messages on their way between contact and answer that wait or are being worked on, and
        the dead ones of it that are still to be written down; besides those whose delay has not ended."""
        found: Counter[str] = Counter()
        for name in self._urls:
            if (queue := name.replace("-dead", "")) not in _NOT_IN_A_RUN:
                found[queue] += self._count(name, _WAITING)
        return found

    def in_batches(self) -> int:
        """Messages of batches that a function was given and has not finished."""
        return sum(self._count(name, (_IN_HAND,)) for name in _IN_BATCHES)

    def put(self, poison: Iterable[Poison]) -> None:
        """Each record in a group of its own, where its queue has groups: none waits behind another."""
        for each in poison:
            message = {"QueueUrl": self._urls[each.queue], "MessageBody": each.body}
            if each.queue.endswith(".fifo"):
                message |= {"MessageGroupId": each.mark, "MessageDeduplicationId": each.mark}
            self._client.send_message(**message)

    def _count(self, name: str, attributes: Sequence[str]) -> int:
        answer = self._client.get_queue_attributes(QueueUrl=self._urls[name], AttributeNames=list(attributes))
        return sum(int(answer["Attributes"][attribute]) for attribute in attributes)
