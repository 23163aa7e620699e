"""All that there is of an organization, or of one contact, in a ZIP file: a file of JSON lines for each
table, and the files that contacts sent.

It is written row by row and file by file, so it takes the same memory for ten messages as for millions.
Credentials are not in it.
"""

import io
import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import IO, Any, cast

from django.core.files.storage import default_storage
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import ForeignKey, Model, QuerySet
from django.utils.text import get_valid_filename

from console.channels.models import Channel
from console.conversations.attachments import shown_name
from console.conversations.models import Export, Message, MessageMedia
from console.encryption import EncryptedJSONField
from console.exact_text import printable
from console.inbox.models import Label
from console.organizations.models import User
from console.organizations.organization_file import dump
from console.progress import Show
from console.protection.batches import batches
from console.protection.models import Erasure, Purge, Retirement
from console.protection.relations import rows_about, rows_of, tenant_models

_LEFT_OUT = (Export, Erasure, Purge, Retirement)
"""What is about the data, and none of it."""
_NAMED = {User: "email", Channel: "name", Label: "name"}
"""What is said of a row that another one refers to, besides its key."""
_NAME_MAX_LENGTH = 120


@dataclass(frozen=True)
class Archive:
    """What is to be in the file of `export`."""

    export: Export

    def write(self, file: IO[bytes], show: Show) -> int:
        """Write it, and show how many rows and files are written; returns how many messages are in it."""
        counts = {model: rows.count() for model, rows in self._tables}
        progress = _Progress(show, sum(counts.values()) + self._media.count())
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            self._describe(archive, counts)
            for model, rows in self._tables:
                if counts[model]:
                    _write_rows(archive, model, rows, progress)
            for media in _each(self._media):
                _write_file(archive, media)
                progress.count(1)
        return counts.get(Message, 0)

    @cached_property
    def _tables(self) -> list[tuple[type[Model], QuerySet[Model]]]:
        return [
            (model, rows)
            for model in tenant_models()
            if model not in _LEFT_OUT and (rows := self._rows(model)) is not None
        ]

    def _rows(self, model: type[Model]) -> QuerySet[Model] | None:
        if self.export.contact is None:
            return rows_of(model, self.export.organization)
        return rows_about(model, self.export.contact)

    @property
    def _media(self) -> "QuerySet[MessageMedia]":
        rows = cast("QuerySet[MessageMedia]", self._rows(MessageMedia))
        return rows.filter(state=MessageMedia.State.KEPT)

    def _describe(self, archive: zipfile.ZipFile, counts: dict[type[Model], int]) -> None:
        """What the archive holds, first of all; and the organization as a file that can be imported again."""
        organization = self.export.organization
        held = {_file_name(model): count for model, count in counts.items() if count}
        contact = self.export.contact
        about = {"organization": organization.slug, "made_at": self.export.created_at, "rows": held}
        about |= {"contact": contact.platform_id} if contact else {}
        archive.writestr("contents.json", json.dumps(about, cls=DjangoJSONEncoder, indent=2))
        if contact is None:
            archive.writestr("organization.yaml", dump(organization))


@dataclass
class _Progress:
    show: Show
    total: int
    done: int = 0

    def count(self, number: int) -> None:
        self.done += number
        self.show(self.done, self.total)


def _write_rows(
    archive: zipfile.ZipFile, model: type[Model], rows: QuerySet[Model], progress: _Progress
) -> None:
    whole = model._default_manager.order_by("pk").values(*_columns(model))
    with archive.open(_file_name(model), "w", force_zip64=True) as entry:
        text = io.TextIOWrapper(entry, "utf-8", newline="\n")
        for keys in batches(rows):
            for row in whole.filter(pk__in=keys):
                text.write(json.dumps(_said(model, row), cls=DjangoJSONEncoder, ensure_ascii=False) + "\n")
            progress.count(len(keys))
        text.flush()
        text.detach()


def _columns(model: type[Model]) -> Iterator[str]:
    """Its fields but secrets, and what is said of the rows that they refer to."""
    for field in model._meta.concrete_fields:
        if not isinstance(field, EncryptedJSONField):
            yield field.name
        if isinstance(field, ForeignKey) and field.related_model in _NAMED:
            yield f"{field.name}__{_NAMED[field.related_model]}"


def _said(model: type[Model], row: dict[str, Any]) -> dict[str, Any]:
    """A row as the archive has it: of a file, its place there."""
    said = {
        name.replace("__", "_"): printable(value) if isinstance(value, str) else value
        for name, value in row.items()
    }
    if model is MessageMedia:
        is_kept = row["state"] == MessageMedia.State.KEPT
        said["file"] = _place(MessageMedia(**{**row, "message": None})) if is_kept else ""
    return said


def _file_name(model: type[Model]) -> str:
    """The table's own file: "canned-prompt.jsonl"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", model.__name__).lower() + ".jsonl"


def _place(media: MessageMedia) -> str:
    """Where the archive has a file: no name that a contact chose leads out of it."""
    return f"media/{get_valid_filename(f'{media.pk}-{shown_name(media)}')[-_NAME_MAX_LENGTH:]}"


def _each(rows: QuerySet[MessageMedia]) -> Iterator[MessageMedia]:
    for keys in batches(rows):
        yield from rows.filter(pk__in=keys).order_by("pk")


def _write_file(archive: zipfile.ZipFile, media: MessageMedia) -> None:
    """Copy a file into the archive as it is. One that was deleted a moment ago is not there to be copied."""
    try:
        stored = default_storage.open(str(media.file))
    except FileNotFoundError:
        return
    entry = zipfile.ZipInfo(_place(media), date_time=media.stored_at.timetuple()[:6])
    entry.compress_type = zipfile.ZIP_STORED  # pictures and sound are compressed already
    entry.external_attr = 0o600 << 16
    with stored, archive.open(entry, "w", force_zip64=True) as copy:
        shutil.copyfileobj(stored, copy)
