"""The body of dm-inbound.fifo: what the webhook parsed, on its way to the ledger."""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from hub_lambdas import queues
from hub_lambdas.channels.base import (
    Echo,
    Inbound,
    InboundEdit,
    InboundMessage,
    OtherEvent,
    Receipt,
    Sender,
    Unread,
)

MAX_PAYLOAD_CHARACTERS = 60_000
"""What is kept of a platform's JSON: it is for reference, and an SQS message has an end."""

_TYPES: dict[str, type[Inbound]] = {
    "message": InboundMessage,
    "edit": InboundEdit,
    "echo": Echo,
    "receipt": Receipt,
    "other": OtherEvent,
    "unread": Unread,
}


def queue(channel_id: uuid.UUID, received_at: datetime, parsed: Sequence[Inbound]) -> None:
    """Queue everything from one webhook, each in its contact's group, so that one conversation stays in
    order."""
    queues.send_inbound(
        [
            (_group(channel_id, inbound), _digest(channel_id, inbound.type, inbound.platform_id), body)
            for inbound in parsed
            for body in [encode(channel_id, received_at, inbound)]
        ]
    )


def encode(channel_id: uuid.UUID, received_at: datetime, inbound: Inbound) -> dict[str, Any]:
    """The queue body of one parsed thing."""
    fields = asdict(inbound)
    fields["payload"] = inbound.payload[:MAX_PAYLOAD_CHARACTERS]
    if isinstance(inbound, InboundMessage) and inbound.platform_at:
        fields["platform_at"] = inbound.platform_at.timestamp()
    return {"channel": str(channel_id), "received_at": received_at.timestamp(), "inbound": fields}


def decode(body: dict[str, Any]) -> tuple[uuid.UUID, datetime, Inbound]:
    """The inverse of `encode`. KeyError, TypeError or ValueError on a body that it did not make."""
    fields = dict(body["inbound"])
    if fields.get("sender") is not None:
        fields["sender"] = Sender(**fields["sender"])
    if fields.get("platform_at") is not None:
        fields["platform_at"] = datetime.fromtimestamp(fields["platform_at"], UTC)
    received_at = datetime.fromtimestamp(body["received_at"], UTC)
    return uuid.UUID(body["channel"]), received_at, _TYPES[fields["type"]](**fields)


def _group(channel_id: uuid.UUID, inbound: Inbound) -> str:
    sender = inbound.sender.platform_id if inbound.sender else inbound.platform_id
    return _digest(channel_id, sender)


def _digest(*parts: object) -> str:
    """SQS allows 128 characters of a narrow alphabet in group and deduplication ids; platforms' ids are
    free text."""
    joined = "\x00".join(str(part) for part in parts)
    return hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()
