"""The console job that asks all test cases. It keeps few requests at the LLM, at its low priority: contacts
come first."""

import logging
import time
from collections.abc import Iterator
from datetime import timedelta

from django.utils import timezone

from console.celery import app
from console.single_run import single_run
from console.workshop.models import Case, CaseRun, Rehearsal
from hub_lambdas import rehearsals
from hub_lambdas.questions import MadeUp

log = logging.getLogger(__name__)

AT_ONCE = 4
"""Questions at the LLM: an organization may have twice as many there, its contacts' among them."""
LOOK_EVERY_SECONDS = 0.5
EXPIRES_AFTER = timedelta(minutes=10)
GIVE_UP_AFTER = timedelta(minutes=50)
"""The queue gives a job to another worker after an hour."""
_LOCK = 0x43617365


@app.task(name="run_cases")
def run_cases(run_id: int) -> None:
    """Ask the test cases of a run, unless they are asked already or another worker is at it."""
    with single_run(_LOCK, run_id) as is_alone:
        run = CaseRun.objects.select_related("organization").filter(pk=run_id).first() if is_alone else None
        if run is None or not run.is_under_way:
            return
        CaseRun.objects.filter(pk=run_id).update(state=CaseRun.State.RUNNING)
        try:
            state = _work(run)
        except Exception:
            log.exception("run %s of test cases failed", run_id)
            state = CaseRun.State.FAILED
        CaseRun.objects.filter(pk=run_id).exclude(state=CaseRun.State.STOPPED).update(
            state=state, finished_at=timezone.now()
        )


def _work(run: CaseRun) -> CaseRun.State:
    """Ask until all have a reply, or there is none to be had; how it ends."""
    give_up_at = timezone.now() + GIVE_UP_AFTER
    to_ask = list(_to_ask(run))
    while timezone.now() < give_up_at:
        asked = list(run.rehearsals.only("state", "expires_at"))
        now = timezone.now()
        pending = [
            each
            for each in asked
            if each.state == Rehearsal.State.PENDING and not rehearsals.is_lost(each, now)
        ]
        found = CaseRun.objects.filter(pk=run.pk, state=CaseRun.State.RUNNING)
        if not found.update(done=len(asked) - len(pending)):
            return CaseRun.State.STOPPED
        if not to_ask and not pending:
            return CaseRun.State.DONE
        for case, is_draft in to_ask[: max(0, AT_ONCE - len(pending))]:
            _ask(run, case, is_draft)
            to_ask = to_ask[1:]
        time.sleep(LOOK_EVERY_SECONDS)
    return CaseRun.State.FAILED


def _to_ask(run: CaseRun) -> Iterator[tuple[Case, bool]]:
    """What a worker before this one has not asked: each case of what is published, then of the draft."""
    asked = set(run.rehearsals.values_list("case", "is_draft"))
    for case in run.organization.cases.all():
        for is_draft in (False, True) if run.draft_id else (False,):
            if (case.pk, is_draft) not in asked:
                yield case, is_draft


def _ask(run: CaseRun, case: Case, is_draft: bool) -> None:
    rehearsals.ask(
        run.organization,
        run.draft if is_draft else run.published,
        MadeUp(case.question, [(asked, answered) for asked, answered in case.history]),
        is_draft=is_draft,
        asked_by=run.asked_by,
        priority="test",
        expires_after=EXPIRES_AFTER,
        run=run,
        case=case,
    )
