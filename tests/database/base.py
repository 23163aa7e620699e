"""The backend that Django finds by the name of the package, `tests.database`."""

from collections.abc import Sequence
from typing import Any

from django.db.backends.postgresql import base, operations

KEPT = ("django_content_type", "auth_permission")
"""Django makes their rows with the tables, and remembers them."""


MANY_ROWS = 1000


class DatabaseOperations(operations.DatabaseOperations):
    def sql_flush(self, style: Any, tables: Sequence[str], **how: Any) -> list[str]:
        """Foreign keys are checked at the end of the transaction, so that any order will do. Many rows
        leave behind what slows the next test down: those go as Django has it."""
        emptied = [table for table in tables if table not in KEPT]
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM conversations_message")
            (rows,) = cursor.fetchone()
        if rows > MANY_ROWS:
            return super().sql_flush(style, emptied, **how)
        names = map(self.quote_name, emptied)
        return [f"DELETE FROM {name}" for name in names]  # noqa: S608 - names of our own tables


class DatabaseWrapper(base.DatabaseWrapper):
    ops_class = DatabaseOperations
