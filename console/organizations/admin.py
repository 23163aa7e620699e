"""Organizations, their members, and the people who sign in."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from console.organizations import accounts
from console.organizations.models import Member, Organization, Translation, User
from console.signed_in import user_of
from console.tenant_admin import OrganizationFilter, TenantAdmin, TenantForm, TenantInline

admin.site.unregister(Group)  # roles take the place of groups


ANSWER_TEXTS = ("holding_line", "fallback", "apology", "limit_line", "media_line")


class TranslationInline(TenantInline):
    """What contacts are told in their own language, where the platform says which that is."""

    model = Translation
    fields = ["purpose", "language", "text"]
    verbose_name = "translation"
    verbose_name_plural = "In other languages"

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "text":
            kwargs["widget"] = UnfoldAdminTextareaWidget({"rows": 2, "dir": "auto"})
        return super().formfield_for_dbfield(db_field, request, **kwargs)


class MemberInline(TenantInline):
    model = Member
    fields = ["user", "role", "gets_alerts"]
    readonly_fields = ["user"]
    verbose_name_plural = "Members"

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """New members come by e-mail address, on the members' own page."""
        return False


@admin.register(Organization)
class OrganizationAdmin(TenantAdmin):
    list_display = ["name", "slug", "active", "channel_count", "member_count"]
    search_fields = ["name", "slug"]
    inlines = [TranslationInline, MemberInline]
    fieldsets = [
        (None, {"fields": ["name", "slug", "is_active"]}),
        ("How turns are answered", {"fields": ["burst_window_seconds", "max_answer_tokens"]}),
        (
            "When the answer takes longer",
            {
                "fields": ["holding_line"],
                "description": "So that nobody waits more than five seconds for a sign.",
            },
        ),
        (
            "When staff take over",
            {"fields": ["handover_after_seconds", "fallback", "return_to_bot_after_minutes"]},
        ),
        (
            "Pictures, voice notes and files",
            {
                "fields": ["media_policy", "media_line"],
                "description": "Staff see them in the conversation either way. The LLM reads text only.",
            },
        ),
        (
            "Late messages",
            {
                "fields": ["late_after_minutes", "late_policy", "apology"],
                "description": "After an outage, platforms deliver what contacts wrote long before. When "
                "they wrote it is judged by the platform's own clock.",
            },
        ),
        (
            "Delivery",
            {
                "fields": ["unknown_delivery"],
                "description": "A platform that does not answer may have taken an answer or not.",
            },
        ),
        (
            "Limits",
            {
                "fields": [
                    ("contact_messages_per_minute", "contact_answers_per_day"),
                    ("turns_per_minute", "answers_per_day"),
                    "limit_line",
                ],
                "description": "Against abuse and unexpected costs: what goes beyond a limit is stored and "
                "declined. Empty: no limit.",
            },
        ),
    ]

    @display(description="Status", label={"Active": "success", "Retired": "danger"})
    def active(self, organization: Organization) -> str:
        return "Active" if organization.is_active else "Retired"

    @display(description="Channels")
    def channel_count(self, organization: Organization) -> int:
        return organization.channels.count()

    @display(description="Members")
    def member_count(self, organization: Organization) -> int:
        return organization.members.count()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """What the platform stands on is for ops."""
        fields = super().get_readonly_fields(request, obj)
        return fields if user_of(request).is_ops else [*fields, "slug", "is_active"]

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        return [] if obj is None else self.inlines

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in ANSWER_TEXTS:
            kwargs["widget"] = UnfoldAdminTextareaWidget({"rows": 2, "dir": "auto"})
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Those who have one organization want its settings, not a list of one."""
        organizations = list(self.get_queryset(request)[:2])
        if request.method == "GET" and len(organizations) == 1 and not user_of(request).is_ops:
            return redirect("admin:organizations_organization_change", organizations[0].pk)
        response: HttpResponse = super().changelist_view(request, extra_context)
        return response


class MemberAddForm(TenantForm):
    """A member by e-mail address: whoever has no account yet gets one."""

    email = forms.EmailField(
        label="E-mail address",
        widget=UnfoldAdminEmailInputWidget(),
        help_text="Somebody new gets an account; you see the one-time password once and pass it on.",
    )
    name = forms.CharField(
        label="Name",
        max_length=120,
        required=False,
        widget=UnfoldAdminTextInputWidget(),
        help_text="For a new account.",
    )

    class Meta:
        model = Member
        fields = ["organization", "role", "gets_alerts"]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        taken = Member.objects.filter(
            organization=cleaned.get("organization"), user__email__iexact=cleaned.get("email", "")
        )
        if taken.exists():
            self.add_error("email", "This person is a member already.")
        return cleaned


@admin.register(Member)
class MemberAdmin(TenantAdmin):
    list_display = ["person", "email", "role_label", "gets_alerts", "organization", "created_at"]
    list_select_related = ["user", "organization"]
    list_filter = [OrganizationFilter, "role"]
    search_fields = ["user__email", "user__name"]
    readonly_fields = ["user"]
    fieldsets = [(None, {"fields": ["organization", "user", "role", "gets_alerts"]})]
    add_fieldsets = [(None, {"fields": ["organization", "email", "name", "role", "gets_alerts"]})]

    @display(description="Name", ordering="user__name")
    def person(self, member: Member) -> str:
        return str(member.user)

    @display(description="E-mail", ordering="user__email")
    def email(self, member: Member) -> str:
        return member.user.email

    @display(description="Role", ordering="role", label={"Admin": "primary", "Agent": "info"})
    def role_label(self, member: Member) -> str:
        return member.get_role_display()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None:
            kwargs["form"] = MemberAddForm
        return super().get_form(request, obj, change=change, **kwargs)

    def save_model(self, request: HttpRequest, obj: Member, form: Any, change: bool) -> None:
        if not change:
            self._demand(request, "add", obj)
            obj.user, password = accounts.find_or_create(
                form.cleaned_data["email"], form.cleaned_data["name"]
            )
            request.one_time_password = password  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: Member, post_url_continue: str | None = None
    ) -> HttpResponse:
        password = getattr(request, "one_time_password", None)
        if password:
            return show_password(self, request, obj.user, password)
        return super().response_add(request, obj, post_url_continue)


def show_password(model_admin: Any, request: HttpRequest, user: User, password: str) -> HttpResponse:
    """The page that shows a one-time password: in this answer only, stored nowhere."""
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": "One-time password",
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
            raise forms.ValidationError("There is an account with this address already.")
        return email


@admin.register(User)
class UserAdmin(ModelAdmin):
    """Accounts, for ops only. Nobody is deleted: an account that is not active opens nothing."""

    list_display = ["email", "name", "kind", "active", "membership_list", "last_login"]
    list_filter = ["is_ops", "is_active"]
    search_fields = ["email", "name"]
    fieldsets = [(None, {"fields": ["email", "name", "is_ops", "is_active"]})]
    add_fieldsets = [(None, {"fields": ["email", "name", "is_ops"]})]
    actions_submit_line = ["reset_password"]
    warn_unsaved_form = True

    @display(description="Kind", label={"Ops": "primary"})
    def kind(self, user: User) -> str:
        return "Ops" if user.is_ops else "Member"

    @display(description="Status", label={"Active": "success", "Closed": "danger"})
    def active(self, user: User) -> str:
        return "Active" if user.is_active else "Closed"

    @display(description="Organizations")
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
            raise PermissionDenied("Ask a colleague to close your own account.")
        super().save_model(request, obj, form, change)

    @action(description="Save and make a new password", icon="key")
    def reset_password(self, request: HttpRequest, obj: User) -> None:
        request.one_time_password = accounts.set_one_time_password(obj)  # type: ignore[attr-defined]
        obj.save()

    def response_add(
        self, request: HttpRequest, obj: User, post_url_continue: str | None = None
    ) -> HttpResponse:
        return show_password(self, request, obj, request.one_time_password)  # type: ignore[attr-defined]

    def response_change(self, request: HttpRequest, obj: User) -> HttpResponse:
        password = getattr(request, "one_time_password", None)
        if password:
            return show_password(self, request, obj, password)
        return super().response_change(request, obj)
