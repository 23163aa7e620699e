"""What the console calls models and their fields, in the reader's language: on forms and lists, and in the
audit log.

Their names in English are those of the code, so nobody has to mark them: `texts` has those that pages show,
for the catalogue; `translate` makes them lazy once the models are there. Migrations do not see it.
"""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import flatten
from django.db.models import Field, Model
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from console.audit.recording import AUDITED, audited_fields


def texts() -> set[str]:
    """Every name."""
    names = {text for model in _models() for text in _names(model)}
    return names | {str(field.verbose_name) for field in _fields()}


def translate() -> None:
    """Make them lazy."""
    for model in _models():
        options: Any = model._meta
        options.verbose_name, options.verbose_name_plural = map(gettext_lazy, _names(model))
    for field in _fields():
        if not isinstance(field.verbose_name, Promise):
            field.verbose_name = gettext_lazy(field.verbose_name)


def _models() -> Iterator[type[Model]]:
    return (model for model in apps.get_models() if model.__module__.startswith("console."))


def _admins() -> Iterator[Any]:
    for each in admin.site._registry.values():
        yield each
        yield from getattr(each, "inlines", ())


def _names(model: type[Model]) -> tuple[str, str]:
    return str(model._meta.verbose_name), str(model._meta.verbose_name_plural)


def _fields() -> Iterator["Field[Any, Any]"]:
    for each in _admins():
        yield from _shown(each)
    for model in AUDITED:
        yield from audited_fields(model)


def _shown(each: Any) -> Iterator["Field[Any, Any]"]:
    """Those that its pages show: in forms, lists or filters."""
    shown = {*flatten(each.list_display), *each.list_filter} if hasattr(each, "list_display") else set()
    for field in each.model._meta.concrete_fields:
        if not field.primary_key and (field.editable or field.name in shown):
            yield field
