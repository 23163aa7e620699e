"""Publishes to the emulator what AWS counts by itself: `python -m infra.local.metrics`.

Invocations (AWS/Lambda) as the workers and the gateway tell of them, queues (AWS/SQS) as the emulator shows
them, and the gauges of the one LLM box, by the code that publishes them on a real one.
"""

import logging
import os
import socket
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import boto3
import httpx
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.llm_box.gauges import MINUTE_SECONDS, CloudWatch, Gauges
from infra.local.environment import LOOPBACK, home_of, load_environment, ports_of
from infra.local.logs import start_logging
from infra.local.queues import queue_properties
from infra.local.tally import Invocation, address_of, heard

PUBLISH_SECONDS = 15.0
_CONFIG = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 1})

log = logging.getLogger("metrics")

Datum = dict[str, Any]


@dataclass
class Tally:
    """The invocations since the last time somebody asked, by function."""

    durations: dict[str, Counter[float]] = field(default_factory=lambda: defaultdict(Counter))
    failures: Counter[str] = field(default_factory=Counter)

    def add(self, invocation: Invocation) -> None:
        self.durations[invocation.function][_rounded(invocation.milliseconds)] += 1
        self.failures[invocation.function] += invocation.failed

    def take(self) -> list[Datum]:
        """The metrics of AWS/Lambda; from then on it counts anew."""
        durations, failures = self.durations, self.failures
        self.durations, self.failures = defaultdict(Counter), Counter()
        return [
            datum
            for name, counts in durations.items()
            for datum in (
                _datum("Invocations", "FunctionName", name, counts.total()),
                _datum("Errors", "FunctionName", name, failures[name]),
                _datum("Duration", "FunctionName", name, list(counts), list(counts.values())),
            )
        ]


def queue_data(name: str, messages: Sequence[Mapping[str, Any]], now: float) -> list[Datum]:
    """The metrics of AWS/SQS of a queue, from its messages as the emulator shows them (times in epoch
    seconds). One that is not due yet does not wait."""
    due = [message for message in messages if message["ReceiveCount"] or message["IsVisible"]]
    since = [message["FirstReceiveTimestamp"] or message["VisibleAt"] for message in due]
    visible = sum(bool(message["IsVisible"]) for message in due)
    values = {
        "ApproximateNumberOfMessagesVisible": visible,
        "ApproximateNumberOfMessagesNotVisible": len(due) - visible,
        "ApproximateAgeOfOldestMessage": max(0.0, now - min(since, default=now)),
    }
    return [_datum(metric, "QueueName", name, value) for metric, value in values.items()]


class Publisher:
    """Listens for invocations, and publishes every PUBLISH_SECONDS."""

    def __init__(self, aws_url: str, queues: Iterable[str], gauges: Gauges, cloudwatch: CloudWatch) -> None:
        self._aws_url, self._queues = aws_url, list(queues)
        self._gauges, self._cloudwatch = gauges, cloudwatch
        self._minute = 0.0
        self.tally = Tally()

    def run(self, listener: socket.socket) -> None:
        due = time.monotonic()
        while True:
            self.listen(listener, due)
            try:
                self.publish(time.time())
            except (BotoCoreError, ClientError, httpx.HTTPError) as error:
                log.warning("cannot publish, tries on: %s", error)
            due = max(due + PUBLISH_SECONDS, time.monotonic())

    def listen(self, listener: socket.socket, until: float) -> None:
        """Take in what is told until then (monotonic seconds)."""
        while (seconds := until - time.monotonic()) > 0:
            listener.settimeout(seconds)
            try:
                invocation = heard(listener.recv(4096))
            except TimeoutError:
                return
            if invocation:
                self.tally.add(invocation)

    def publish(self, now: float) -> None:
        """Publish what there is to tell at `now` (epoch seconds); the gauges once in each minute."""
        if functions := self.tally.take():
            self._cloudwatch.put_metric_data(Namespace="AWS/Lambda", MetricData=functions)
        messages = self._messages()
        queues = [datum for name in self._queues for datum in queue_data(name, messages.get(name, ()), now)]
        self._cloudwatch.put_metric_data(Namespace="AWS/SQS", MetricData=queues)
        if now // MINUTE_SECONDS > self._minute and self._gauges.publish(now):
            self._minute = now // MINUTE_SECONDS

    def _messages(self) -> dict[str, Sequence[Mapping[str, Any]]]:
        """The messages of each queue, by an address of the emulator's own that receives none of them."""
        answer = httpx.get(f"{self._aws_url}/_ministack/sqs/messages", timeout=5, trust_env=False)
        accounts = answer.raise_for_status().json()["messages"].values()
        queues = [queue for account in accounts for region in account.values() for queue in region.items()]
        return {url.rsplit("/", 1)[1]: messages for url, messages in queues}


def _datum(
    metric: str, dimension: str, name: str, value: float | list[float], counts: list[int] | None = None
) -> Datum:
    datum: Datum = {"MetricName": metric, "Dimensions": [{"Name": dimension, "Value": name}]}
    return datum | ({"Value": value} if counts is None else {"Values": value, "Counts": counts})


def _rounded(milliseconds: float) -> float:
    """To two digits: few different values to publish."""
    return float(f"{milliseconds:.1e}")


def main() -> None:
    start_logging()
    logging.getLogger("httpx").setLevel(logging.WARNING)
    load_environment()
    cloudwatch: CloudWatch = boto3.client("cloudwatch", config=_CONFIG)
    llm_url = f"http://{LOOPBACK}:{ports_of(os.environ).llm}"
    gauges = Gauges(os.environ.get("HUB_STAGE", "local"), llm_url, cloudwatch)
    queues = queue_properties(os.environ.get("HUB_QUEUE_PREFIX", ""))
    publisher = Publisher(os.environ["AWS_ENDPOINT_URL"], queues, gauges, cloudwatch)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address_of(home_of(os.environ)))
        publisher.run(listener)


if __name__ == "__main__":
    main()
