"""Going through many rows a few at a time."""

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet

BATCH_SIZE = 500


def batches(rows: QuerySet[Any]) -> Iterator[list[Any]]:
    """The primary keys of `rows`, in their order, some at a time. Each batch is read when it is wanted, so
    rows may be changed and deleted meanwhile, and no cursor is held open."""
    ordered = rows.order_by("pk").values_list("pk", flat=True)
    keys = list(ordered[:BATCH_SIZE])
    while keys:
        yield keys
        keys = list(ordered.filter(pk__gt=keys[-1])[:BATCH_SIZE])
