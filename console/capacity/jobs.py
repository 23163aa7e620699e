"""The console job that simulates what ops asked on the Capacity page."""

import logging
import time

from django.utils import timezone

from console.capacity.catalog import read_prices, read_speeds
from console.capacity.errors import CapacityError
from console.capacity.forms import traffic_of
from console.capacity.models import Run
from console.capacity.study import Question, Study, study
from console.celery import app
from console.single_run import single_run
from hub_lambdas.sentences import stored

log = logging.getLogger(__name__)

SHOW_SECONDS = 1.0
_RUN_LOCK = 0x43617001
"""Class of the advisory lock that a running job holds."""


@app.task(name="run_capacity")
def run_capacity(run_id: int) -> None:
    """Make the study of a run, unless it is made already or another worker is at it."""
    with single_run(_RUN_LOCK, run_id) as is_alone:
        run = Run.objects.filter(pk=run_id).first() if is_alone else None
        if run is None or not run.is_under_way:
            return
        Run.objects.filter(pk=run_id).update(state=Run.State.RUNNING)
        try:
            run.study, run.state = _simulated(run).as_json(), Run.State.DONE
        except CapacityError as error:
            run.error, run.state = str(error), Run.State.FAILED
        except Exception:
            log.exception("capacity run %s failed", run_id)
            run.error, run.state = (
                stored("The simulation broke off; the worker's log says why."),
                Run.State.FAILED,
            )
        run.share, run.finished_at = 1.0, timezone.now()
        run.save(update_fields=["state", "share", "study", "error", "finished_at"])


def _simulated(run: Run) -> Study:
    shown = 0.0

    def show(share: float, title: str) -> None:
        nonlocal shown
        if time.monotonic() - shown > SHOW_SECONDS:
            shown = time.monotonic()
            Run.objects.filter(pk=run.pk).update(share=share)

    question = Question(kind=run.question["kind"])
    return study(traffic_of(run.question), read_speeds(), read_prices(), question, timezone.now(), show)
