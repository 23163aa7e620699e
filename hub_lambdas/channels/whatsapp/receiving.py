"""WhatsApp's webhooks: `entry[].changes[].value` holds messages, what became of ours, and echoes."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hub_lambdas.channels import meta, payloads
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
)
from hub_lambdas.channels.whatsapp.api import CODES, DIGITS
from hub_lambdas.http import Request

OBJECT = "whatsapp_business_account"

_ID = re.compile(r"[\x21-\x7e]{1,200}")
_MEDIA_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
_FILES = ("image", "audio", "video", "document", "sticker")
_NAME = re.compile(r"[a-z_]{1,30}")
_TYPE_MAX_LENGTH = 20
_PARTS: Mapping[str, Sequence[str]] = {
    "messages": ("messages", "statuses"),
    "smb_message_echoes": ("message_echoes",),
}
"""The lists in the value of a change, by its field."""
_PEOPLE = {
    "messages": ("from", "from_user_id"),
    "statuses": ("recipient_id", "recipient_user_id"),
    "message_echoes": ("to", "to_user_id"),
}
"""Where each of them names the contact: by phone number, by BSUID."""
_REACHED = {
    "sent": Reached.SENT,
    "delivered": Reached.DELIVERED,
    "read": Reached.READ,
    "played": Reached.READ,
}


def parse(request: Request) -> Sequence[Inbound]:
    """Everything in one webhook, each item apart."""
    body = request.json()
    known = body if payloads.text(body, "object") == OBJECT else None
    found = list(meta.read_each(_items(known), lambda _, item: item.read()))
    return found or [
        OtherEvent(payloads.digest(request.body), "unknown", request.body.decode("utf-8", "replace"))
    ]


@dataclass(frozen=True)
class Item:
    """One element of such a list (`part`), or a whole change ("") that has none; read without trust in its
    shape. `address`: the number that it is for; `parent`: the business account of that. `contact`: what the
    webhook says of the person."""

    address: str
    parent: str
    part: str
    content: Any
    contact: Any
    payload: str

    def read(self) -> Sequence[Inbound]:
        """What it is for the hub."""
        match self.part:
            case "messages":
                return self._moves() if self._type() == "system" else [self._message()]
            case "statuses":
                return [self._status()]
            case "message_echoes":
                return [self._echo()]
            case _:
                has_errors = bool(payloads.find(self.content, "value", "errors"))
                return [self._other("errors" if has_errors else _name(self.content, "field"))]

    def _type(self) -> str:
        return _type(self.content)

    def _id(self) -> str:
        """The platform's; for what came without, one that the same content gets again."""
        return usable(self.content, "id") or payloads.digest(self.payload.encode())

    def _sender(self) -> Sender | None:
        phone, user_id = (usable(self.content, key) for key in _PEOPLE.get(self.part, ("", "")))
        phone = phone or usable(self.contact, "wa_id")
        user_id = user_id or usable(self.contact, "user_id")
        profile = payloads.find(self.contact, "profile")
        name = payloads.text(profile, "name") or payloads.text(profile, "username")
        return Sender(user_id or phone, name, alias=phone if user_id else "") if user_id or phone else None

    def _other(self, kind: str) -> OtherEvent:
        parent = "" if self.address else self.parent
        return OtherEvent(self._id(), kind, self.payload, self._sender(), address=self.address, parent=parent)

    def _message(self) -> Inbound:
        sender, type_ = self._sender(), self._type()
        if payloads.find(self.content, "group_id") is not None:
            return self._other("group_message")
        if type_ == "reaction":
            emoji = payloads.text(self.content, "reaction", "emoji")
            return self._other("reaction" if emoji else "reaction_removed")
        if type_ == "request_welcome" or sender is None:  # somebody opened the chat, and wrote nothing yet
            return self._other(type_ if sender else "unreadable_message")
        if type_ in ("edit", "revoke"):
            return self._change(sender, type_)
        kind, text = _written(self.content)
        return InboundMessage(
            sender,
            self._id(),
            kind,
            text,
            _moment(self.content),
            self.payload,
            _media(self.content),
            below_platform_id=usable(self.content, "context", "id") if kind == "button" else "",
            address=self.address,
        )

    def _change(self, sender: Sender, type_: str) -> Inbound:
        original = usable(self.content, type_, "original_message_id")
        if not original:
            return self._other(f"unreadable_{type_}")
        if type_ == "revoke":
            return InboundUnsend(sender, self._id(), original, self.payload, address=self.address)
        _, text = _written(payloads.find(self.content, "edit", "message"))
        return InboundEdit(sender, self._id(), original, text, self.payload, address=self.address)

    def _moves(self) -> Sequence[Inbound]:
        """Who takes another phone number gets another BSUID with it, and each may be all that we know of
        them."""
        kind = _name(self.content, "system", "type")
        ids = {
            "user_id": (("system", "previous_user_id"), ("system", "user_id")),
            "wa_id": (("from",), ("system", "wa_id")),
        }
        moves = {
            key: (usable(self.content, *old), usable(self.content, *new)) for key, (old, new) in ids.items()
        }
        return [
            OtherEvent(
                f"{self._id()[:190]}:{key}",
                kind,
                self.payload,
                Sender(new),
                moved_from=old,
                address=self.address,
            )
            for key, (old, new) in moves.items()
            if old and new and old != new
        ] or [self._other(kind)]

    def _status(self) -> Inbound:
        status, message_id = payloads.text(self.content, "status"), usable(self.content, "id")
        has_failed = status == "failed"
        if not message_id or not (has_failed or status in _REACHED):
            return self._other(f"status_{_name(self.content, 'status')}")
        return Receipt(
            f"{message_id[:190]}:{status}",
            message_id,
            self.payload,
            meta.our_reference(payloads.text(self.content, "biz_opaque_callback_data")),
            f"WhatsApp: {meta.sentence(_error(self.content))}" if has_failed else "",
            self._sender(),
            _REACHED.get(status, Reached.SENT),
            contact_gone=has_failed and payloads.integer(_error(self.content), "code") in CODES.gone,
            address=self.address,
        )

    def _echo(self) -> Inbound:
        """What a person wrote in the WhatsApp Business app: a message takes the conversation over."""
        sender, type_ = self._sender(), self._type()
        if sender is None or type_ == "reaction":
            return self._other(f"echo_{type_}")
        if type_ in ("edit", "revoke"):
            return self._change(sender, type_)
        _, text = _written(self.content)
        return Echo(sender, self._id(), text, False, self.payload, address=self.address)


