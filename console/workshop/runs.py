"""Runs of all test cases: asked for, watched, stopped, and read as a table of before and after."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.contrib import messages
from django.db import transaction
from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from console.organizations.models import Organization
from console.prompts import drafts
from console.prompts.models import PromptVersion
from console.queued_job import queue_job
from console.signed_in import user_of
from console.workshop import page
from console.workshop.jobs import run_cases
from console.workshop.judging import Change, Comparison
from console.workshop.models import Attempt, CaseRun

TAB = "workshop_cases"
LOST_AFTER = timedelta(hours=2)
"""Whatever becomes of its worker, the queue has given the job to another one by then."""
KEPT = 10
"""Runs of an organization: who wants to know how it was longer ago runs them on that version."""


@dataclass(frozen=True)
class Results:
    """A run with what came of each case that there is still."""

    run: CaseRun
    comparisons: Sequence[Comparison]

    @property
    def worse(self) -> list[Comparison]:
        return self._with("worse")

    @property
    def better(self) -> list[Comparison]:
        return self._with("better")

    @property
    def unjudged(self) -> list[Comparison]:
        """Of which nobody can say what publishing would do: they came, or their question changed, after the
        run, or got no reply in it."""
        return self._with("unknown")

    @property
    def judged(self) -> list[Comparison]:
        return [each for each in self.comparisons if each.change != "unknown"]

    @property
    def good_judged(self) -> int:
        return sum(each.after.is_good for each in self.judged)

    @property
    def good_before(self) -> int:
        return sum(each.before.is_good for each in self.comparisons)

    @property
    def good_after(self) -> int:
        return sum(each.after.is_good for each in self.comparisons)

    def _with(self, change: Change) -> list[Comparison]:
        return [each for each in self.comparisons if each.change == change]


def results(run: CaseRun) -> Results:
    """What a run has found so far: what got worse stands first, then what is not good."""
    attempts = Prefetch("attempts", Attempt.objects.defer("chat"))
    found = {(each.case_id, each.is_draft): each for each in run.rehearsals.prefetch_related(attempts)}
    comparisons = [
        Comparison(case, found.get((case.pk, False)), found.get((case.pk, True)))
        for case in run.organization.cases.all()
    ]
    return Results(run, sorted(comparisons, key=lambda each: (each.change != "worse", each.after.is_good)))


def of_draft(draft: PromptVersion) -> Results | None:
    """The last finished run that asked the draft, and what is published, as they are now."""
    runs = CaseRun.objects.filter(
        draft=draft,
        revision=draft.revision,
        published=drafts.published_of(draft.organization),
        state=CaseRun.State.DONE,
    )
    run = runs.select_related("organization").first()
    return results(run) if run else None


@require_POST
def start(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask all test cases; of a run that is under way, look at that."""
    organization = page.find(request, slug, "workshop.add_caserun")
    run = _start(organization, request)
    if run is None:
        messages.error(request, _("There is no test case yet: add one first."))
        return redirect("admin:workshop_cases", slug)
    return redirect("admin:workshop_run", slug, run.pk)


@require_GET
def show(request: HttpRequest, slug: str, run_id: int) -> HttpResponse:
    """A run: how far it is, and what it has found."""
    organization = page.find(request, slug, "workshop.view_caserun")
    run = _find(organization, run_id)
    draft = drafts.draft_of(organization)
    is_current = draft is not None and (run.draft_id, run.revision) == (draft.pk, draft.revision)
    published = drafts.published_of(organization)
    context = {
        "results": results(run),
        "run": run,
        "is_outdated": run.draft_id is not None and not is_current,
        "is_published_outdated": run.published_id != (published.pk if published else None),
        "may_run": user_of(request).has_perm("workshop.add_caserun", organization),
    }
    return page.show(request, organization, "run", TAB, context)


@require_POST
def stop(request: HttpRequest, slug: str, run_id: int) -> HttpResponse:
    """Ask no more of a run."""
    organization = page.find(request, slug, "workshop.add_caserun")
    run = _find(organization, run_id)
    under_way = CaseRun.objects.filter(pk=run.pk, state__in=[CaseRun.State.WAITING, CaseRun.State.RUNNING])
    under_way.update(state=CaseRun.State.STOPPED, finished_at=timezone.now())
    return redirect("admin:workshop_run", slug, run.pk)


@transaction.atomic
def _start(organization: Organization, request: HttpRequest) -> CaseRun | None:
    Organization.objects.select_for_update().get(pk=organization.pk)
    runs = CaseRun.objects.filter(organization=organization)
    under_way = runs.filter(state__in=[CaseRun.State.WAITING, CaseRun.State.RUNNING])
    running = under_way.filter(asked_at__gt=timezone.now() - LOST_AFTER).first()
    if running is not None:
        return running
    under_way.update(state=CaseRun.State.FAILED)
    cases_count = organization.cases.count()
    if not cases_count:
        return None
    draft = drafts.draft_of(organization)
    run = CaseRun.objects.create(
        organization=organization,
        published=drafts.published_of(organization),
        draft=draft,
        revision=draft.revision if draft else 0,
        asked_by=user_of(request),
        total=cases_count * (2 if draft else 1),
    )
    runs.filter(pk__in=list(runs.values_list("pk", flat=True)[KEPT:])).delete()
    queue_job(run_cases, run.pk, lambda: _fail(run))
    return run


def _fail(run: CaseRun) -> None:
    CaseRun.objects.filter(pk=run.pk).update(state=CaseRun.State.FAILED, finished_at=timezone.now())


def _find(organization: Organization, run_id: int) -> CaseRun:
    runs = CaseRun.objects.select_related("published", "draft", "asked_by", "organization")
    run = runs.filter(organization=organization, pk=run_id).first()
    if run is None:
        raise Http404(_("There is no such run."))
    return run
