"""Invitations in the console: who was asked to join, to be sent again or revoked."""

from collections.abc import Callable
from smtplib import SMTPException
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from console import tenancy
from console.organizations import invitations, membership
from console.organizations.models import Invitation, Member, Organization
from console.signed_in import user_of
from console.tenant_admin import OrganizationFilter, TenantAdmin, TenantForm

ROLE_LABELS = {Member.Role.ADMIN: "primary", Member.Role.AGENT: "info"}


class InvitationForm(TenantForm):
    """Whom to invite, and as what."""

    class Meta:
        model = Invitation
        fields = ["organization", "email", "role"]

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        organization = cleaned.get("organization")
        members = Member.objects.filter(
            organization=organization, user__email__iexact=cleaned.get("email", "")
        )
        if members.exists():
            self.add_error("email", _("This person is a member already."))
        if cleaned.get("role") == Member.Role.AGENT and not membership.has_admin(organization):
            self.add_error("role", _("Somebody has to manage the organization: invite an admin first."))
        return cleaned


@admin.register(Invitation)
class InvitationAdmin(TenantAdmin):
    """Nothing of an invitation is changed: it is sent again, or revoked, which ends its link."""

    form = InvitationForm
    list_display = ["email", "role_label", "organization", "invited_by", "state", "again"]
    list_display_links = None
    list_select_related = ["organization", "invited_by"]
    list_filter = [OrganizationFilter, "role"]
    search_fields = ["email"]
    fieldsets = [
        (
            None,
            {
                "fields": ["organization", "email", "role"],
                "description": gettext_lazy("They get an e-mail with a link that is good once, for 7 days."),
            },
        )
    ]

    @display(description=gettext_lazy("Role"), ordering="role", label=ROLE_LABELS)
    def role_label(self, invitation: Invitation) -> tuple[str, str]:
        return invitation.role, invitation.get_role_display()

    @display(
        description=gettext_lazy("State"),
        label={
            "pending": "info",
            "accepted": "success",
            "expired": "warning",
            "ended": "warning",
            "not sent": "danger",
        },
    )
    def state(self, invitation: Invitation) -> tuple[str, str]:
        if invitation.accepted_at:
            return "accepted", _("Accepted")
        if invitation.sent_at is None:
            return "not sent", _("Not sent")
        if invitations.is_expired(invitation, timezone.now()):
            return "expired", _("Expired")
        is_open = invitations.is_stood_by(invitation)
        return ("pending", _("Pending")) if is_open else ("ended", _("Ended"))

    @display(description="")
    def again(self, invitation: Any) -> Any:
        if invitation.accepted_at or not invitation.is_managed:
            return ""
        page = reverse("admin:organizations_invitation_resend", args=[invitation.pk])
        revoke = reverse("admin:organizations_invitation_delete", args=[invitation.pk])
        return format_html(
            '<button class="hub-button" formmethod="post" formaction="{}">{}</button> '
            '<a class="hub-button" href="{}">{}</a>',
            page,
            _("Send again"),
            revoke,
            _("Revoke"),
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Invitation]:
        managed = tenancy.organizations_with(user_of(request), self.permission("delete"))
        is_managed = ExpressionWrapper(Q(organization__in=managed), BooleanField())
        return super().get_queryset(request).annotate(is_managed=is_managed)

    def organizations_to_choose(self, request: HttpRequest) -> QuerySet[Organization]:
        return membership.open_to(user_of(request))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.organizations_to_choose(request).exists()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and not (
            isinstance(obj, Invitation) and obj.accepted_at
        )

    def object_views(self) -> dict[str, Callable[..., HttpResponse]]:
        return {"resend": self.resend}

    def resend(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Send a new link; the old one ends."""
        invitation: Invitation | None = self.get_object(request, str(object_id))
        if invitation is None or invitation.accepted_at or not self._may(request, "delete", invitation):
            raise Http404("There is no such invitation.")
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        self._send(request, invitation)
        return redirect("admin:organizations_invitation_changelist")

    def save_model(self, request: HttpRequest, obj: Invitation, form: Any, change: bool) -> None:
        if not self.organizations_to_choose(request).filter(pk=obj.organization_id).exists():
            raise PermissionDenied
        obj.invited_by = user_of(request)
        obj.save()
        transaction.on_commit(lambda: self._send(request, obj))

    def _send(self, request: HttpRequest, invitation: Invitation) -> None:
        try:
            invitations.send(invitation, user_of(request))
        except (SMTPException, OSError):
            problem = _("The e-mail to %(address)s could not be sent. Try again in a while.")
            self.message_user(request, problem % {"address": invitation.email}, messages.ERROR)
        else:
            done = _("%(address)s has an e-mail with a link.") % {"address": invitation.email}
            self.message_user(request, done, messages.SUCCESS)

    def response_add(
        self, request: HttpRequest, obj: Invitation, post_url_continue: str | None = None
    ) -> HttpResponse:
        return redirect("admin:organizations_invitation_changelist")
