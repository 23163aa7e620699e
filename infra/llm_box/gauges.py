"""What an LLM box tells CloudWatch once a minute, from llm_api's /metrics: slots, waiting, tokens, prefixes.

One value of each gauge per box and minute, dated to the minute's beginning: so their sum is that of all boxes
and their number says how many report. An LLM that does not answer is not reported.
"""

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import boto3
import httpx
from botocore.exceptions import BotoCoreError, ClientError
from prometheus_client.parser import text_string_to_metric_families

log = logging.getLogger(__name__)

NAMESPACE = "channels-hub"
MINUTE_SECONDS = 60


@dataclass(frozen=True)
class Reading:
    """Numbers of an LLM at one moment; the last three only grow, until it is started anew."""

    slots: float
    taken: float
    waiting: float
    written: float
    hits: float
    misses: float


class CloudWatch(Protocol):
    """The part of boto3's client that is used."""

    def put_metric_data(self, **request: Any) -> Any: ...


class Gauges:
    """The gauges of one box, named for its stage."""

    def __init__(self, stage: str, llm_url: str, cloudwatch: CloudWatch) -> None:
        self._stage, self._cloudwatch = stage, cloudwatch
        self._url = f"{llm_url}/metrics"
        self._before: tuple[float, Reading] | None = None

    def publish(self, now: float) -> bool:
        """Tell of the minute that `now` (epoch seconds) lies in; whether there was something to tell."""
        try:
            reading = read(httpx.get(self._url, timeout=5, trust_env=False).raise_for_status().text)
        except (httpx.HTTPError, KeyError):
            self._before = None
            return False
        values = gauges(reading, *(self._since(now) or (reading, MINUTE_SECONDS)))
        self._before = now, reading
        at = datetime.fromtimestamp(now // MINUTE_SECONDS * MINUTE_SECONDS, UTC)
        stage = [{"Name": "Stage", "Value": self._stage}]
        data = [
            {"MetricName": name, "Dimensions": stage, "Timestamp": at, "Value": value}
            for name, value in values.items()
        ]
        self._cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=data)
        return True

    def _since(self, now: float) -> tuple[Reading, float] | None:
        """The reading before, and how many seconds ago that was."""
        if self._before is None:
            return None
        at, reading = self._before
        return reading, max(1.0, now - at)


def read(text: str) -> Reading:
    """A reading from what Prometheus would read. Raises KeyError where slots are not among it."""
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    return Reading(
        slots=found["hub_llm_slots",],
        taken=found["hub_llm_slots_taken",],
        waiting=sum(value for name, value in found.items() if name[0] == "hub_llm_waiting"),
        written=found.get(("hub_llm_tokens_total", "completion"), 0.0),
        hits=found.get(("hub_llm_engine_prefix_hits_total",), 0.0),
        misses=found.get(("hub_llm_engine_prefix_misses_total",), 0.0),
    )


def gauges(now: Reading, before: Reading, seconds: float) -> Mapping[str, float]:
    """The gauges by name: of this moment, or of the `seconds` since the reading before."""
    return {
        "LlmSlots": now.slots,
        "LlmSlotsTaken": now.taken,
        "LlmWaiting": now.waiting,
        "LlmTokensPerSecond": _growth(now.written, before.written) / seconds,
        "LlmPrefixHits": _growth(now.hits, before.hits),
        "LlmPrefixMisses": _growth(now.misses, before.misses),
    }


def _growth(now: float, before: float) -> float:
    """An LLM that was started anew counts from 0 again."""
    return now - before if now >= before else now


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    url = f"http://127.0.0.1:{os.environ.get('HUB_LLM_PORT', '8001')}"
    told = Gauges(os.environ["HUB_STAGE"], url, boto3.client("cloudwatch"))
    while True:
        time.sleep(MINUTE_SECONDS - time.time() % MINUTE_SECONDS)
        try:
            told.publish(time.time())
        except (BotoCoreError, ClientError) as error:
            log.warning("CloudWatch did not take the gauges: %s", error)


if __name__ == "__main__":
    main()
