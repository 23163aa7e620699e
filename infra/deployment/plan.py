"""Steps, one after the other, until one fails or somebody wants them to stop."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from hub_lambdas.sentences import stored
from infra.deployment.errors import Cancelled, LockLost


@dataclass(frozen=True)
class Step:
    """`do` says in a few words what it did; it may be done again, whole or after half of it. `alters`: what
    runs may be another release afterwards, so that a failure from here on has to be undone."""

    name: str
    do: Callable[[], str]
    alters: bool = False


class Report(Protocol):
    """Who is shown how far it is."""

    def began(self, step: str) -> None: ...

    def said(self, what: str) -> None:
        """What the step has in hand now: a file, a function. From any thread."""

    def ended(self, step: str, note: str, seconds: float) -> None: ...

    def failed(self, step: str, reason: str, seconds: float) -> None: ...


def carry_out(
    steps: Sequence[Step],
    restoring: Sequence[Step],
    report: Report,
    is_cancelled: Callable[[], bool],
    is_lost: Callable[[], bool] = lambda: False,
) -> None:
    """Do the steps in their order. Where one fails after something was altered, those of `restoring` follow,
    and the failure is raised afterwards. Cancelled is a failure too: it is looked for between steps. Once the
    lock is lost nothing more is done, not even restored: the stage is somebody else's."""
    is_altered = False
    for step in steps:
        try:
            _expect_lock(step, is_lost)
            if is_cancelled():
                raise Cancelled(stored("Cancelled before “%(step)s”.", step=step.name))
            is_altered = is_altered or step.alters
            _do(step, report)
        except LockLost:
            raise
        except Exception as error:
            if is_altered:
                _restore(restoring, report, is_lost, str(error))
            raise


def _restore(restoring: Sequence[Step], report: Report, is_lost: Callable[[], bool], reason: str) -> None:
    for step in restoring:
        _expect_lock(step, is_lost, f"{reason} ")
        _do(step, report)


def _expect_lock(step: Step, is_lost: Callable[[], bool], reason: str = "") -> None:
    if is_lost():
        said = stored(
            "The lock of this stage was lost before “%(step)s”, and somebody else may be at it: nothing was "
            "put back. See `make releases`; then deploy again, or roll back.",
            step=step.name,
        )
        raise LockLost(f"{reason}{said}")


def _do(step: Step, report: Report) -> None:
    report.began(step.name)
    started = time.monotonic()
    try:
        note = step.do()
    except Exception as error:
        report.failed(step.name, str(error), time.monotonic() - started)
        raise
    report.ended(step.name, note, time.monotonic() - started)
