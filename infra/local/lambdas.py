"""Runs the functions of zappa_settings.json on this machine: `python -m infra.local.lambdas`.

The parent imports every handler once and forks the workers of each trigger; it forks a worker again that has
died, after a pause that doubles while it dies at once.
"""

import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Never

from boto3.session import Session

from infra.local.environment import DEFAULT_REGION, load_environment
from infra.local.errors import SettingError, StackError
from infra.local.logs import start_logging
from infra.local.processes import follow_parent
from infra.local.tally import Invocation, tell
from infra.local.triggers import Function, Handler, QueueTrigger, ScheduleTrigger, Trigger, load_functions
from infra.local.workers import QueueWorker, ScheduleWorker, run_and_exit

STOP_TIMEOUT_SECONDS = 6.0
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
HEALTHY_AFTER_SECONDS = 30.0
_SIGNALS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}

log = logging.getLogger("lambdas")


@dataclass
class Slot:
    """A place for one worker process of a function."""

    function: Function
    trigger: Trigger
    handler: Handler
    process_id: int = 0
    started_at: float = 0.0
    due_at: float = 0.0
    pause_seconds: float = field(default=FIRST_PAUSE_SECONDS)

    def worker(self, session: Session) -> QueueWorker | ScheduleWorker:
        if isinstance(self.trigger, QueueTrigger):
            return QueueWorker(self.function, self.trigger, self.handler, session)
        return ScheduleWorker(self.function, self.trigger, self.handler)

    def live(self, session: Session) -> Never:
        """The life of a worker process in this slot."""
        run_and_exit(self.worker(session))

    def note_death(self, status: int, now: float) -> None:
        """Log how the worker ended and set when the next one is due."""
        self.process_id = 0
        name, interval_seconds = self.function.stage, 0.0
        if isinstance(self.trigger, ScheduleTrigger):
            interval_seconds = self.trigger.interval_seconds
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM:
            log.error("%s: timed out after %g s and was killed", name, self.function.timeout_seconds)
            tell(Invocation(self.function.name, self.function.timeout_seconds * 1000, failed=True))
            # A queue is read again at once, as by a new environment on AWS; a schedule waits for its tick.
            self.due_at = now + interval_seconds
            return
        if now - self.started_at > HEALTHY_AFTER_SECONDS:
            self.pause_seconds = FIRST_PAUSE_SECONDS
        log.error("%s: worker died (%s), next one in %g s", name, describe_exit(status), self.pause_seconds)
        self.due_at = now + self.pause_seconds
        self.pause_seconds = min(self.pause_seconds * 2, LONGEST_PAUSE_SECONDS)


class Runner:
    """Keeps one process in every slot until it is told to stop."""

    def __init__(self, slots: list[Slot]) -> None:
        self.slots = slots
        # Made before the forks, because reading the service model is most of what a client costs. The parent
        # never uses a client, so no connection is shared.
        self.session = Session()
        self.session.client("sqs", region_name=DEFAULT_REGION).close()

    def run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        close_connections()
        gc.freeze()  # the workers share what is imported by now: a collection would copy its pages
        while True:
            self._fork_due()
            received = signal.sigtimedwait(_SIGNALS, 0.5)
            self._reap()
            if received and received.si_signo != signal.SIGCHLD:
                break
        self._stop()

    def _fork_due(self) -> None:
        now = time.monotonic()
        for slot in self.slots:
            if not slot.process_id and slot.due_at <= now:
                slot.started_at = now
                slot.process_id = fork(partial(slot.live, self.session))

    def _reap(self) -> None:
        while (dead := _wait()) is not None:
            process_id, status = dead
            for slot in self.slots:
                if slot.process_id == process_id:
                    slot.note_death(status, time.monotonic())

    def _stop(self) -> None:
        """Let every worker finish its invocation; what takes too long is killed, its messages come back."""
        running = {slot.process_id for slot in self.slots if slot.process_id}
        for process_id in running:
            os.kill(process_id, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        while running and time.monotonic() < deadline:
            signal.sigtimedwait({signal.SIGCHLD}, 0.1)
            while (dead := _wait()) is not None:
                running.discard(dead[0])
        for process_id in running:
            os.kill(process_id, signal.SIGKILL)


def fork(child: Callable[[], None]) -> int:
    """Fork a process that runs `child`, which must not return, and that goes when its parent goes."""
    parent_id = os.getpid()
    process_id = os.fork()
    if process_id == 0:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        follow_parent(parent_id)
        child()
    return process_id


def _wait() -> tuple[int, int] | None:
    try:
        process_id, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (process_id, status) if process_id else None


def describe_exit(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"signal {os.WTERMSIG(status)}"
    return f"exit code {os.WEXITSTATUS(status)}"


def close_connections() -> None:
    """Close the database connections that an import may have opened: a fork must not share them."""
    if "django.db" in sys.modules:
        from django.db import connections

        connections.close_all()


def concurrency() -> int:
    """How many workers poll each queue."""
    value = os.environ.get("HUB_LAMBDA_CONCURRENCY") or "4"
    if not value.isascii() or not value.isdecimal() or int(value) < 1:
        raise SettingError(
            f"HUB_LAMBDA_CONCURRENCY is {value!r}: it must be the number of workers per queue."
        )
    return int(value)


def slots_of(functions: list[Function], per_queue: int) -> list[Slot]:
    """The slots of every triggered function, their handlers imported."""
    slots = []
    for function in functions:
        if function.triggers:
            os.environ.update(function.environment)
            handler = function.load()
            for trigger in function.triggers:
                count = per_queue if isinstance(trigger, QueueTrigger) else 1
                slots += [Slot(function, trigger, handler) for _ in range(count)]
    return slots


def main() -> None:
    start_logging()
    load_environment()
    functions = load_functions(queue_prefix=os.environ.get("HUB_QUEUE_PREFIX", ""))
    slots = slots_of(list(functions.values()), concurrency())
    log.info("%d workers for %s", len(slots), ", ".join(sorted({slot.function.stage for slot in slots})))
    Runner(slots).run()


if __name__ == "__main__":
    try:
        main()
    except StackError as problem:
        sys.exit(str(problem))
