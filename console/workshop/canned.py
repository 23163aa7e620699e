"""One canned prompt of the draft: written, changed, moved, switched off, taken out."""

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from console.organizations.models import Organization
from console.prompts import drafts
from console.prompts.drafts import DraftError
from console.prompts.models import CannedPrompt
from console.signed_in import user_of
from console.workshop import draft as draft_page
from console.workshop import origins, page
from console.workshop.page import PlainForm, digest


class CannedForm(PlainForm):
    """A canned prompt. `seen`: what it was like when the form was opened."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = CannedPrompt
        fields = ["question", "also_asked", "answer", "choices", "is_active"]
        labels = {
            "question": gettext_lazy("Question"),
            "also_asked": gettext_lazy("Also asked as"),
            "answer": gettext_lazy("Answer"),
            "choices": gettext_lazy("Choices"),
            "is_active": gettext_lazy("Active"),
        }
        widgets = {
            "question": forms.TextInput({"dir": "auto"}),
            "also_asked": forms.Textarea({"rows": 4, "dir": "auto"}),
            "answer": forms.Textarea({"rows": 5, "dir": "auto"}),
            "choices": forms.Textarea({"rows": 3, "dir": "auto"}),
        }


def add(request: HttpRequest, slug: str) -> HttpResponse:
    """Write a new one into the draft; for agents a proposal, as all of the draft is."""
    organization = page.find(request, slug, page.ADD)
    if request.method != "POST":
        initial = origins.canned_prompt(request, organization)
        return _page(request, organization, CannedForm(initial=initial), is_new=True)
    form = CannedForm(request.POST)
    return _save(request, organization, form, CannedPrompt()) or _page(
        request, organization, form, is_new=True, status=422
    )


def change(request: HttpRequest, slug: str, key: uuid.UUID) -> HttpResponse:
    """Change one in the draft."""
    organization = page.find(request, slug, page.CHANGE)
    canned = _find(organization, key)
    if request.method != "POST":
        form = CannedForm(instance=canned, initial={"seen": digest(canned.content)})
        return _page(request, organization, form)
    form = CannedForm(request.POST, instance=canned)
    return _save(request, organization, form, canned) or _page(request, organization, form, status=422)


@require_POST
def move(request: HttpRequest, slug: str, key: uuid.UUID) -> HttpResponse:
    """Move one a place up or down: the first ones are the LLM's examples."""
    organization = page.find(request, slug, page.CHANGE)
    steps = -1 if request.POST.get("to") == "up" else 1
    with drafts.editing(organization, user_of(request)) as draft:
        drafts.move(draft, key, steps)
    return redirect(f"{reverse(draft_page.TAB_ADDRESS, args=[slug])}#canned-{key}")


@require_POST
def switch(request: HttpRequest, slug: str, key: uuid.UUID) -> HttpResponse:
    """Switch one off, or on again."""
    organization = page.find(request, slug, page.CHANGE)
    with drafts.editing(organization, user_of(request)) as draft:
        canned = drafts.find(draft.canned, key)
        if canned is not None:
            canned.is_active = not canned.is_active
            drafts.put(draft, canned)
    return redirect(f"{reverse(draft_page.TAB_ADDRESS, args=[slug])}#canned-{key}")


@require_POST
def remove(request: HttpRequest, slug: str, key: uuid.UUID) -> HttpResponse:
    """Take one out of the draft. Until it is published, discarding or restoring brings it back."""
    organization = page.find(request, slug, page.CHANGE)
    with drafts.editing(organization, user_of(request)) as draft:
        drafts.take_out(draft, key)
    messages.success(request, _("Taken out of the draft. Production has it until the draft is published."))
    return redirect(draft_page.TAB_ADDRESS, slug)


def _save(
    request: HttpRequest, organization: Organization, form: CannedForm, canned: CannedPrompt
) -> HttpResponse | None:
    """Back to the draft with what the form says in it; None where that cannot be, and the form says why."""
    if not form.is_valid():
        return None
    written: CannedPrompt = form.save(commit=False)
    written.key = canned.key
    try:
        with drafts.editing(organization, user_of(request)) as draft:
            before = drafts.find(draft.canned, canned.key)
            if form.cleaned_data["seen"] != (digest(before.content) if before else ""):
                raise DraftError(_("Somebody has changed this canned prompt meanwhile: open it again."))
            drafts.put(draft, written)
    except DraftError as problem:
        form.add_error(None, str(problem))
        return None
    messages.success(request, _("Kept in the draft. It counts once it is published."))
    return redirect(f"{reverse(draft_page.TAB_ADDRESS, args=[organization.slug])}#canned-{canned.key}")


def _find(organization: Organization, key: uuid.UUID) -> CannedPrompt:
    canned = drafts.find(drafts.current(organization).canned, key)
    if canned is None:
        raise Http404(_("There is no such canned prompt."))
    return canned


def _page(
    request: HttpRequest,
    organization: Organization,
    form: CannedForm,
    *,
    is_new: bool = False,
    status: int = 200,
) -> HttpResponse:
    context: dict[str, Any] = {"form": form, "is_new": is_new}
    return page.show(request, organization, "canned", draft_page.TAB, context, status)
