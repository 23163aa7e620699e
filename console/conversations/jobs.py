"""Console jobs of conversations. Each stands on a database row, and running it twice does the work once."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.files import File
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone

from console.celery import app
from console.conversations import export_file
from console.conversations.models import Export

log = logging.getLogger(__name__)

_EXPORT_LOCK = 0x45787001
"""Class of the advisory lock that a running export holds."""


@app.task(name="make_export")
def make_export(export_id: int) -> None:
    """Make the file of an export, unless it is made already or another worker is at it."""
    with _only_runner(export_id) as alone:
        if not alone:
            return
        export = Export.objects.select_related("organization").filter(pk=export_id).first()
        if export is None or export.state == Export.State.DONE:
            return
        export.state = Export.State.RUNNING
        export.save(update_fields=["state"])
        try:
            _make(export)
        except Exception:
            log.exception("export %s failed", export_id)
            export.state, export.error = (
                Export.State.FAILED,
                "The file could not be made.",
            )
            export.finished_at = timezone.now()
            export.save(update_fields=["state", "error", "finished_at"])


def _make(export: Export) -> None:
    """Write to a temporary file, then store it under the row's own name: a second run replaces it."""
    name = f"exports/{export.organization.slug}-{export.created_at:%Y%m%d-%H%M%S}-{export.pk}.{export.format}"
    with tempfile.NamedTemporaryFile("w+", encoding="utf-8", newline="", suffix=f".{export.format}") as file:
        export.messages_count = export_file.write(export, file)
        file.flush()
        default_storage.delete(name)
        with open(file.name, "rb") as written:
            export.file.name = default_storage.save(name, File(written))
    export.state, export.finished_at, export.error = Export.State.DONE, timezone.now(), ""
    export.save(update_fields=["state", "file", "messages_count", "finished_at", "error"])


@contextmanager
def _only_runner(export_id: int) -> Iterator[bool]:
    """Whether this is the only run of an export now; Postgres lets go of the lock of a worker that dies."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_EXPORT_LOCK, export_id])
        alone: bool = cursor.fetchone()[0]
        try:
            yield alone
        finally:
            if alone:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_EXPORT_LOCK, export_id])
