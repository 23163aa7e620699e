"""What CloudWatch has counted: statistics of metrics in steps of time, many of them in one request.

API: docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Protocol, cast

from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.core.cache import cache as kept

from console import aws
from console.operations.points import Points

MINUTE_SECONDS = 60
HOUR_SECONDS = 3600
KEEP_SECONDS = 30
"""AWS counts by the minute and charges by the metric: pages that look more often share an answer."""
_KEY = "operations-figures"


class CloudWatchError(Exception):
    """CloudWatch did not answer, or did not let us ask; the text says why."""


@dataclass(frozen=True)
class Figure:
    """One statistic of a metric, in steps of `period_seconds`."""

    namespace: str
    metric: str
    dimension: tuple[str, str]
    statistic: str
    period_seconds: int = MINUTE_SECONDS


Figures = Mapping[Figure, Points]


class Client(Protocol):
    """The part of boto3's CloudWatch client that is used."""

    def get_metric_data(self, **request: Any) -> Any: ...


@cache
def client() -> Client:
    """The process's CloudWatch client. It gives up soon: the page has more to show."""
    from botocore.config import Config

    config = Config(connect_timeout=2, read_timeout=4, retries={"total_max_attempts": 1, "mode": "standard"})
    return cast(Client, aws.client("cloudwatch", settings.AWS_REGION, settings.AWS_ENDPOINT_URL, config))


def read(figures: Sequence[Figure], now: datetime) -> Figures:
    """The points of the last hour and of the clock hours that it touches. Raises CloudWatchError."""
    found: Figures | None = kept.get(_KEY)
    if found is None:
        found = _ask(figures, now)
        kept.set(_KEY, found, KEEP_SECONDS)
    return found


def forget() -> None:
    """Have the next reader ask CloudWatch itself."""
    kept.delete(_KEY)


def _ask(figures: Sequence[Figure], now: datetime) -> Figures:
    since = (now - timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)
    queries = [_query(f"f{number}", figure) for number, figure in enumerate(figures)]
    try:
        answer = client().get_metric_data(
            MetricDataQueries=queries, StartTime=since, EndTime=now, ScanBy="TimestampAscending"
        )
    except ClientError as error:
        raise CloudWatchError(error.response.get("Error", {}).get("Code", "refused")) from error
    except BotoCoreError as error:
        raise CloudWatchError(type(error).__name__) from error
    by_id = {each["Id"]: each for each in answer["MetricDataResults"]}
    return {figure: _points(by_id.get(f"f{number}", {})) for number, figure in enumerate(figures)}


def _query(query_id: str, figure: Figure) -> dict[str, Any]:
    name, value = figure.dimension
    metric = {
        "Namespace": figure.namespace,
        "MetricName": figure.metric,
        "Dimensions": [{"Name": name, "Value": value}],
    }
    return {
        "Id": query_id,
        "MetricStat": {"Metric": metric, "Period": figure.period_seconds, "Stat": figure.statistic},
    }


def _points(result: Mapping[str, Any]) -> Points:
    pairs = zip(result.get("Timestamps", ()), result.get("Values", ()), strict=True)
    return {at.astimezone(UTC): value for at, value in pairs}
