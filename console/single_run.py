"""A console job that runs once at a time for each row, however often it was queued."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def single_run(kind: int, row_id: int) -> Iterator[bool]:
    """Whether this is the only run of its kind for a row now: an advisory lock, of which Postgres lets go
    where a worker dies. `kind`: the lock's class, a number of each job's own."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [kind, row_id])
        is_alone: bool = cursor.fetchone()[0]
    try:
        yield is_alone
    finally:
        if is_alone:
            with connection.cursor() as cursor:  # where the job lost the first one, the lock went with it
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [kind, row_id])
