"""All versions there were: who published what when, what changed, and back to one."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from console import confirmation
from console.confirmation import Question
from console.organizations.models import Organization
from console.prompts import drafts
from console.prompts.differences import difference
from console.prompts.models import PromptVersion
from console.signed_in import user_of
from console.workshop import page
from console.workshop.draft import TAB_ADDRESS

TAB = "workshop_versions"
SHOWN = 200
"""Of the newest versions: nobody looks further back."""


@require_GET
def history(request: HttpRequest, slug: str) -> HttpResponse:
    """The versions, the newest first."""
    organization = page.find(request, slug)
    versions = _versions(organization).defer("instructions", "canned_prompts").select_related("author")
    return page.show(request, organization, "versions", TAB, {"versions": versions[:SHOWN]})


@require_GET
def show(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """A version: what it says, and what it changed, or what has changed since (`?to=` another's number)."""
    organization = page.find(request, slug)
    version = _find(organization, number)
    other = request.GET.get("to", "")
    later = _versions(organization).filter(number=other).first() if other.isdecimal() else None
    earlier = _versions(organization).filter(number__lt=number).first()
    found = difference(version, later) if later else difference(earlier, version)
    context = {"version": version, "earlier": earlier, "later": later, "shown_difference": found}
    return page.show(request, organization, "version", TAB, context)


@require_POST
def restore(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Make the draft what a version was; where there is a draft, after a question."""
    organization = page.find(request, slug, page.CHANGE)
    version = _find(organization, number)
    if drafts.draft_of(organization) and not confirmation.is_confirmed(request):
        question = Question(
            title=_("Replace the draft?"),
            text=_("There is a draft: what it changes is gone when it becomes version %(number)d again.")
            % {"number": number},
            button=_("Replace the draft"),
            cancel_url=reverse("admin:workshop_version", args=[slug, number]),
            is_harmful=True,
        )
        return confirmation.ask(request, admin.site.get_model_admin(Organization), question)
    drafts.restore(organization, user_of(request), version)
    text = _("The draft is as version %(number)d was. It counts once it is published.")
    messages.success(request, text % {"number": number})
    return redirect(TAB_ADDRESS, slug)


def _versions(organization: Organization) -> QuerySet[PromptVersion]:
    return PromptVersion.objects.filter(organization=organization).order_by("-number")


def _find(organization: Organization, number: int) -> PromptVersion:
    version = _versions(organization).select_related("author").filter(number=number).first()
    if version is None:
        raise Http404(_("There is no such version."))
    return version
