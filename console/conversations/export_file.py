"""The file of an export: one line per message, streamed, in CSV or JSON lines."""

import csv
import json
from typing import IO, Any

from django.db.models import QuerySet

from console.conversations.attachments import shown_name
from console.conversations.models import Export, Message
from console.exact_text import printable
from console.progress import Show

CHUNK = 2000
COLUMNS = (
    "conversation",
    "channel",
    "kind",
    "contact",
    "contact_name",
    "message",
    "direction",
    "purpose",
    "type",
    "state",
    "text",
    "files",
    "author",
    "at",
    "turn",
    "outcome",
)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def write(export: Export, file: IO[str], show: Show = lambda done, total: None) -> int:
    """Write every message of the export's organization but test messages, oldest first, and show how many
    are written; returns how many."""
    write_row = _csv_writer(file) if export.format == Export.Format.CSV else _jsonl_writer(file)
    messages = _messages(export)
    total, count = messages.count(), 0
    show(0, total)
    for count, message in enumerate(messages.iterator(chunk_size=CHUNK), start=1):
        write_row(_row(message))
        if count % CHUNK == 0:
            show(count, total)
    return count


def _messages(export: Export) -> QuerySet[Message]:
    return (
        Message.objects.filter(
            conversation__organization=export.organization, conversation__contact__is_test=False
        )
        .select_related("conversation__contact", "channel", "turn", "author")
        .prefetch_related("media")
        .defer("payload")
        .order_by("id")
    )


def _row(message: Message) -> dict[str, Any]:
    at = message.received_at or message.sent_at or message.stored_at
    contact = message.conversation.contact
    return {
        "conversation": message.conversation_id,
        "channel": message.channel.name,
        "kind": message.channel.kind,
        "contact": contact.platform_id,
        "contact_name": printable(contact.name),
        "message": message.pk,
        "direction": message.direction,
        "purpose": message.purpose,
        "type": message.kind,
        "state": message.state,
        "text": printable(message.text),
        "files": "; ".join(f"{shown_name(each)} ({each.state})" for each in message.media.all()),
        "author": message.author.email if message.author else "",
        "at": at.isoformat(),
        "turn": message.turn_id,
        "outcome": message.turn.state if message.turn else "",
    }


def _csv_writer(file: IO[str]) -> Any:
    writer = csv.DictWriter(file, COLUMNS)
    writer.writeheader()
    return lambda row: writer.writerow({name: _harmless(value) for name, value in row.items()})


def _jsonl_writer(file: IO[str]) -> Any:
    return lambda row: file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _harmless(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula (OWASP: CSV injection)."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value
