"""Which rows belong to an organization, and which of them to one contact: read from the models themselves,
so that a table that comes later is exported and erased without a word here."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from django.apps import apps
from django.db.models import CASCADE, PROTECT, ForeignKey, Model, QuerySet

from console.conversations.models import Contact, PlatformEvent
from console.organizations.models import Organization

_LONGEST_WAY = 4


def tenant_models() -> list[type[Model]]:
    """Every model whose rows belong to an organization."""
    return [model for model in apps.get_models() if hasattr(model, "organization_lookup")]


def rows_of(model: type[Model], organization: Organization) -> QuerySet[Model]:
    """The rows of `organization`."""
    lookup: str = getattr(model, "organization_lookup")  # noqa: B009
    return model._default_manager.filter(**{lookup: organization.pk})


def rows_about(model: type[Model], contact: Contact) -> QuerySet[Model] | None:
    """The rows that are about `contact`; None where rows of `model` are about no single one."""
    if model is PlatformEvent:  # it may come before its contact, and so refers to none
        return PlatformEvent.objects.filter(channel=contact.channel_id, contact_platform_id__in=ids(contact))
    way = way_to_contact(model)
    return model._default_manager.filter(**{way: contact.pk}) if way else None


def ids(contact: Contact) -> list[str]:
    """What the platform calls a contact."""
    return [contact.platform_id, *([contact.alias] if contact.alias else [])]


@cache
def way_to_contact(model: type[Model], *, is_firm: bool = False) -> str:
    """The lookup from rows of `model` to the contact that they are about: the shortest one; "" for none.
    `is_firm`: only over references with which a row goes, too, or that it holds on to."""
    for steps in range(_LONGEST_WAY + 1):
        for way in _ways(model, steps, is_firm):
            return way
    return ""


def _ways(model: type[Model], steps: int, is_firm: bool) -> Iterator[str]:
    """Lookups from `model` to Contact over exactly `steps` references."""
    if steps == 0:
        if model is Contact:
            yield "pk"
        return
    for field in _references(model):
        related = field.related_model
        if related is model or (is_firm and not _is_firm(field)):
            continue
        for rest in _ways(related, steps - 1, is_firm):
            yield field.name if rest == "pk" else f"{field.name}__{rest}"


def _references(model: type[Model]) -> list["ForeignKey[Any, Any]"]:
    return [field for field in model._meta.concrete_fields if isinstance(field, ForeignKey)]


def _is_firm(field: "ForeignKey[Any, Any]") -> bool:
    return field.remote_field.on_delete in (CASCADE, PROTECT)


def children_first(models: list[type[Model]]) -> list[type[Model]]:
    """The order in which rows can be deleted: each table before those that its rows hold on to."""
    left, ordered = list(models), []
    while left:
        free = [model for model in left if not any(model in _held(other) for other in left)]
        if not free:
            raise ValueError(f"These hold on to each other: {', '.join(model.__name__ for model in left)}.")
        ordered += free
        left = [model for model in left if model not in free]
    return ordered


def _held(model: type[Model]) -> set[type[Model]]:
    """The models whose rows those of `model` go with, or keep from being deleted."""
    return {field.related_model for field in _references(model) if _is_firm(field)} - {model}
