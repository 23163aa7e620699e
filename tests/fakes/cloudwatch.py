"""CloudWatch in memory, behind the part of boto3's client that the Health page and the LLM boxes use.

Statistics are made of the values that were put, in steps of the period that is asked for; percentiles are
those of the nearest rank.
"""

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

Key = tuple[str, str, str]


class FakeCloudWatch:
    """Values by namespace, metric and the value of the metric's one dimension."""

    def __init__(self) -> None:
        self.values: dict[Key, list[tuple[datetime, float]]] = {}
        self.denied = False
        self.requests = 0

    def put(self, namespace: str, metric: str, dimension: str, at: datetime, *values: float) -> None:
        """Count values of one moment."""
        self.values.setdefault((namespace, metric, dimension), []).extend((at, value) for value in values)

    def put_metric_data(self, **request: Any) -> None:
        for datum in request["MetricData"]:
            (dimension,) = datum["Dimensions"]
            self.put(
                request["Namespace"],
                datum["MetricName"],
                dimension["Value"],
                datum["Timestamp"],
                datum["Value"],
            )

    def get_metric_data(self, **request: Any) -> Any:
        self.requests += 1
        if self.denied:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetMetricData")
        assert request["ScanBy"] == "TimestampAscending"
        since, until = request["StartTime"], request["EndTime"]
        return {
            "MetricDataResults": [self._result(query, since, until) for query in request["MetricDataQueries"]]
        }

    def _result(self, query: Any, since: datetime, until: datetime) -> dict[str, Any]:
        asked = query["MetricStat"]
        metric, period = asked["Metric"], asked["Period"]
        (dimension,) = metric["Dimensions"]
        steps: dict[int, list[float]] = {}
        for at, value in self.values.get((metric["Namespace"], metric["MetricName"], dimension["Value"]), ()):
            if since <= at < until:
                steps.setdefault(int(at.timestamp()) // period * period, []).append(value)
        return {
            "Id": query["Id"],
            "Timestamps": [datetime.fromtimestamp(step, UTC) for step in sorted(steps)],
            "Values": [_statistic(asked["Stat"], steps[step]) for step in sorted(steps)],
        }


def _statistic(name: str, values: Iterable[float]) -> float:
    ordered = sorted(values)
    match name:
        case "Sum":
            return sum(ordered)
        case "Maximum":
            return ordered[-1]
        case "SampleCount":
            return len(ordered)
    return ordered[math.ceil(float(name.removeprefix("p")) / 100 * len(ordered)) - 1]
