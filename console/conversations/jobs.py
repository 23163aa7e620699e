"""Console jobs of conversations. Each stands on a database row, and running it twice does the work once."""

import io
import logging
import tempfile
from typing import IO

from django.core.files import File
from django.core.files.storage import default_storage
from django.utils import timezone

from console.celery import app
from console.conversations import export_file
from console.conversations.models import Export
from console.protection.archive import Archive
from console.single_run import single_run
from hub_lambdas.sentences import stored

log = logging.getLogger(__name__)

_EXPORT_LOCK = 0x45787001
"""Class of the advisory lock that a running export holds."""


@app.task(name="make_export")
def make_export(export_id: int) -> None:
    """Make the file of an export, unless it is made already or another worker is at it."""
    with single_run(_EXPORT_LOCK, export_id) as is_alone:
        if not is_alone:
            return
        export = Export.objects.select_related("organization", "contact").filter(pk=export_id).first()
        if export is None or export.state == Export.State.DONE:
            return
        export.state, export.file.name = Export.State.RUNNING, _name(export)
        export.save(update_fields=["state", "file"])
        try:
            _make(export)
        except Exception:
            log.exception("export %s failed", export_id)
            _store(export, state=Export.State.FAILED, error=stored("The file could not be made."))


def _name(export: Export) -> str:
    """Under which the file is stored, at each attempt the same."""
    subject = export.organization.slug
    if export.contact is not None:
        subject += f"-contact-{export.contact_id}"
    return f"exports/{subject}-{export.created_at:%Y%m%d-%H%M%S}-{export.pk}.{export.format}"


def _make(export: Export) -> None:
    """Write to a temporary file, then store it: a second run replaces it. Whose row was deleted meanwhile, as
    with a contact who was erased, leaves no file."""
    name = str(export.file)
    with tempfile.NamedTemporaryFile(suffix=f".{export.format}") as file:
        count = _write(export, file)
        file.seek(0)
        default_storage.delete(name)
        export.file.name = default_storage.save(name, File(file))
    if not _store(export, state=Export.State.DONE, file=export.file.name, messages_count=count, error=""):
        default_storage.delete(export.file.name)


def _write(export: Export, file: IO[bytes]) -> int:
    """Write what was asked for; returns how many messages are in it."""

    def show(done: int, total: int) -> None:
        progress = {"rows_done": done, "rows_total": total, "progressed_at": timezone.now()}
        Export.objects.filter(pk=export.pk).update(**progress)

    if export.format == Export.Format.ZIP:
        return Archive(export).write(file, show)
    text = io.TextIOWrapper(file, "utf-8", newline="")
    count = export_file.write(export, text, show)
    text.detach()
    return count


def _store(export: Export, **result: object) -> bool:
    """Write down what came of it; whether its row is still there."""
    return bool(Export.objects.filter(pk=export.pk).update(finished_at=timezone.now(), **result))
