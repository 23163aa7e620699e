"""The playground: a question answered by the draft beside what is published, along production's path."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from console.conversations.timeline import explain
from console.exact_text import printable
from console.organizations.models import Organization
from console.prompts import drafts
from console.signed_in import user_of
from console.workshop import page
from console.workshop.models import Attempt, Rehearsal
from hub_lambdas import rehearsals
from hub_lambdas.questions import Exchange, MadeUp

TAB = "workshop_playground"
PERMISSION = "workshop.add_rehearsal"
ANSWER_WITHIN = timedelta(seconds=60)
RECENT = 8


class QuestionForm(forms.Form):
    """A question as a contact might ask it. `after`: the pair that it follows, as a conversation goes on."""

    question = forms.CharField(
        max_length=2000,
        label=gettext_lazy("Question"),
        error_messages={"required": gettext_lazy("Write a question first.")},
        widget=forms.Textarea(
            {"rows": 2, "dir": "auto", "placeholder": gettext_lazy("Ask as a contact would…")}
        ),
    )
    after = forms.UUIDField(required=False, widget=forms.HiddenInput)


@dataclass(frozen=True)
class Side:
    """What one version made of a question. `reason`: why staff would get it, in a sentence."""

    rehearsal: Rehearsal
    attempts: Sequence[Attempt]
    is_pending: bool
    is_lost: bool
    reason: str

    @property
    def text(self) -> str:
        return printable(self.rehearsal.text)

    @property
    def prompt_tokens(self) -> int:
        return sum(each.prompt_tokens or 0 for each in self.attempts)

    @property
    def completion_tokens(self) -> int:
        return sum(each.completion_tokens or 0 for each in self.attempts)

    @property
    def seconds(self) -> float:
        return sum(each.seconds or 0 for each in self.attempts)


def side(rehearsal: Rehearsal) -> Side:
    """A rehearsal as it is shown."""
    is_lost = rehearsals.is_lost(rehearsal, timezone.now())
    return Side(
        rehearsal=rehearsal,
        attempts=rehearsal.attempt_rows,
        is_pending=rehearsal.state == Rehearsal.State.PENDING and not is_lost,
        is_lost=is_lost or rehearsal.state == Rehearsal.State.FAILED,
        reason=explain(rehearsal.reason) if rehearsal.reason else "",
    )


def ask(request: HttpRequest, slug: str) -> HttpResponse:
    """The empty playground; a POST asks both versions and goes to what they make of it."""
    organization = page.find(request, slug, PERMISSION)
    form = QuestionForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        status = 200 if request.method != "POST" else 422
        return _page(request, organization, {"form": form}, status)
    before = {each.is_draft: each for each in _pair(organization, form.cleaned_data["after"])}
    pair = uuid.uuid4()
    draft = drafts.draft_of(organization)
    sides = [(drafts.published_of(organization), False), *([(draft, True)] if draft else [])]
    for version, is_draft in sides:
        question = MadeUp(form.cleaned_data["question"].strip(), _history(before.get(is_draft)))
        rehearsals.ask(
            organization,
            version,
            question,
            is_draft=is_draft,
            asked_by=user_of(request),
            priority="interactive",
            expires_after=ANSWER_WITHIN,
            pair=pair,
        )
    return redirect("admin:workshop_rehearsal", slug, pair)


@require_GET
def show(request: HttpRequest, slug: str, pair: uuid.UUID) -> HttpResponse:
    """What the versions made of a question; while one is asked still, the page looks again."""
    organization = page.find(request, slug, "workshop.view_rehearsal")
    found = _pair(organization, pair)
    if not found:
        raise Http404(_("There is no such question."))
    sides = [side(each) for each in found]
    context = {
        "form": QuestionForm(initial={"after": pair}),
        "question": printable(found[0].question),
        "pair": pair,
        "sides": sides,
        "is_pending": any(each.is_pending for each in sides),
    }
    return _page(request, organization, context)


def _pair(organization: Organization, pair: uuid.UUID | None) -> list[Rehearsal]:
    """What is published first."""
    if pair is None:
        return []
    found = Rehearsal.objects.filter(organization=organization, pair=pair).select_related("version")
    return list(found.order_by("is_draft"))


def _history(before: Rehearsal | None) -> list[Exchange]:
    """What a conversation goes on from: as in production, only what was answered."""
    if before is None:
        return []
    exchanges = [(asked, answered) for asked, answered in before.history]
    answered = before.state == Rehearsal.State.ANSWERED
    return [*exchanges, *([(before.question, before.text)] if answered else [])]


def _page(
    request: HttpRequest, organization: Organization, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    mine = Rehearsal.objects.filter(organization=organization, asked_by=user_of(request), is_draft=False)
    whole = {"recent": mine.filter(priority="interactive")[:RECENT], **context}
    return page.show(request, organization, "playground", TAB, whole, status)
