"""The page on which a draft is read once more, and then is what production asks with."""

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console.prompts import drafts
from console.prompts.drafts import DraftError
from console.prompts.models import PromptVersion
from console.signed_in import user_of
from console.workshop import page, runs
from console.workshop.draft import TAB, TAB_ADDRESS
from console.workshop.page import PlainForm


class PublishForm(PlainForm):
    """What to say of a version as it is published. `revision`: of the draft that was read."""

    revision = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    anyway = forms.BooleanField(
        required=False, label=gettext_lazy("Publish it although test cases got worse")
    )

    class Meta:
        model = PromptVersion
        fields = ["note"]
        labels = {"note": gettext_lazy("Note")}
        help_texts = {"note": gettext_lazy("What changes, and why.")}
        widgets = {"note": forms.TextInput({"dir": "auto"})}


def publish(request: HttpRequest, slug: str) -> HttpResponse:
    """Show what would change, and by POST let it count."""
    organization = page.find(request, slug, page.CHANGE)
    draft = drafts.draft_of(organization)
    if draft is None:
        messages.info(request, _("There is no draft: production has all that you see here."))
        return redirect(TAB_ADDRESS, slug)
    form = PublishForm(request.POST or None, instance=draft, initial={"revision": draft.revision})
    tested = runs.of_draft(draft)
    if request.method == "POST" and form.is_valid():
        sent = form.cleaned_data
        if tested and tested.worse and not sent["anyway"]:
            form.add_error("anyway", _("Say so if you mean it."))
    if request.method == "POST" and form.is_valid():
        try:
            published = drafts.publish(organization, user_of(request), sent["note"], sent["revision"])
        except DraftError as problem:
            messages.error(request, str(problem))
            return redirect("admin:workshop_publish", slug)
        text = _("Version %(number)d is published. It counts from the next message on.")
        messages.success(request, text % {"number": published.number})
        return redirect(TAB_ADDRESS, slug)
    context = {
        "form": form,
        "is_publishing": True,
        "tested": tested,
        "has_cases": organization.cases.exists(),
    }
    return page.show(request, organization, "publish", TAB, context, status=422 if form.errors else 200)
