"""Many rows of a model at once, by COPY."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.db.models import JSONField, Model
from django.db.models.expressions import DatabaseDefault


class Copier:
    """Rows of one model. What a row does not name has the field's default."""

    def __init__(self, model: type[Model]) -> None:
        self._table = model._meta.db_table
        fields = [field for field in model._meta.concrete_fields if _has_plain_default(field)]
        self._columns = [field.column for field in fields]
        self._defaults = [_plain(field, field.get_default()) for field in fields]
        self._places = {
            name: place for place, field in enumerate(fields) for name in {field.attname, field.name}
        }

    def row(self, **values: Any) -> Sequence[Any]:
        """The columns of a row; JSON is given as text."""
        row = self._defaults.copy()
        for name, value in values.items():
            row[self._places[name]] = value
        return row

    def copy(self, rows: Iterable[Sequence[Any]]) -> None:
        """Store them; constraints are checked when the transaction ends."""
        columns = ", ".join(f'"{column}"' for column in self._columns)
        with connection.cursor() as cursor, cursor.copy(f"COPY {self._table} ({columns}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    def reserve(self, count: int) -> list[int]:
        """So many primary keys that nobody else gets, in order."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
                [self._table, count],
            )
            return [key for (key,) in cursor.fetchall()]


@contextmanager
def without_word_indexes(tables: Sequence[str]) -> Iterator[None]:
    """What is stored inside is not searchable before the end: building these indexes anew takes a fraction of
    the time that keeping them takes. In a transaction they stay: Postgres builds none over rows in doubt."""
    if connection.in_atomic_block:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexname, indexdef FROM pg_indexes"
            " WHERE tablename = ANY(%s) AND indexdef LIKE '%% USING gin %%'",
            [list(tables)],
        )
        indexes = cursor.fetchall()
        for name, _definition in indexes:
            cursor.execute(f'DROP INDEX "{name}"')
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            for _name, definition in indexes:
                cursor.execute(definition)


def _has_plain_default(field: Any) -> bool:
    return not isinstance(field.get_default(), DatabaseDefault)


def _plain(field: Any, value: Any) -> Any:
    return json.dumps(value) if isinstance(field, JSONField) else value
