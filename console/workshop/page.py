"""What the pages of the workshop share: whose it is, its head, and who may do what."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console import tenancy
from console.organizations.models import Organization
from console.prompts import drafts
from console.prompts.differences import difference
from console.signed_in import user_of

VIEW = "prompts.view_promptversion"
CHANGE = "prompts.change_promptversion"
ADD = "prompts.add_cannedprompt"


@dataclass(frozen=True)
class Tab:
    """A part of the workshop, by the name of its address."""

    name: str
    label: Any
    icon: str


TABS: Sequence[Tab] = (
    Tab("workshop_draft", gettext_lazy("Draft"), "edit_note"),
    Tab("workshop_playground", gettext_lazy("Playground"), "forum"),
    Tab("workshop_cases", gettext_lazy("Test cases"), "checklist"),
    Tab("workshop_unanswered", gettext_lazy("Unanswered"), "contact_support"),
    Tab("workshop_versions", gettext_lazy("Versions"), "history"),
)


def find(request: HttpRequest, slug: str, permission: str = VIEW) -> Organization:
    """The organization, if the user holds `permission` there; for whoever may not look there is none."""
    user = user_of(request)
    organization = tenancy.organizations_with(user, VIEW).filter(slug=slug).first()
    if organization is None:
        raise Http404(_("There is no such organization."))
    if not user.has_perm(permission, organization):
        raise PermissionDenied
    return organization


def choose(request: HttpRequest) -> HttpResponse:
    """Whose workshop: the only one's at once, else that of whom the user chooses."""
    user = user_of(request)
    if not user.has_perm(VIEW):
        raise PermissionDenied
    organizations = list(tenancy.in_view(user, VIEW))
    if len(organizations) == 1:
        return redirect("admin:workshop_draft", organizations[0].slug)
    context = {
        **admin.site.each_context(request),
        "title": _("Prompt workshop"),
        "organizations": [(each, drafts.draft_of(each)) for each in organizations],
    }
    return TemplateResponse(request, "admin/workshop/choose.html", context)


def show(
    request: HttpRequest,
    organization: Organization,
    template: str,
    tab: str,
    context: dict[str, Any],
    status: int = 200,
) -> HttpResponse:
    """A page of an organization's workshop. `tab`: the name of its part."""
    user = user_of(request)
    draft, published = drafts.draft_of(organization), drafts.published_of(organization)
    whole = {
        **admin.site.each_context(request),
        "title": _("Prompt workshop"),
        "organization": organization,
        "names_organization": len(user.roles) > 1,
        "tabs": TABS,
        "tab": tab,
        "draft": draft,
        "published": published,
        "difference": difference(published, draft) if draft else None,
        "may_change": user.has_perm(CHANGE, organization),
        "may_add": user.has_perm(ADD, organization),
        **context,
    }
    return TemplateResponse(request, f"admin/workshop/{template}.html", whole, status=status)


class PlainForm(forms.ModelForm):  # type: ignore[type-arg]
    """A form whose texts have the line ends that everybody else writes; browsers send others."""

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        return {
            name: value.replace("\r\n", "\n") if isinstance(value, str) else value
            for name, value in found.items()
        }


def digest(*parts: object) -> str:
    """What a text was like when a form was opened, to notice whoever changes it meanwhile."""
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
