"""Organizations, their members, and the people who sign in."""

from smtplib import SMTPException
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import flatten_fieldsets
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextareaWidget

from console import tenancy
from console.organizations import accounts, languages, membership
from console.organizations.invitation_admin import ROLE_LABELS
from console.organizations.invitation_admin import InvitationAdmin as InvitationAdmin  # registers it
from console.organizations.models import Member, Organization, Translation, User
from console.organizations.settings_form import TEXTS, OrganizationForm
from console.organizations.settings_sections import SECTIONS
from console.signed_in import user_of
from console.signin import sessions
from console.signin.models import SecondFactor
from console.tenant_admin import OrganizationFilter, TenantAdmin, TenantForm, TenantInline

admin.site.unregister(Group)  # roles take the place of groups


STANDING = ("slug", "is_active")
CLOSED, OPENED = gettext_lazy("Your account was closed."), gettext_lazy("Your account was opened again.")
ANOTHER_ADDRESS = gettext_lazy("Your account has another e-mail address now: {address}.")
ANOTHER_PASSWORD = gettext_lazy("Your password was replaced by one that they tell you.")
NO_SECOND_FACTOR = gettext_lazy("Your second factor was removed. You can set up another one.")
ACTIVE_LABELS = {True: "success", False: "danger"}


class TranslationInline(TenantInline):
    """What contacts are told in their own language, where the platform says which that is."""

    model = Translation
    fields = ["purpose", "language", "text"]
    verbose_name = gettext_lazy("translation")
    verbose_name_plural = gettext_lazy("In other languages")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "text":
            kwargs["widget"] = UnfoldAdminTextareaWidget({"rows": 2, "dir": "auto"})
        return super().formfield_for_dbfield(db_field, request, **kwargs)


@admin.register(Organization)
class OrganizationAdmin(TenantAdmin):
    list_display = ["name", "slug", "active", "channel_count", "member_count"]
    search_fields = ["name", "slug"]
    form = OrganizationForm
    inlines = [TranslationInline]
    change_form_outer_after_template = "admin/protection/retire_link.html"
    fieldsets = SECTIONS

    @display(description=gettext_lazy("Status"), label=ACTIVE_LABELS)
    def active(self, organization: Organization) -> tuple[bool, str]:
        return organization.is_active, _("Active") if organization.is_active else _("Retired")

    @display(description=gettext_lazy("Channels"))
    def channel_count(self, organization: Organization) -> int:
        return organization.channels.count()

    @display(description=gettext_lazy("Members"))
    def member_count(self, organization: Organization) -> int:
        return organization.members.count()

    @display(description=gettext_lazy("Bot on the channels"))
    def bots(self, organization: Organization) -> Any:
        """What the bot does on each channel, with the page where it is chosen."""
        channels = organization.channels.exclude(status="retired")
        said = (
            (reverse("admin:channels_channel_change", args=[each.pk]), each.name, each.get_bot_display())
            for each in channels
        )
        return format_html_join("", '<div><a class="hub-link" href="{}">{}</a>: {}</div>', said) or "-"

    @display(description=gettext_lazy("Texts that are missing"))
    def missing_texts(self, organization: Organization) -> Any:
        """Which of its texts a language has no translation of."""
        gaps = (
            (languages.name(code), ", ".join(missing))
            for code, missing in organization.missing_texts().items()
            if missing
        )
        said = format_html_join("", "<div><b>{}</b>: {}</div>", gaps)
        return said or (_("None.") if organization.other_languages else "-")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Admins set how turns are answered, ops what the platform stands on."""
        fields = [*super().get_readonly_fields(request, obj), "bots", "missing_texts"]
        if obj is None:
            return fields
        user = user_of(request)
        if not user.has_perm("organizations.change_settings", obj):
            fields += [
                name for name in flatten_fieldsets(self.get_fieldsets(request, obj)) if name not in STANDING
            ]
        return fields if user.has_perm("organizations.change_standing", obj) else [*fields, *STANDING]

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        return [] if obj is None else self.inlines

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in TEXTS:
            kwargs["widget"] = UnfoldAdminTextareaWidget({"rows": 2, "dir": "auto"})
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Those who have one organization want its settings, not a list of one."""
        organizations = list(self.get_queryset(request)[:2])
        if request.method == "GET" and len(organizations) == 1 and not user_of(request).is_ops:
            return redirect("admin:organizations_organization_change", organizations[0].pk)
        response: HttpResponse = super().changelist_view(request, extra_context)
        return response