def _items(body: Any) -> Iterator[tuple[str, Item, Mapping[str, Any]]]:
    """Each item of a webhook with its address and a webhook that holds it alone."""
    for entry in meta.entries(body):
        changes = payloads.find(entry, "changes")
        for change in changes if isinstance(changes, list) else []:
            named = usable(change, "value", "metadata", "phone_number_id")
            for part, content, contact, value in _parts(change):
                own = {key: entry[key] for key in ("id", "time") if key in entry}
                own_change = {"field": payloads.find(change, "field"), "value": value} if part else change
                alone = {"object": OBJECT, "entry": [{**own, "changes": [own_change]}]}
                item = Item(named, usable(entry, "id"), part, content, contact, json.dumps(alone))
                yield named, item, alone


def _parts(change: Any) -> Iterator[tuple[str, Any, Any, Mapping[str, Any]]]:
    """(part, item, its contact, a value that holds it alone) of a change; the change itself where it has no
    items."""
    value, is_empty = payloads.find(change, "value"), True
    known = value if isinstance(value, dict) else {}
    head = {key: known[key] for key in ("messaging_product", "metadata", "errors") if key in known}
    contacts = _Contacts(payloads.find(value, "contacts"))
    for part in _PARTS.get(payloads.text(change, "field"), ()):
        listed = payloads.find(value, part)
        for content in listed if isinstance(listed, list) else []:
            contact, is_empty = contacts.of(content, part), False
            own = {"contacts": [contact]} if contact is not None else {}
            yield part, content, contact, {**head, **own, part: [content]}
    if is_empty:
        yield "", change, None, {}


class _Contacts:
    """The people that a value speaks of."""

    def __init__(self, listed: Any) -> None:
        self._all = listed if isinstance(listed, list) else []
        self._by_id = {
            known: each for each in self._all for key in ("wa_id", "user_id") if (known := usable(each, key))
        }

    def of(self, content: Any, part: str) -> Any:
        """Whom an item names; the only one there is where it names nobody, for WhatsApp may keep the phone
        number to itself. Never somebody else than it names: their conversations would mix."""
        phone, user_id = (usable(content, key) for key in _PEOPLE[part])
        if phone or user_id:
            return self._by_id.get(user_id) or self._by_id.get(phone)
        return self._all[0] if len(self._all) == 1 else None


def usable(value: Any, *path: str) -> str:
    """The id at `path`; "" for what is none, or could not be stored."""
    found = payloads.text(value, *path)
    return found if _ID.fullmatch(found) else ""


def _name(value: Any, *path: str) -> str:
    """The name of a type or field at `path`."""
    found = payloads.text(value, *path)
    return found if _NAME.fullmatch(found) else "unknown"


def _type(message: Any) -> str:
    name = _name(message, "type")
    return name if len(name) <= _TYPE_MAX_LENGTH else "unknown"


def _moment(message: Any) -> datetime | None:
    """Seconds since 1970, as a string."""
    seconds = payloads.text(message, "timestamp")
    return payloads.moment({"at": int(seconds)}, "at") if DIGITS.fullmatch(seconds) else None


def _written(message: Any) -> tuple[str, str]:
    """Kind and text of a message. What a contact chose counts by the words that they saw."""
    type_ = _type(message)
    match type_:
        case "text":
            body = payloads.find(message, "text", "body")
            return ("text", body) if isinstance(body, str) else ("unknown", "")
        case "button":
            text = payloads.text(message, "button", "text") or payloads.text(message, "button", "payload")
        case "interactive":
            text = _chosen(payloads.find(message, "interactive"))
        case "audio":
            is_voice = payloads.find(message, "audio", "voice") is True
            return ("voice" if is_voice else "audio"), ""
        case "order":
            return "order", payloads.text(message, "order", "text")
        case _:
            return type_, payloads.text(message, type_, "caption")
    return ("button", text) if text else (type_ if type_ != "button" else "unknown", "")


def _media(message: Any) -> tuple[Media, ...]:
    file = payloads.find(message, _type(message)) if _type(message) in _FILES else None
    media_id = payloads.text(file, "id")
    if not _MEDIA_ID.fullmatch(media_id):
        return ()
    return (Media(media_id, payloads.line(file, "mime_type"), payloads.line(file, "filename")),)


def _chosen(interactive: Any) -> str:
    """The title of the button or list row, in lack of one its id; "" for another kind of form."""
    reply = payloads.find(interactive, "button_reply") or payloads.find(interactive, "list_reply")
    return payloads.text(reply, "title") or payloads.text(reply, "id")


def _error(status: Any) -> Any:
    errors = payloads.find(status, "errors")
    return errors[0] if isinstance(errors, list) and errors else None
