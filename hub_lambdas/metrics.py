"""Numbers for CloudWatch in its embedded metric format: a line of JSON in a function's log, of which
CloudWatch makes a metric. So no function has to call it, to wait for it, or to be allowed to.

docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
import sys
from datetime import datetime

from django.conf import settings

NAMESPACE = "channels-hub"


def publish(name: str, count: int, now: datetime) -> None:
    """Write down how many there are of something at `now`, for the stage that this is."""
    metric = {"Namespace": NAMESPACE, "Dimensions": [["Stage"]], "Metrics": [{"Name": name, "Unit": "Count"}]}
    line = {
        "_aws": {"Timestamp": int(now.timestamp() * 1000), "CloudWatchMetrics": [metric]},
        "Stage": settings.STAGE,
        name: count,
    }
    sys.stdout.write(f"{json.dumps(line)}\n")
    sys.stdout.flush()