class MemberForm(TenantForm):
    """A member's role: somebody must be left who can give roles."""

    class Meta:
        model = Member
        fields = ["role", "gets_alerts"]

    def clean_role(self) -> str:
        role: str = self.cleaned_data["role"]
        if role != Member.Role.ADMIN and membership.ends_admins(Member.objects.filter(pk=self.instance.pk)):
            raise forms.ValidationError(membership.KEEPS_AN_ADMIN)
        return role


@admin.register(Member)
class MemberAdmin(TenantAdmin):
    """Members and their roles. New ones are invited, on the page beside this."""

    list_before_template = "admin/organizations/invite.html"
    list_display = ["person", "email", "role_label", "gets_alerts", "organization", "created_at"]
    list_select_related = ["user", "organization"]
    list_filter = [OrganizationFilter, "role"]
    search_fields = ["user__email", "user__name"]
    readonly_fields = ["user"]
    fieldsets = [(None, {"fields": ["organization", "user", "role", "gets_alerts"]})]
    form = MemberForm

    @display(description=gettext_lazy("Name"), ordering="user__name")
    def person(self, member: Member) -> str:
        return str(member.user)

    @display(description=gettext_lazy("E-mail"), ordering="user__email")
    def email(self, member: Member) -> str:
        return member.user.email

    @display(description=gettext_lazy("Role"), ordering="role", label=ROLE_LABELS)
    def role_label(self, member: Member) -> tuple[str, str]:
        return member.role, member.get_role_display()

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Members come by invitation."""
        return False

    def save_model(self, request: HttpRequest, obj: Member, form: Any, change: bool) -> None:
        self._demand(request, "change", obj)
        membership.change(obj)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        context = {"may_invite": membership.open_to(user_of(request)).exists(), **(extra_context or {})}
        response: HttpResponse = super().changelist_view(request, context)
        return response

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """The last admin stays."""
        deleted, counts, needed, protected = super().get_deleted_objects(objs, request)
        leaving = Member.objects.filter(pk__in=[member.pk for member in objs])
        kept = [membership.KEEPS_AN_ADMIN] if membership.ends_admins(leaving) else []
        return deleted, counts, needed, [*protected, *kept]

    def delete_model(self, request: HttpRequest, obj: Member) -> None:
        self._demand(request, "delete", obj)
        membership.remove(Member.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        membership.remove(tenancy.scope(queryset, user_of(request), self.permission("delete")))


def show_password(model_admin: Any, request: HttpRequest, user: User, password: str) -> HttpResponse:
    """The page that shows a one-time password: in this answer only, stored nowhere."""
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": _("One-time password"),
        "person": user,
        "password": password,
    }
    response = TemplateResponse(request, "admin/organizations/one_time_password.html", context)
    response["Cache-Control"] = "no-store"
    return response


class UserAddForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new account; its password is made here."""

    class Meta:
        model = User
        fields = ["email", "name", "is_ops"]

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"].lower()
        if User.objects.filter(email__iexact=email).exists():
            raise forms.ValidationError(_("There is an account with this address already."))
        return email


