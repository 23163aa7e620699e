"""What the audit log calls the fields of a row, and their values, in the reader's language."""

from functools import cache
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import BooleanField, Model
from django.utils.text import capfirst
from django.utils.translation import gettext, override

from console.audit.recording import AUDITED


def field_name(thing: str, name: str) -> str:
    """The field `name` of what is called `thing`; as it stands where no field has that name, or none any
    more: a canned prompt, say, which is named by its question."""
    field = _field(thing, name)
    return name if field is None else str(capfirst(field.verbose_name))


def shown(thing: str, name: str, value: str) -> str:
    """A value of that field, where it is one of a few: as people choose it."""
    field: Any = _field(thing, name)
    if isinstance(field, BooleanField) and value:
        return gettext("Yes") if value == str(True) else gettext("No")
    labels = {str(key): str(label) for key, label in getattr(field, "flatchoices", ())}
    return labels.get(value, value)


def _field(thing: str, name: str) -> Any:
    model = _models().get(thing)
    try:
        return model._meta.get_field(name) if model else None
    except FieldDoesNotExist:
        return None


@cache
def _models() -> dict[str, type[Model]]:
    """By their names as they are recorded: in English."""
    with override(None):
        return {str(model._meta.verbose_name): model for model in AUDITED}
