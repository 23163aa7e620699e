"""The processes that feed a function: one polls a queue, another keeps a schedule.

A worker invokes its handler under an alarm with the default action, so that an invocation past its time-out
ends as on AWS: the process is gone, and its messages come back when their visibility ends.
"""

import contextlib
import logging
import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Never

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.local.events import Event, schedule_event, sqs_event
from infra.local.invocation import LambdaContext, context_of, counted, failed_message_ids
from infra.local.triggers import Function, Handler, QueueTrigger, ScheduleTrigger

if TYPE_CHECKING:
    from boto3.session import Session
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.type_defs import MessageTypeDef

# Lambda's own pollers wait 20 s. But the emulator goes on with a poll whose client is gone, and what it then
# finds is hidden until its visibility ends: so a short wait, at the price of a request per worker every two
# seconds.
WAIT_SECONDS = 2
OUTAGE_PAUSE_SECONDS = 1.0

log = logging.getLogger("lambdas")


class Stopped(BaseException):
    """Ends a worker that was told to stop while it waited. Nothing on the way swallows a BaseException."""


class StopSignal:
    """SIGTERM: a running invocation is finished first, a wait is broken off."""

    def __init__(self) -> None:
        self.received = False
        self._waiting = False
        signal.signal(signal.SIGTERM, self._receive)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """While this lasts, the signal breaks off what runs."""
        self._waiting = True
        try:
            if self.received:
                raise Stopped
            yield
        finally:
            self._waiting = False

    def _receive(self, _number: int, _frame: object) -> None:
        self.received = True
        if self._waiting:
            raise Stopped


class QueueWorker:
    """Polls one queue and invokes the function with what it finds, one batch at a time."""

    def __init__(
        self, function: Function, trigger: QueueTrigger, handler: Handler, session: "Session"
    ) -> None:
        self.function = function
        self.trigger = trigger
        self.handler = handler
        config = Config(
            connect_timeout=2,
            read_timeout=WAIT_SECONDS + 10,
            retries={"mode": "standard", "total_max_attempts": 2},
        )
        self.client: SQSClient = session.client("sqs", region_name=trigger.region, config=config)
        self.queue_url = ""
        self.in_outage = False

    def run(self) -> None:
        stop = StopSignal()
        with contextlib.suppress(Stopped):
            while True:
                with stop.waiting():
                    messages = self._receive()
                if messages:
                    self.process(messages)

    def process(self, messages: list["MessageTypeDef"]) -> None:
        """Invoke the function with a batch and delete what succeeded; the rest comes back after its
        visibility."""
        message_ids = [message["MessageId"] for message in messages]
        try:
            result = invoke(self.handler, sqs_event(messages, self.trigger), context_of(self.function))
            failed = failed_message_ids(result, message_ids)
            if failed:
                log.warning("%s: %d of %d messages failed", self.function.stage, len(failed), len(messages))
        except Exception:
            log.exception("%s: invocation failed, with its %d messages", self.function.stage, len(messages))
            failed = set(message_ids)
        self._delete([message for message in messages if message["MessageId"] not in failed])

    def _receive(self) -> list["MessageTypeDef"]:
        try:
            if not self.queue_url:
                self.queue_url = self.client.get_queue_url(QueueName=self.trigger.queue_name)["QueueUrl"]
            answer = self.client.receive_message(
                QueueUrl=self.queue_url,
                MaxNumberOfMessages=self.trigger.batch_size,
                WaitTimeSeconds=WAIT_SECONDS,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
        except (BotoCoreError, ClientError) as error:
            self._note_outage(error)
            time.sleep(OUTAGE_PAUSE_SECONDS)
            return []
        if self.in_outage:
            self.in_outage = False
            log.info("%s: reads %s again", self.function.stage, self.trigger.queue_name)
        return answer.get("Messages", [])

    def _note_outage(self, error: Exception) -> None:
        if not self.in_outage:
            log.warning(
                "%s: cannot read %s, tries on: %s", self.function.stage, self.trigger.queue_name, error
            )
        self.in_outage = True
        self.queue_url = ""

    def _delete(self, messages: list["MessageTypeDef"]) -> None:
        if not messages:
            return
        entries: Any = [
            {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
            for index, message in enumerate(messages)
        ]
        try:
            answer = self.client.delete_message_batch(QueueUrl=self.queue_url, Entries=entries)
        except (BotoCoreError, ClientError) as error:
            self._note_outage(error)
            return
        for failure in answer.get("Failed", []):
            log.warning("%s: a message could not be deleted: %s", self.function.stage, failure.get("Message"))


class ScheduleWorker:
    """Invokes the function at a fixed rate. A tick that falls into a running invocation is left out."""

    def __init__(self, function: Function, trigger: ScheduleTrigger, handler: Handler) -> None:
        self.function = function
        self.trigger = trigger
        self.handler = handler

    def run(self) -> None:
        stop = StopSignal()
        due = time.monotonic()
        with contextlib.suppress(Stopped):
            while True:
                self._tick()
                due = max(due + self.trigger.interval_seconds, time.monotonic())
                with stop.waiting():
                    time.sleep(max(0.0, due - time.monotonic()))

    def _tick(self) -> None:
        try:
            invoke(self.handler, schedule_event(self.function, datetime.now(UTC)), context_of(self.function))
        except Exception:
            log.exception("%s: invocation failed", self.function.stage)


def invoke(handler: Handler, event: Event, context: LambdaContext) -> Any:
    """Call a handler. Past the time-out SIGALRM, which nobody handles, ends this process."""
    signal.setitimer(signal.ITIMER_REAL, context.timeout_seconds)
    try:
        with counted(context):
            return handler(event, context)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def run_and_exit(worker: QueueWorker | ScheduleWorker) -> Never:
    """The life of a forked worker; it never returns into the code of the parent."""
    status = 1
    try:
        worker.run()
        status = 0
    except BaseException:
        log.exception("%s: worker ends", worker.function.stage)
    finally:
        logging.shutdown()
        os._exit(status)
