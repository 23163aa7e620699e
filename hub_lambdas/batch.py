"""The one place that knows how a Lambda reports which records of an SQS batch failed."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from django.db import close_old_connections

log = logging.getLogger(__name__)

SqsRecord = Mapping[str, Any]


class Postponed(Exception):
    """Not a fault: the record is to come back later. Its handler has set when."""


def process(event: Mapping[str, Any], handle: Callable[[SqsRecord], None]) -> dict[str, Any]:
    """Run `handle` on each record of an SQS event and name those that failed (`ReportBatchItemFailures`).

    One record's failure fails that record alone; on a FIFO queue also the rest of its group, since a later
    message must not overtake it (AWS: "Handling errors for an SQS event source in Lambda").
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
            handle(record)
        except Exception as error:
            _report(record, error)
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
        # The traceback names the fault. Message text is never part of our own error sentences.
        log.error("%s %s failed: %s", queue, record["messageId"], type(error).__name__, exc_info=error)
