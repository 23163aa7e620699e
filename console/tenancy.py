"""The one tenancy rule: which role may do what, and whose rows a user's query sees.

Every model below an organization names the way up to it in `organization_lookup`. Every query that a user can
cause goes through `scope`; every permission question ends in `has_permission`.
"""

from typing import TYPE_CHECKING, Any, TypeVar

from django.db import models

if TYPE_CHECKING:
    from console.organizations.models import Organization, User

ModelT = TypeVar("ModelT", bound=models.Model)


def _all(app_label: str, model: str) -> set[str]:
    return {f"{app_label}.{verb}_{model}" for verb in ("add", "change", "delete", "view")}


AGENT_PERMISSIONS = frozenset(
    {
        "organizations.view_organization",
        "organizations.view_translation",
        "channels.view_channel",
        "prompts.view_promptversion",
        "prompts.view_cannedprompt",
        "conversations.view_conversation",
        "conversations.change_conversation",
        "conversations.view_deadletter",
        "conversations.change_deadletter",
    }
)
ADMIN_PERMISSIONS = AGENT_PERMISSIONS | {
    "organizations.change_organization",
    *_all("organizations", "member"),
    *_all("organizations", "translation"),
    *_all("channels", "channel"),
    *_all("prompts", "promptversion"),
    *_all("prompts", "cannedprompt"),
    "conversations.view_export",
    "conversations.add_export",
}
# Ops keep the platform running and see no message text: nothing of `conversations` unless they are members.
OPS_PERMISSIONS = frozenset(
    {
        "organizations.add_organization",
        "organizations.change_organization",
        "organizations.view_organization",
        *_all("organizations", "member"),
        *_all("organizations", "translation"),
        *(_all("organizations", "user") - {"organizations.delete_user"}),
        "channels.view_channel",
    }
)
# Dead letters that name no organization are nobody's but the platform's.
PLATFORM_PERMISSIONS = frozenset({"conversations.view_deadletter", "conversations.change_deadletter"})
ROLE_PERMISSIONS = {"admin": ADMIN_PERMISSIONS, "agent": AGENT_PERMISSIONS}


def organizations_with(user: "User", permission: str) -> "models.QuerySet[Organization]":
    """The organizations in which `user` holds `permission` ("app.verb_model")."""
    from console.organizations.models import Organization

    if not user.is_active:
        return Organization.objects.none()
    if user.is_ops and permission in OPS_PERMISSIONS:
        return Organization.objects.all()
    roles = [role for role, granted in ROLE_PERMISSIONS.items() if permission in granted]
    memberships = user.memberships.filter(role__in=roles)
    return Organization.objects.filter(pk__in=memberships.values("organization"))


def scope(queryset: models.QuerySet[ModelT], user: "User", permission: str) -> models.QuerySet[ModelT]:
    """The rows of `queryset` in organizations where `user` holds `permission`, and of none where it is for
    the platform's staff."""
    lookup: str = getattr(queryset.model, "organization_lookup")  # noqa: B009 - fails closed on a model without one
    seen = models.Q(**{f"{lookup}__in": organizations_with(user, permission)})
    if _is_for_platform(user, permission):
        seen |= models.Q(**{f"{lookup}__isnull": True})
    return queryset.filter(seen)


def _is_for_platform(user: "User", permission: str) -> bool:
    return user.is_active and user.is_ops and permission in PLATFORM_PERMISSIONS


def organization_id_of(obj: models.Model) -> Any:
    """Primary key of the organization that `obj` belongs to."""
    value: Any = obj
    for name in str(getattr(obj, "organization_lookup")).split("__"):  # noqa: B009
        value = getattr(value, name)
    return getattr(value, "pk", value)


def has_permission(user: "User", permission: str, obj: models.Model | None) -> bool:
    """Whether `user` holds `permission` in the organization of `obj`; without `obj`, in any."""
    if obj is None or not hasattr(obj, "organization_lookup"):
        if user.is_ops and permission in OPS_PERMISSIONS | PLATFORM_PERMISSIONS:
            return True
        return organizations_with(user, permission).exists()
    organization_id = organization_id_of(obj)
    if organization_id is None:
        return _is_for_platform(user, permission)
    return organizations_with(user, permission).filter(pk=organization_id).exists()


def has_module_permission(user: "User", app_label: str) -> bool:
    """Whether `user` may see anything of an app."""
    granted: set[str] = set(OPS_PERMISSIONS | PLATFORM_PERMISSIONS) if user.is_ops else set()
    for role in user.memberships.values_list("role", flat=True).distinct():
        granted |= ROLE_PERMISSIONS[role]
    return any(permission.startswith(f"{app_label}.") for permission in granted)
