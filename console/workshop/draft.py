"""The draft: instructions and the list of canned prompts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from console import confirmation
from console.confirmation import Question
from console.organizations.models import Organization
from console.prompts import drafts
from console.prompts.differences import CannedDifference, difference
from console.prompts.drafts import DraftError
from console.prompts.models import CannedPrompt, PromptVersion
from console.signed_in import user_of
from console.workshop import page
from console.workshop.page import PlainForm, digest

TAB = "workshop_draft"
TAB_ADDRESS = f"admin:{TAB}"
MAX_SEARCH_LENGTH = 100


class InstructionsForm(PlainForm):
    """What the bot is told. `seen`: what it was like when the form was opened."""

    seen = forms.CharField(widget=forms.HiddenInput)

    class Meta:
        model = PromptVersion
        fields = ["instructions"]
        labels = {"instructions": gettext_lazy("Instructions")}
        widgets = {"instructions": forms.Textarea({"rows": 12, "dir": "auto"})}


@dataclass(frozen=True)
class CannedRow:
    """A canned prompt in the list. `change`: what the draft does to it, if anything."""

    canned: CannedPrompt
    change: CannedDifference | None
    is_first: bool
    is_last: bool


@require_GET
def show(request: HttpRequest, slug: str) -> HttpResponse:
    """What stands in the draft now, or what is published where nothing is changed."""
    organization = page.find(request, slug)
    return _page(request, organization, _form(drafts.current(organization)))


@require_POST
def change_instructions(request: HttpRequest, slug: str) -> HttpResponse:
    """Write other instructions into the draft."""
    organization = page.find(request, slug, page.CHANGE)
    form = InstructionsForm(request.POST)
    if form.is_valid():
        try:
            with drafts.editing(organization, user_of(request)) as draft:
                if form.cleaned_data["seen"] != digest(draft.instructions):
                    raise DraftError(_("Somebody has changed them meanwhile: read theirs below."))
                draft.instructions = form.cleaned_data["instructions"]
        except DraftError as problem:
            # Who saves once more has read it.
            form = InstructionsForm({**request.POST.dict(), "seen": digest(draft.instructions)})
            form.add_error("instructions", str(problem))
        else:
            messages.success(request, _("Kept in the draft. It counts once it is published."))
            return redirect(TAB_ADDRESS, slug)
    return _page(request, organization, form, status=422)


@require_POST
def discard(request: HttpRequest, slug: str) -> HttpResponse:
    """Throw the draft away, after a question."""
    organization = page.find(request, slug, page.CHANGE)
    draft = drafts.draft_of(organization)
    if draft is not None:
        if not confirmation.is_confirmed(request):
            question = Question(
                title=_("Discard the draft?"),
                text=_("What was changed since the last publishing is gone then; what is published stays."),
                button=_("Discard"),
                cancel_url=reverse(TAB_ADDRESS, args=[slug]),
                is_harmful=True,
            )
            return confirmation.ask(request, admin.site.get_model_admin(Organization), question)
        drafts.discard(organization)
        messages.success(request, _("The draft is discarded."))
    return redirect(TAB_ADDRESS, slug)


def _form(draft: PromptVersion) -> InstructionsForm:
    return InstructionsForm(instance=draft, initial={"seen": digest(draft.instructions)})


def _page(
    request: HttpRequest, organization: Organization, form: InstructionsForm, status: int = 200
) -> HttpResponse:
    draft = drafts.current(organization)
    words = request.GET.get("q", "").strip()[:MAX_SEARCH_LENGTH]
    rows = _rows(draft, drafts.published_of(organization))
    context: dict[str, Any] = {
        "form": form,
        "instructions": draft.instructions,
        "rows": [row for row in rows if _has(row.canned, words)],
        "canned_count": len(rows),
        "words": words,
    }
    return page.show(request, organization, "draft", TAB, context, status)


def _rows(draft: PromptVersion, published: PromptVersion | None) -> Sequence[CannedRow]:
    changes = {each.shown.key: each for each in difference(published, draft).canned}
    canned = draft.canned
    return [
        CannedRow(each, changes.get(each.key), number == 0, number == len(canned) - 1)
        for number, each in enumerate(canned)
    ]


def _has(canned: CannedPrompt, words: str) -> bool:
    text = f"{canned.question} {canned.also_asked} {canned.answer}".casefold()
    return all(word in text for word in words.casefold().split())
