"""The one tenancy rule: whose rows a user's query sees, by the table in `console.roles`.

Every model below an organization names the way up to it in `organization_lookup`. Every query that a user can
cause goes through `scope`; every permission question ends in `has_permission`.
"""

from typing import TYPE_CHECKING, Any, TypeVar

from django.db import models

from console.roles import MEMBER_PERMISSIONS, OPS_PERMISSIONS, PLATFORM_PERMISSIONS

if TYPE_CHECKING:
    from console.organizations.models import Organization, User

ModelT = TypeVar("ModelT", bound=models.Model)


def organizations_with(user: "User", permission: str) -> "models.QuerySet[Organization]":
    """The organizations in which `user` holds `permission` ("app.verb_model")."""
    from console.organizations.models import Organization

    if not user.is_active:
        return Organization.objects.none()
    if user.is_ops and permission in OPS_PERMISSIONS:
        return Organization.objects.all()
    return Organization.objects.filter(pk__in=_as_member(user, permission))


def in_view(user: "User", permission: str) -> "models.QuerySet[Organization]":
    """Those of `organizations_with` that lists and numbers are about: the one that the user chose, or all."""
    seen = organizations_with(user, permission)
    return seen.filter(pk=user.chosen_organization) if user.chosen_organization in user.roles else seen


def _as_member(user: "User", permission: str) -> list[int]:
    """The organizations, by primary key, in which the user's own role holds `permission`."""
    return [key for key, role in user.roles.items() if permission in MEMBER_PERMISSIONS[role]]


def scope_in_view(
    queryset: models.QuerySet[ModelT], user: "User", permission: str
) -> models.QuerySet[ModelT]:
    """What of `scope` a list shows: the rows of the organization that the user has chosen, or all."""
    seen = scope(queryset, user, permission)
    if user.chosen_organization not in user.roles:
        return seen
    lookup: str = getattr(queryset.model, "organization_lookup")  # noqa: B009
    return seen.filter(**{lookup: user.chosen_organization})


def scope(queryset: models.QuerySet[ModelT], user: "User", permission: str) -> models.QuerySet[ModelT]:
    """The rows of `queryset` in organizations where `user` holds `permission`, and of none where it is for
    the platform's staff. Members' organizations are named: so the database can read an index in order."""
    lookup: str = getattr(queryset.model, "organization_lookup")  # noqa: B009 - fails closed on a model without one
    if not user.is_active:
        return queryset.none()
    is_of_all = user.is_ops and permission in OPS_PERMISSIONS
    named = {f"{lookup}__isnull": False} if is_of_all else {f"{lookup}__in": _as_member(user, permission)}
    seen = models.Q(**named)
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
    if not user.is_active:
        return False
    is_for_ops = user.is_ops and permission in OPS_PERMISSIONS
    if obj is None or not hasattr(obj, "organization_lookup"):
        return is_for_ops or _is_for_platform(user, permission) or bool(_as_member(user, permission))
    organization_id = organization_id_of(obj)
    if organization_id is None:
        return _is_for_platform(user, permission)
    return is_for_ops or organization_id in _as_member(user, permission)


def has_module_permission(user: "User", app_label: str) -> bool:
    """Whether `user` may see anything of an app."""
    if not user.is_active:
        return False
    granted: set[str] = set(OPS_PERMISSIONS | PLATFORM_PERMISSIONS) if user.is_ops else set()
    for role in user.roles.values():
        granted |= MEMBER_PERMISSIONS[role]
    return any(permission.startswith(f"{app_label}.") for permission in granted)
