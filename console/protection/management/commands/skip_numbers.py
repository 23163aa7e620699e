"""`manage.py skip_numbers`: once the database was put back to an earlier moment, so that no new row gets the
number of a lost one. Platforms know messages by their numbers, and tell of lost ones for days."""

from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection

SKIPPED = 1_000_000
_SKIP = """
SELECT count(setval(format('%%I.%%I', schemaname, sequencename)::regclass, coalesce(last_value, 0) + %s))
FROM pg_sequences WHERE schemaname = current_schema()
"""


class Command(BaseCommand):
    help = "After a restore: have each table leave out the next million of its rows' numbers."

    def handle(self, *args: Any, **options: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_SKIP, [SKIPPED])
            (tables,) = cursor.fetchone()
        self.stdout.write(f"{tables} tables leave out the next {SKIPPED:,} numbers.")
