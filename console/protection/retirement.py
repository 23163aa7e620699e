"""The page on which an organization is retired: stopped and exported, then erased by typing its name."""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from console import confirmation, tenancy
from console.confirmation import Question
from console.conversations.models import Export
from console.organizations.models import Organization
from console.protection import retiring
from console.protection.jobs import retire
from console.protection.models import Retirement
from console.protection.record import retired
from console.queued_job import UNREACHABLE, queue_job
from console.signed_in import user_of

State = Retirement.State


def page(request: HttpRequest, slug: str) -> HttpResponse:
    """How far the retirement of an organization is (GET), and the next step of it (POST)."""
    user = user_of(request)
    seen = tenancy.organizations_with(user, "protection.view_retirement").select_related("retirement__export")
    organization = seen.filter(slug=slug).first()
    if organization is None:
        return _gone(request, slug)
    if request.method == "POST":
        if not user.has_perm("protection.add_retirement", organization):
            raise PermissionDenied
        do = _STEPS.get(request.POST.get("step", ""))
        return do(request, organization) if do else _back(organization)
    retirement = getattr(organization, "retirement", None)
    export = retirement.export if retirement else None
    context = {
        "organization": organization,
        "retirement": retirement,
        "export": export,
        "is_working": retirement is not None and retirement.state != State.STOPPED,
        "may_download": export is not None
        and export.state == Export.State.DONE
        and user.has_perm("conversations.view_export", export),
    }
    return _render(request, organization.name, context)


def _gone(request: HttpRequest, slug: str) -> HttpResponse:
    """For ops, who saw it go, the line that is left of it; for anybody else there is none."""
    line = retired(slug) if user_of(request).is_ops else None
    if line is None:
        raise Http404("There is no such organization.")
    return _render(request, line.row, {"line": line})


def _render(request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
    whole = {
        **admin.site.each_context(request),
        "title": _("Retire %(name)s") % {"name": name},
        **context,
    }
    return TemplateResponse(request, "admin/protection/retirement.html", whole)


def _begin(request: HttpRequest, organization: Organization) -> HttpResponse:
    if not confirmation.is_confirmed(request):
        return _ask(request, organization)
    retirement, _is_new = Retirement.objects.get_or_create(
        organization=organization, defaults={"requested_by": user_of(request)}
    )
    return _queue(request, retirement)


def _erase(request: HttpRequest, organization: Organization) -> HttpResponse:
    if request.POST.get("name", "").strip() != organization.name:
        messages.error(request, _("This is not the name of the organization, so nothing was erased."))
        return _back(organization)
    with transaction.atomic():
        stopped = Retirement.objects.select_for_update().filter(organization=organization)
        retirement = stopped.filter(state=State.STOPPED).first()
        if retirement is None:
            return _back(organization)
        retirement.state, retirement.requested_by = State.ERASING, user_of(request)
        retirement.save(update_fields=["state", "requested_by"])
        return _queue(request, retirement)


def _put_back(request: HttpRequest, organization: Organization) -> HttpResponse:
    with transaction.atomic():
        stopped = Retirement.objects.select_for_update().filter(organization=organization)
        if retirement := stopped.filter(state=State.STOPPED).first():
            retiring.put_back(retirement)
            messages.success(
                request, _("The organization is active again. Its channels wait to be resumed by an admin.")
            )
    return _back(organization)


_STEPS: Mapping[str, Callable[[HttpRequest, Organization], HttpResponse]] = {
    "begin": _begin,
    "erase": _erase,
    "put-back": _put_back,
}


def _queue(request: HttpRequest, retirement: Retirement) -> HttpResponse:
    queue_job(retire, retirement.pk, lambda: messages.error(request, _(UNREACHABLE)))
    return _back(retirement.organization)


def _back(organization: Organization) -> HttpResponse:
    return redirect("admin:protection_retirement", organization.slug)


def _ask(request: HttpRequest, organization: Organization) -> HttpResponse:
    question = Question(
        title=_("Stop %(name)s?") % {"name": organization.name},
        text=_("The first of two steps; nothing is erased yet, and it can be put back."),
        items=[
            _("no contact gets an answer any more: what still comes in is declined"),
            _("its channels are disconnected at their platforms"),
            _("invitations that nobody has accepted end"),
            _("a file with everything is made, for its admins to download"),
        ],
        button=_("Stop and export"),
        cancel_url=reverse("admin:protection_retirement", args=[organization.slug]),
        fields=[("step", "begin")],
        is_harmful=True,
    )
    return confirmation.ask(request, admin.site._registry[Organization], question)
