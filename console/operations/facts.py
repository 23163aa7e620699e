"""All that is known of the platform's health at one moment. A part that cannot be read is None, and said."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from console.operations import boxes, cloudwatch, functions, ledger, queues
from console.operations.cloudwatch import CloudWatchError
from console.organizations.models import User
from hub_lambdas.queues import LLM_REQUESTS

SWEEP_SILENT = timedelta(minutes=5)
"""As the alarm of infra/alarms.yaml: the sweep is the net under everything else."""


@dataclass(frozen=True)
class Facts:
    """`functions`, `boxes` and ages are of CloudWatch, depths of SQS, the rest of the ledger."""

    at: datetime
    ledger: ledger.Ledger
    queues: Sequence[queues.QueueRow]
    functions: Sequence[functions.FunctionRow] | None
    boxes: boxes.Boxes | None
    cloudwatch_problem: str = ""
    sqs_problem: str = ""

    @property
    def swept_at(self) -> datetime | None:
        """The minute of the sweep's last run."""
        rows = self.functions or ()
        return next((row.last_run_at for row in rows if row.function.stage == functions.SWEEP), None)

    @property
    def is_unswept(self) -> bool:
        """Whether the sweep has not run for too long."""
        return self.functions is not None and (
            self.swept_at is None or self.at - self.swept_at > SWEEP_SILENT
        )


def gather(user: User, now: datetime) -> Facts:
    """The facts, for somebody who may see them."""
    found = ledger.read(user, now)
    depths, sqs_problem = _depths()
    counted, cloudwatch_problem = _counted(now)
    asked = depths.get(LLM_REQUESTS)
    requests = asked.waiting + asked.in_flight if asked else None
    return Facts(
        at=now,
        ledger=found,
        queues=queues.rows(now, depths, counted, found.dead_letters),
        functions=functions.rows(now, counted) if counted else None,
        boxes=boxes.boxes(now, counted, requests) if counted else None,
        cloudwatch_problem=cloudwatch_problem,
        sqs_problem=sqs_problem,
    )


def _depths() -> tuple[dict[str, queues.Depth], str]:
    try:
        return queues.depths(), ""
    except queues.QueuesError as error:
        return {}, str(error)


def _counted(now: datetime) -> tuple[cloudwatch.Figures | None, str]:
    asked = [*queues.figures(), *functions.figures(), *boxes.figures()]
    try:
        return cloudwatch.read(asked, now), ""
    except CloudWatchError as error:
        return None, str(error)
