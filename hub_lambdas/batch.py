"""The one place that knows how a Lambda reports which records of an SQS batch failed."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.db import DatabaseError, close_old_connections

from console.conversations.models import DeadLetter
from hub_lambdas.faults import describe

log = logging.getLogger(__name__)

MAX_RECEIVES = 5
"""The queues' maxReceiveCount: a record that fails at this one is a dead letter."""

SqsRecord = Mapping[str, Any]


class Unsent(Exception):
    """A queue did not take what the record's rows call for: they are stored, and the record comes again."""


class Postponed(Exception):
    """Not a fault: the record is to come back later. Its handler has set when."""


_unsent: list[bool] = []


def fail_record() -> None:
    """Have the record that is being handled come again, although its handler returns."""
    _unsent.append(True)


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
            _unsent.clear()
            handle(record)
            if _unsent:
                raise Unsent
        except Exception as error:
            _report(record, error)
            if not isinstance(error, Postponed):
                _note_cause(record, error)
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


def _note_cause(record: SqsRecord, error: Exception) -> None:
    """Write down why a record failed for the last time: its dead-letter queue is told nothing of it. Only the
    kind of error, for its text may quote a message."""
    if int(record["attributes"].get("ApproximateReceiveCount", 1)) < MAX_RECEIVES:
        return
    cause = type(error).__name__
    try:
        DeadLetter.objects.update_or_create(
            queue_message_id=record["messageId"],
            defaults={"cause": cause},
            create_defaults={"cause": cause, "body": record["body"], "queue": source_queue(record)},
        )
    except DatabaseError as fault:
        log.error("the cause of a dead letter, %s, could not be noted: %s", cause, describe(fault))


def source_queue(record: SqsRecord) -> str:
    """Name of the queue that a record came from first, without the deployment's prefix."""
    name = str(record["eventSourceARN"]).rpartition(":")[2]
    return name.removeprefix(settings.QUEUE_PREFIX).replace("-dead", "")
