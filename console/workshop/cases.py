"""Test cases: written by hand or taken from a conversation, changed, deleted."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from console import confirmation
from console.confirmation import Question
from console.organizations.models import Organization
from console.signed_in import user_of
from console.workshop import origins, page
from console.workshop.models import Case, CaseRun
from console.workshop.page import PlainForm
from hub_lambdas.questions import HISTORY_TURNS

TAB = "workshop_cases"


class CaseForm(PlainForm):
    """A test case, with fields for what was asked and answered before its question."""

    class Meta:
        model = Case
        fields = ["question", "expectation", "must_contain", "must_not_contain"]
        labels = {
            "question": gettext_lazy("Question"),
            "expectation": gettext_lazy("What has to come of it"),
            "must_contain": gettext_lazy("The answer must contain"),
            "must_not_contain": gettext_lazy("The answer must not contain"),
        }
        widgets = {
            "question": forms.Textarea({"rows": 2, "dir": "auto"}),
            "expectation": forms.Select,
            "must_contain": forms.Textarea({"rows": 2, "dir": "auto"}),
            "must_not_contain": forms.Textarea({"rows": 2, "dir": "auto"}),
        }

    def __init__(self, *args: Any, history: Any = (), **more: Any) -> None:
        super().__init__(*args, **more)
        for number in range(HISTORY_TURNS):
            asked, answered = history[number] if number < len(history) else ("", "")
            for name, label, text in (
                (f"asked_{number}", gettext_lazy("Before: the contact"), asked),
                (f"answered_{number}", gettext_lazy("Before: the answer"), answered),
            ):
                self.fields[name] = forms.CharField(
                    max_length=2000, required=False, label=label, initial=text,
                    widget=forms.Textarea({"rows": 1, "dir": "auto"}),
                )  # fmt: skip

    @property
    def before(self) -> list[Any]:
        """The fields of what was said before, in order."""
        return [field for field in self.visible_fields() if field.name.startswith(("asked_", "answered_"))]

    @property
    def own(self) -> list[Any]:
        """The fields of the question itself."""
        return [self[name] for name in self._meta.fields or ()]

    def save(self, commit: bool = True) -> Case:
        pairs = [
            [self.cleaned_data[f"asked_{number}"].strip(), self.cleaned_data[f"answered_{number}"].strip()]
            for number in range(HISTORY_TURNS)
        ]
        self.instance.history = [pair for pair in pairs if all(pair)]
        saved: Case = super().save(commit)
        return saved


@require_GET
def show(request: HttpRequest, slug: str) -> HttpResponse:
    """All test cases, and the way to their last run."""
    organization = page.find(request, slug, "workshop.view_case")
    context = {
        "cases": organization.cases.all(),
        "run": CaseRun.objects.filter(organization=organization).first(),
        "may_run": user_of(request).has_perm("workshop.add_caserun", organization),
        "may_edit": user_of(request).has_perm("workshop.change_case", organization),
    }
    return page.show(request, organization, "cases", TAB, context)


def add(request: HttpRequest, slug: str) -> HttpResponse:
    """A new one; what it begins with may come from a conversation."""
    organization = page.find(request, slug, "workshop.add_case")
    initial = origins.case(request, organization)
    case = Case(organization=organization, author=user_of(request))
    form = CaseForm(request.POST or None, instance=case, initial=initial, history=initial.get("history", ()))
    return _saved(request, form) or _page(request, organization, form, is_new=True)


def change(request: HttpRequest, slug: str, case_id: int) -> HttpResponse:
    """Change one."""
    organization = page.find(request, slug, "workshop.change_case")
    case = _find(organization, case_id)
    form = CaseForm(request.POST or None, instance=case, history=case.history)
    return _saved(request, form) or _page(request, organization, form, case=case)


@require_POST
def delete(request: HttpRequest, slug: str, case_id: int) -> HttpResponse:
    """Delete one, after a question."""
    organization = page.find(request, slug, "workshop.delete_case")
    case = _find(organization, case_id)
    if not confirmation.is_confirmed(request):
        question = Question(
            title=_("Delete the test case?"),
            text=_("What came of it in runs goes with it."),
            items=[case.question],
            button=_("Delete"),
            cancel_url=reverse("admin:workshop_case", args=[slug, case_id]),
            is_harmful=True,
        )
        return confirmation.ask(request, admin.site.get_model_admin(Organization), question)
    case.delete()
    messages.success(request, _("The test case is deleted."))
    return redirect("admin:workshop_cases", slug)


def _saved(request: HttpRequest, form: CaseForm) -> HttpResponse | None:
    if request.method != "POST" or not form.is_valid():
        return None
    case = form.save()
    messages.success(request, _("The test case is kept."))
    return redirect("admin:workshop_cases", case.organization.slug)


def _find(organization: Organization, case_id: int) -> Case:
    case = organization.cases.filter(pk=case_id).first()
    if case is None:
        raise Http404(_("There is no such test case."))
    return case


def _page(request: HttpRequest, organization: Organization, form: CaseForm, **context: Any) -> HttpResponse:
    status = 422 if form.errors else 200
    return page.show(request, organization, "case", TAB, {"form": form, **context}, status)
