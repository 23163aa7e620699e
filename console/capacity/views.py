"""The Capacity page. It is for ops: it is about all organizations, and about money."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from console.capacity.charts import CHARTS
from console.capacity.forms import QuestionForm
from console.capacity.jobs import run_capacity
from console.capacity.models import Run
from console.capacity.study import Result, Study
from console.signed_in import user_of
from console.stored_sentences import translate_stored

LOOK_AGAIN_MS = 2000
KINDS_OF_COST = (
    gettext_noop("LLM boxes"),
    gettext_noop("Servers"),
    gettext_noop("Hosted LLM"),
    gettext_noop("Functions"),
    gettext_noop("Queues"),
    gettext_noop("Database"),
    gettext_noop("Network"),
)


@dataclass(frozen=True)
class Piece:
    """A part of a design's bar of costs. `width`: of the dearest design's, in percent."""

    name: str
    css: str
    width: str
    cost: float


@dataclass(frozen=True)
class DesignRow:
    """A design with its bar of costs."""

    result: Result
    pieces: Sequence[Piece]
    in_time_percent: float
    holding_percent: float
    handed_over_percent: float


def capacity(request: HttpRequest) -> HttpResponse:
    """The latest study; POST asks for another one."""
    user = user_of(request)
    if not user.has_perm("capacity.add_run" if request.method == "POST" else "capacity.view_run"):
        raise PermissionDenied
    latest = Run.objects.first()
    form = QuestionForm(request.POST or None, initial=latest.question if latest else None)
    if request.method == "POST" and form.is_valid():
        if latest is None or not latest.is_under_way:
            run = Run.objects.create(asked_by=user, question=form.cleaned_data)
            transaction.on_commit(lambda: run_capacity.delay(run.pk))
        return redirect("admin:capacity_page")
    done = Run.objects.filter(state=Run.State.DONE).first()
    study = Study.of_json(done.study) if done and done.study else None
    context = {
        **admin.site.each_context(request),
        "title": _("Capacity"),
        "form": form,
        "latest": latest,
        "look_again_ms": LOOK_AGAIN_MS,
        "done": done,
        "study": study,
        "source": translate_stored(study.source) if study else "",
        "messages_per_day": round(sum(study.messages_per_hour)) if study else 0,
        "charts": [draw(study) for draw in CHARTS] if study else [],
        "designs": _designs(study) if study else [],
        "kinds_of_cost": [(_css(name), _(name)) for name in KINDS_OF_COST],
    }
    return TemplateResponse(request, "admin/capacity/page.html", context)


def _designs(study: Study) -> list[DesignRow]:
    dearest = max(result.per_month for result in study.results)
    return [
        DesignRow(
            result,
            [
                Piece(_(name), _css(name), f"{cost / dearest * 100:.2f}%", cost)
                for name in KINDS_OF_COST
                if (cost := result.costs.get(name))
            ],
            result.in_time_share * 100,
            result.holding_share * 100,
            result.handed_over_share * 100,
        )
        for result in study.results
    ]


def _css(name: str) -> str:
    return name.lower().replace(" ", "-")