@admin.register(User)
class UserAdmin(ModelAdmin):
    """Accounts, for ops only. Nobody is deleted: an account that is not active opens nothing."""

    list_display = ["email", "name", "kind", "active", "membership_list", "last_login"]
    list_filter = ["is_ops", "is_active"]
    search_fields = ["email", "name"]
    fieldsets = [(None, {"fields": ["email", "name", "is_ops", "is_active"]})]
    add_fieldsets = [(None, {"fields": ["email", "name", "is_ops"]})]
    actions_submit_line = ["reset_password", "remove_second_factor", "sign_out"]
    warn_unsaved_form = True

    @display(description=gettext_lazy("Kind"), label={True: "primary"})
    def kind(self, user: User) -> tuple[bool, str]:
        return user.is_ops, _("Ops") if user.is_ops else _("Member")

    @display(description=gettext_lazy("Status"), label=ACTIVE_LABELS)
    def active(self, user: User) -> tuple[bool, str]:
        return user.is_active, _("Active") if user.is_active else _("Closed")

    @display(description=gettext_lazy("Organizations"))
    def membership_list(self, user: User) -> str:
        return ", ".join(str(member.organization) for member in user.memberships.all()) or "-"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("memberships__organization")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None:
            kwargs["form"] = UserAddForm
        return super().get_form(request, obj, change=change, **kwargs)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if not change:
            request.one_time_password = accounts.set_one_time_password(obj)  # type: ignore[attr-defined]
        elif obj == request.user and not (obj.is_active and obj.is_ops):
            raise PermissionDenied(_("Ask a colleague to close your own account."))
        super().save_model(request, obj, form, change)
        if not obj.is_active:
            membership.free_conversations(obj.memberships.all())
            sessions.end_all(obj)
        if change and "is_active" in form.changed_data:
            self._tell(request, obj, obj.email, OPENED if obj.is_active else CLOSED)
        if change and "email" in form.changed_data:
            news = format_lazy(ANOTHER_ADDRESS, address=obj.email)
            self._tell(request, obj, form.initial["email"], news)  # whose owner may know nothing of it

    @action(description=gettext_lazy("Save and make a new password"), icon="key")
    def reset_password(self, request: HttpRequest, obj: User) -> None:
        request.one_time_password = accounts.set_one_time_password(obj)  # type: ignore[attr-defined]
        obj.save()
        self._tell(request, obj, obj.email, ANOTHER_PASSWORD)

    @action(description=gettext_lazy("Save and remove the second factor"), icon="phonelink_erase")
    def remove_second_factor(self, request: HttpRequest, obj: User) -> None:
        """For somebody who has lost app and recovery codes."""
        SecondFactor.objects.filter(user=obj).delete()
        sessions.end_all(obj)
        said = _("%(address)s can set up another second factor.") % {"address": obj.email}
        self.message_user(request, said)
        self._tell(request, obj, obj.email, NO_SECOND_FACTOR)

    @action(description=gettext_lazy("Save and sign out everywhere"), icon="logout")
    def sign_out(self, request: HttpRequest, obj: User) -> None:
        """For somebody whose device was lost."""
        sessions.end_all(obj)
        self.message_user(request, _("%(email)s is signed out everywhere.") % {"email": obj.email})

    def _tell(self, request: HttpRequest, user: User, address: str, news: Any) -> None:
        """E-mail it once it is saved."""

        def send() -> None:
            try:
                accounts.tell(address, news, user.language)
            except (SMTPException, OSError):
                problem = _("The e-mail to %(address)s about this could not be sent.")
                self.message_user(request, problem % {"address": address}, messages.ERROR)

        transaction.on_commit(send)

    def response_add(
        self, request: HttpRequest, obj: User, post_url_continue: str | None = None
    ) -> HttpResponse:
        return show_password(self, request, obj, request.one_time_password)  # type: ignore[attr-defined]

    def response_change(self, request: HttpRequest, obj: User) -> HttpResponse:
        password = getattr(request, "one_time_password", None)
        if password:
            return show_password(self, request, obj, password)
        return super().response_change(request, obj)
