"""What is stored encrypted, written anew with the newest key, so that an older one can go."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models import BinaryField, QuerySet
from django.db.models.functions import Cast

from console import encryption
from console.encryption import CredentialKeyError, EncryptedJSONField
from console.protection.batches import batches


class Outcome(Enum):
    """What became of a row."""

    ANEW = "written anew"
    KEPT = "had the newest key already"
    UNREADABLE = "open with no key"


def columns() -> Iterator[EncryptedJSONField]:
    """Each column that is encrypted, whichever table has it."""
    for model in apps.get_models():
        for field in model._meta.local_concrete_fields:
            if isinstance(field, EncryptedJSONField):
                yield field


def count(column: EncryptedJSONField) -> int:
    """The rows that there are to look at."""
    return _rows(column).count()


def reencrypt(column: EncryptedJSONField, show: Callable[[int], None]) -> Counter[Outcome]:
    """Write a column's rows anew where they have an older key; how many had which outcome. A batch is one
    transaction: whatever interrupts it, a second time does the rest. `show` is told how many rows are done,
    batch by batch."""
    counts: Counter[Outcome] = Counter()
    for keys in batches(_rows(column)):
        counts.update(_write_anew(column, keys))
        show(counts.total())
    return counts


@transaction.atomic
def _write_anew(column: EncryptedJSONField, keys: Sequence[Any]) -> list[Outcome]:
    """The rows are locked, so that nobody changes a credential between the reading and the writing."""
    locked = _rows(column).filter(pk__in=keys).select_for_update()
    tokens = locked.annotate(token=Cast(column.name, BinaryField())).values_list("pk", "token")
    return [_write_row_anew(column, key, bytes(token)) for key, token in tokens]


def _write_row_anew(column: EncryptedJSONField, key: Any, token: bytes) -> Outcome:
    if encryption.is_newest(token):
        return Outcome.KEPT
    try:
        plain = encryption.decrypt(token)
    except CredentialKeyError:
        return Outcome.UNREADABLE
    _rows(column).filter(pk=key).update(**{column.name: plain})
    return Outcome.ANEW


def _rows(column: EncryptedJSONField) -> QuerySet[Any]:
    return column.model._base_manager.filter(**{f"{column.name}__isnull": False})
