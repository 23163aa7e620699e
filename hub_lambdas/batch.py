"""The one place that knows how a Lambda reports which records of an SQS batch failed."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from django.db import close_old_connections

from hub_lambdas import burial
from hub_lambdas.faults import describe
from hub_lambdas.record import MAX_RECEIVES, SqsRecord, handling, receives

__all__ = ["Postponed", "SqsRecord", "process"]

log = logging.getLogger(__name__)


class Postponed(Exception):
    """Not a fault: the record is to come back later. Its handler has set when."""


def process(event: Mapping[str, Any], handle: Callable[[SqsRecord], None]) -> dict[str, Any]:
    """Run `handle` on each record of an SQS event and name those that failed (`ReportBatchItemFailures`).

    One record's failure fails that record alone; on a FIFO queue also the rest of its group, since a later
    message must not overtake it (AWS: "Handling errors for an SQS event source in Lambda"). One that fails
    for the last time is made a dead letter here and acknowledged then: so those behind it go on, which SQS
    would take away along with it.
    """
    close_old_connections()
    failures: list[dict[str, str]] = []
    blocked_groups: set[str] = set()
    for record in event["Records"]:
        group = _fifo_group(record)
        if group in blocked_groups:
            failures.append({"itemIdentifier": record["messageId"]})
            continue
        try:
            with handling(record):
                handle(record)
        except Exception as error:
            _report(record, error)
            if receives(record) >= MAX_RECEIVES and _is_buried(record, error):
                continue
            failures.append({"itemIdentifier": record["messageId"]})
            if group is not None:
                blocked_groups.add(group)
    return {"batchItemFailures": failures}


def _fifo_group(record: SqsRecord) -> str | None:
    if not str(record["eventSourceARN"]).endswith(".fifo"):
        return None
    group: str = record["attributes"]["MessageGroupId"]
    return group


def _report(record: SqsRecord, error: Exception) -> None:
    queue = str(record["eventSourceARN"]).rpartition(":")[2]
    if isinstance(error, Postponed):
        log.info("%s %s postponed: %s", queue, record["messageId"], error)
    else:
        log.error("%s %s failed: %s", queue, record["messageId"], describe(error))


def _is_buried(record: SqsRecord, error: Exception) -> bool:
    """Make a record that will not come again a dead letter; False where that is left to its queue. Its cause
    is the kind of error alone, for the text may quote a message."""
    if isinstance(error, Postponed) or "-dead" in record["eventSourceARN"]:
        return False
    try:
        burial.bury(record, cause=type(error).__name__)
    except Exception as fault:
        log.error("a dead letter, %s, is left to its queue: %s", type(error).__name__, describe(fault))
        return False
    return True
