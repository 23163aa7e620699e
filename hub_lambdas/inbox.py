"""The body of dm-inbound.fifo: what the webhook parsed, on its way to the ledger."""

import dataclasses
import hashlib
import uuid
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from hub_lambdas import queues
from hub_lambdas.channels.base import (
    Echo,
    Inbound,
    InboundEdit,
    InboundMessage,
    InboundUnsend,
    Media,
    OtherEvent,
    Reached,
    Receipt,
    Sender,
    Unread,
)

MAX_PAYLOAD_CHARACTERS = 60_000
"""What is kept of a platform's JSON: it is for reference, and an SQS message has an end."""
MAX_TEXT_CHARACTERS = 40_000
"""What is kept of a text: no platform takes a longer one (Slack's limit)."""
MAX_NAME_CHARACTERS = 200
MAX_LONG_CHARACTERS = 80_000
"""Of text and payload together. A character takes up to 12 bytes on the queue, which takes 1,048,576."""

_TIMES = {"platform_at", "until"}
_TYPES: dict[str, type[Inbound]] = {
    "message": InboundMessage,
    "edit": InboundEdit,
    "unsend": InboundUnsend,
    "echo": Echo,
    "receipt": Receipt,
    "other": OtherEvent,
    "unread": Unread,
}


def queue(received_at: datetime, addressed: Iterable[tuple[uuid.UUID, Inbound]]) -> None:
    """Queue everything from one webhook for its channels, each in its contact's group, so that one
    conversation stays in order."""
    queues.send_inbound(
        [
            (_group(channel_id, inbound), _digest(channel_id, inbound.type, inbound.platform_id), body)
            for channel_id, inbound in addressed
            for body in [encode(channel_id, received_at, inbound)]
        ]
    )


def encode(channel_id: uuid.UUID, received_at: datetime, inbound: Inbound) -> dict[str, Any]:
    """The queue body of one parsed thing."""
    fields = asdict(inbound)
    fields["payload"] = inbound.payload[:MAX_PAYLOAD_CHARACTERS]
    if "text" in fields:
        fields["text"] = fields["text"][:MAX_TEXT_CHARACTERS]
    if inbound.sender is not None:
        fields["sender"]["name"] = inbound.sender.name[:MAX_NAME_CHARACTERS]
    for name in _TIMES & fields.keys():
        fields[name] = fields[name] and fields[name].timestamp()
    if len(fields["payload"]) + len(fields.get("text", "")) > MAX_LONG_CHARACTERS:
        fields["payload"] = ""
    return {"channel": str(channel_id), "received_at": received_at.timestamp(), "inbound": fields}


def decode(body: dict[str, Any]) -> tuple[uuid.UUID, datetime, Inbound]:
    """The inverse of `encode`. KeyError, TypeError or ValueError on a body that it did not make."""
    fields = dict(body["inbound"])
    if fields.get("sender") is not None:
        fields["sender"] = Sender(**fields["sender"])
    if "media" in fields:
        fields["media"] = tuple(Media(**each) for each in fields["media"])
    if "reached" in fields:
        fields["reached"] = Reached(fields["reached"])
    for name in _TIMES & fields.keys():
        fields[name] = None if fields[name] is None else datetime.fromtimestamp(fields[name], UTC)
    received_at = datetime.fromtimestamp(body["received_at"], UTC)
    made = _TYPES[fields["type"]]
    known = {each.name for each in dataclasses.fields(made)}  # a newer webhook may say more
    inbound = made(**{name: value for name, value in fields.items() if name in known})
    return uuid.UUID(body["channel"]), received_at, inbound


def _group(channel_id: uuid.UUID, inbound: Inbound) -> str:
    sender = inbound.sender.platform_id if inbound.sender else inbound.platform_id
    return _digest(channel_id, sender)


def _digest(*parts: object) -> str:
    """SQS allows 128 characters of a narrow alphabet in group and deduplication ids; platforms' ids are
    free text."""
    joined = "\x00".join(str(part) for part in parts)
    return hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()
