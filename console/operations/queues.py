"""The queues: what waits in each now (SQS), for how long (CloudWatch), and what nobody could process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from console.operations import points, spark
from console.operations.cloudwatch import Figure, Figures
from hub_lambdas import queues

if TYPE_CHECKING:
    from types_boto3_sqs.literals import QueueAttributeNameType

CONSOLE_JOBS = "console-jobs"
DEPLOYS = "deploys"


class QueuesError(Exception):
    """SQS did not answer, or did not let us ask; the text says why."""


@dataclass(frozen=True)
class Queue:
    """A queue, who empties it, and for how long its oldest message may wait (as infra/alarms.yaml has it)."""

    name: str
    reader: str
    limit_seconds: int

    @property
    def dead_name(self) -> str:
        """Its dead-letter queue."""
        stem, dot, fifo = self.name.partition(".")
        return f"{stem}-dead{dot}{fifo}"

    def figure(self, metric: str) -> Figure:
        """Of AWS/SQS, the most in each minute."""
        return Figure("AWS/SQS", metric, ("QueueName", settings.QUEUE_PREFIX + self.name), "Maximum")


QUEUES = (
    Queue(queues.INBOUND, gettext_noop("the function inbound"), 30),
    Queue(queues.WAKEUPS, gettext_noop("the function wakeups"), 60),
    Queue(queues.LLM_REQUESTS, gettext_noop("the LLM boxes"), 60),
    Queue(queues.LLM_REPLIES, gettext_noop("the function replies"), 30),
    Queue(queues.OUTBOUND, gettext_noop("the function outbound"), 120),
    Queue(queues.ERRANDS, gettext_noop("the function errands"), 600),
    Queue(CONSOLE_JOBS, gettext_noop("the worker of console jobs"), 3600),
    Queue(DEPLOYS, gettext_noop("the worker of deploys"), 3600),
)
WAITING = "ApproximateNumberOfMessagesVisible"
AGE = "ApproximateAgeOfOldestMessage"
_DEPTH: list["QueueAttributeNameType"] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
]


@dataclass(frozen=True)
class Depth:
    """Messages of a queue now: waiting, in the hands of a reader, not due yet."""

    waiting: int
    in_flight: int
    delayed: int


@dataclass(frozen=True)
class QueueRow:
    """One queue. None stands for what is not known; `dead_letters` wait in the ledger for somebody,
    `stuck` in the dead-letter queue for the function that stores them."""

    queue: Queue
    depth: Depth | None
    stuck: int | None
    oldest_seconds: float | None
    dead_letters: int
    history: spark.Spark | None

    @property
    def is_late(self) -> bool:
        """Whether its oldest message waits for too long."""
        return (self.oldest_seconds or 0) > self.queue.limit_seconds


def figures() -> list[Figure]:
    """What the rows need of CloudWatch."""
    return [queue.figure(metric) for queue in QUEUES for metric in (WAITING, AGE)]


def depths() -> dict[str, Depth]:
    """Each queue and each dead-letter queue by name. Raises QueuesError."""
    try:
        return {name: _depth(name) for queue in QUEUES for name in (queue.name, queue.dead_name)}
    except ClientError as error:
        raise QueuesError(error.response.get("Error", {}).get("Code", "refused")) from error
    except BotoCoreError as error:
        raise QueuesError(type(error).__name__) from error


def rows(
    now: datetime, depths: Mapping[str, Depth], counted: Figures | None, letters: Mapping[str, int]
) -> Sequence[QueueRow]:
    """A row per queue, in the order in which a message meets them. `letters`: dead letters by queue."""
    return [_row(queue, now, depths, counted, letters.get(queue.name, 0)) for queue in QUEUES]


def _row(
    queue: Queue, now: datetime, depths: Mapping[str, Depth], counted: Figures | None, letters: int
) -> QueueRow:
    dead = depths.get(queue.dead_name)
    return QueueRow(
        queue=queue,
        depth=depths.get(queue.name),
        stuck=dead.waiting if dead else None,
        oldest_seconds=points.newest(counted[queue.figure(AGE)], now) if counted else None,
        dead_letters=letters,
        history=spark.draw(points.last_hour(counted[queue.figure(WAITING)], now), _("waiting"))
        if counted
        else None,
    )


def _depth(name: str) -> Depth:
    answer = queues.client().get_queue_attributes(QueueUrl=queues.url(name), AttributeNames=_DEPTH)
    waiting, in_flight, delayed = (int(answer["Attributes"][each]) for each in _DEPTH)
    return Depth(waiting, in_flight, delayed)
