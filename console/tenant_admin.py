"""The admin site's side of the tenancy rule: what every page of a model below an organization stands on."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import ForeignKey, Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline
from unfold.contrib.filters.admin import RadioFilter

from console import tenancy
from console.organizations.models import Organization, User
from console.signed_in import user_of

if TYPE_CHECKING:
    from django.forms import ModelChoiceField


class _TenantRule:
    """Rows, choices and permissions follow the user's role in the organization of each object."""

    model: type[Model]
    opts: Any

    def permission(self, verb: str) -> str:
        """Full name of the permission to `verb` ("view", "add", "change", "delete") this model."""
        return f"{self.opts.app_label}.{verb}_{self.opts.model_name}"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        queryset: QuerySet[Any] = super().get_queryset(request)  # type: ignore[misc]
        match = request.resolver_match
        is_list = match is not None and (match.url_name or "").endswith("_changelist")
        scope = tenancy.scope_in_view if is_list else tenancy.scope
        return scope(queryset, user_of(request), self.permission("view"))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, "view", obj) or self._may(request, "change", obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, "add", None)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, "change", obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, "delete", obj)

    def _may(self, request: HttpRequest, verb: str, obj: Any) -> bool:
        if obj is not None and not isinstance(obj, self.model):
            obj = self._find(request, obj)
            if obj is None:
                return False
        return user_of(request).has_perm(self.permission(verb), obj)

    def _find(self, request: HttpRequest, primary_key: Any) -> Model | None:
        """unfold asks for permission by primary key; an inline asks with its parent."""
        if isinstance(primary_key, Model):
            return primary_key
        try:
            return self.get_queryset(request).filter(pk=primary_key).first()
        except (ValueError, ValidationError):
            return None

    def organizations_to_choose(self, request: HttpRequest) -> QuerySet[Organization]:
        """Where the user may add a row."""
        return tenancy.organizations_with(user_of(request), self.permission("add"))

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Offer and accept only what the user may use here."""
        related = db_field.related_model
        if related is Organization:
            kwargs["queryset"] = self.organizations_to_choose(request)
        else:
            kwargs["queryset"] = _visible(related, user_of(request))
        field: ModelChoiceField[Any] | None = super().formfield_for_foreignkey(  # type: ignore[misc]
            db_field, request, **kwargs
        )
        if field is not None and related is Organization:
            _preselect_only_choice(field)
        return field

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """No buttons beside a choice that add or change what is chosen from."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]
        if field is not None and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget
        return field


def _visible(model: Any, user: User) -> QuerySet[Any]:
    if model is User:
        organizations = tenancy.organizations_with(user, "organizations.view_member")
        return User.objects.filter(memberships__organization__in=organizations).distinct()
    view = f"{model._meta.app_label}.view_{model._meta.model_name}"
    return tenancy.scope(model._default_manager.all(), user, view)


def _preselect_only_choice(field: Any) -> None:
    choices = list(field.queryset[:2])
    if len(choices) == 1:
        field.initial = choices[0].pk
        field.empty_label = None


class TenantForm(forms.ModelForm):  # type: ignore[type-arg]
    """A form that holds a row to all its constraints, also those on fields that the form does not have."""

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        try:
            self.instance.validate_constraints()
        except ValidationError as error:
            self.add_error(None, error.messages)


class TenantAdmin(_TenantRule, ModelAdmin):
    """Admin of a model below an organization. The organization of a row never changes."""

    form = TenantForm
    list_filter_submit = False
    list_fullwidth = False
    compressed_fields = False
    warn_unsaved_form = True
    list_per_page = 50
    offers_add_another = False

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        context = {"show_save_and_add_another": self.offers_add_another, **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, context)

    def object_views(self) -> dict[str, Callable[..., HttpResponse]]:
        """What can be done with one object besides changing it: views by the last part of their address."""
        return {}

    def get_urls(self) -> list[Any]:
        prefix = f"{self.opts.app_label}_{self.opts.model_name}"
        urls: list[Any] = super().get_urls()
        return [
            path(
                f"<int:object_id>/{name}/",
                self.admin_site.admin_view(view),
                name=f"{prefix}_{name.replace('-', '_')}",
            )
            for name, view in self.object_views().items()
        ] + urls

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """The organization column is only for those who see more than one."""
        columns = list(super().get_list_display(request))
        if "organization" in columns and not sees_several_organizations(request, self):
            columns.remove("organization")
        return columns

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        fields = list(super().get_readonly_fields(request, obj))
        has_organization = any(field.name == "organization" for field in self.opts.get_fields())
        return [*fields, "organization"] if obj is not None and has_organization else fields

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        self._demand(request, "change" if change else "add", obj)
        super().save_model(request, obj, form, change)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self._demand(request, "delete", obj)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        super().delete_queryset(request, tenancy.scope(queryset, user_of(request), self.permission("delete")))

    def _demand(self, request: HttpRequest, verb: str, obj: Any) -> None:
        """A list may show rows that the user may only look at: saving asks for each row."""
        is_new_tenant = verb == "add" and isinstance(obj, Organization)
        if not user_of(request).has_perm(self.permission(verb), None if is_new_tenant else obj):
            raise PermissionDenied


class TenantInline(_TenantRule, TabularInline):
    """Rows of a model below an organization on another object's page."""

    extra = 0
    show_change_link = False

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Named for whoever cannot see the head of its column."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None:
            field.widget.attrs.setdefault("aria-label", field.label)
        return field


def sees_several_organizations(request: HttpRequest, admin: Any) -> bool:
    """Whether the user's rows of this model may come from more than one organization."""
    return tenancy.in_view(user_of(request), admin.permission("view")).count() > 1


class OrganizationFilter(RadioFilter):
    """Filter by organization: only the user's own, and only for those who have more than one."""

    title = _("organization")
    parameter_name = "organization"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        organizations = tenancy.in_view(user_of(request), model_admin.permission("view"))
        choices = list(organizations.values_list("slug", "name"))
        return [(slug, name) for slug, name in choices] if len(choices) > 1 else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        lookup = queryset.model.organization_lookup
        path = "slug" if lookup == "pk" else f"{lookup}__slug"
        return queryset.filter(**{path: self.value()})


class ChannelFilter(RadioFilter):
    """Filter by channel: only those that the user sees."""

    title = _("channel")
    parameter_name = "channel"
    field_path = "contact__channel"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        from console.channels.models import Channel

        channels = tenancy.scope_in_view(
            Channel.objects.all(), user_of(request), model_admin.permission("view")
        )
        choices = [(str(channel.pk), channel.name) for channel in channels]
        return choices if len(choices) > 1 else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        if not self.value():
            return queryset
        try:
            return queryset.filter(**{self.field_path: self.value()})
        except (ValueError, ValidationError):
            return queryset.none()
