"""Slack's webhooks: one event or pressed button each."""

import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

from hub_lambdas.channels import payloads
from hub_lambdas.channels.base import (
    Echo,
    Inbound,
    InboundEdit,
    InboundMessage,
    InboundUnsend,
    Media,
    OtherEvent,
    Sender,
)

_SECRETS = {"token", "response_url", "trigger_id"}
"""What of a webhook is as good as a credential: it is not kept."""
_DIRECT = re.compile(r"D[A-Z0-9]{1,60}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}\.[0-9]{1,12}")
SECONDS = re.compile(r"[0-9]{1,12}")
_NAME = re.compile(r"[a-z_]{1,40}")
_WRITTEN_BY_PEOPLE = {"", "file_share", "me_message", "thread_broadcast"}
_NOTES = {"bot_add", "bot_remove", "huddle_thread", "pinned_item", "reminder_add", "unpinned_item"}
_MAX_KIND_LENGTH = 20
_REFERENCE = re.compile(r"channels_hub_([0-9]{1,19})")
_UNICODE = re.compile(r"[0-9a-f]{2,5}(?:-[0-9a-f]{2,5}){0,15}")
_MARK = re.compile(r"<([@#!]?)([^<>|]+)(?:\|([^<>]*))?>")
_MEDIA = ("image", "audio", "video")
MAX_MEDIA = 10
"""Of one message."""


def parse(body: bytes) -> Sequence[Inbound]:
    """What one webhook says."""
    return [_Webhook(body).read()]


def challenge(body: bytes) -> str:
    """What Slack wants to read again when it asks whether an address that was pasted is the hub's; "" where
    it asks nothing."""
    content, _ = _content(body)
    is_question = payloads.text(content, "type") == "url_verification"
    return payloads.line(content, "challenge") if is_question else ""


def marked(reference: str) -> dict[str, object]:
    """The metadata by which a message of ours is known when Slack reports it. The reference is the type's
    name, which every event tells: the rest only those of apps that declare it to Slack."""
    return {"event_type": f"channels_hub_{reference}", "event_payload": {}}


class _Webhook:
    """One webhook, read without trust in its shape. It holds one thing."""

    def __init__(self, body: bytes) -> None:
        self._content, self._payload = _content(body)
        self._event = payloads.find(self._content, "event")
        self._digest = payloads.digest(body)

    def read(self) -> Inbound:
        """What it is for the hub."""
        match _name(self._content, "type"):
            case "event_callback":
                return self._happened()
            case "block_actions":
                return self._pressed_button()
            case other:
                return self._other(other)

    def _other(self, kind: str, sender: Sender | None = None) -> OtherEvent:
        return OtherEvent(f"{kind}:{self._digest}", kind, self._payload, sender)

    def _happened(self) -> Inbound:
        match _name(self._event, "type"):
            case "message":
                return self._message()
            case "reaction_added":
                return self._other("reaction", _contact(self._event, "item", "channel"))
            case "reaction_removed" as kind:
                return self._other(kind, _contact(self._event, "item", "channel"))
            case other:
                return self._other(other, _contact(self._event, "channel"))

    def _message(self) -> Inbound:
        contact = _contact(self._event, "channel")
        if contact is None:
            return self._other("channel_message")
        match payloads.text(self._event, "subtype"):
            case "message_changed":
                return self._edit(contact, payloads.find(self._event, "message"))
            case "message_deleted":
                return self._unsend(contact, payloads.text(self._event, "deleted_ts"))
            case subtype:
                return self._written(contact, subtype)

    def _written(self, contact: Sender, subtype: str) -> Inbound:
        message_id = id_of(contact, payloads.text(self._event, "ts"))
        if not message_id:
            return self._other("unreadable_message", contact)
        kind, text = _said(self._event)
        if payloads.find(self._event, "bot_id") is not None or subtype == "bot_message":
            return self._by_bot(contact, message_id, text or f"[{kind}]")
        if subtype in _NOTES or payloads.find(self._event, "hidden") is True:
            return self._other(_name(self._event, "subtype"), contact)
        if subtype not in _WRITTEN_BY_PEOPLE:  # one that Slack has added: staff see it
            kind = _name(self._event, "subtype")[:_MAX_KIND_LENGTH]
        at = _moment(self._event, "ts")
        return InboundMessage(contact, message_id, kind, text, at, self._payload, _media(self._event))

    def _by_bot(self, contact: Sender, message_id: str, text: str) -> Inbound:
        """The hub's own message comes back. Nobody else writes into a person's conversation with the app."""
        own = payloads.text(self._content, "api_app_id")
        if payloads.text(self._event, "app_id") not in ("", own):
            return self._other("bot_message", contact)
        found = _REFERENCE.fullmatch(payloads.text(self._event, "metadata", "event_type"))
        return Echo(contact, message_id, text, True, self._payload, found[1] if found else "")

    def _edit(self, contact: Sender, message: Any) -> Inbound:
        """Slack reports a change also where it only adds the preview of a link, and where it leaves a mark in
        place of a deleted message that has a thread."""
        timestamp = payloads.text(message, "ts")
        if payloads.text(message, "subtype") == "tombstone":
            return self._unsend(contact, timestamp)
        message_id = id_of(contact, timestamp)
        if not message_id or payloads.find(message, "edited") is None:
            return self._other("message_changed", contact)
        id_, (_, text) = f"edit:{self._digest}", _said(message)
        return InboundEdit(contact, id_, message_id, text, self._payload)

    def _unsend(self, contact: Sender, timestamp: str) -> Inbound:
        message_id = id_of(contact, timestamp)
        if not message_id:
            return self._other("unreadable_unsend", contact)
        return InboundUnsend(contact, f"unsend:{message_id}", message_id, self._payload)

    def _pressed_button(self) -> Inbound:
        contact = _contact(self._content, "channel", "id")
        actions = payloads.find(self._content, "actions")
        action = actions[0] if isinstance(actions, list) and actions else None
        pressed_at = payloads.text(action, "action_ts")
        label = payloads.text(action, "text", "text") or payloads.text(action, "value")
        text = _offered(action) or _shown(label)
        if contact is None or not text or not _TIMESTAMP.fullmatch(pressed_at):
            return self._other("unreadable_button" if contact else "channel_button", contact)
        id_, at = f"{contact.platform_id}:button:{pressed_at}", _moment(action, "action_ts")
        below = id_of(contact, payloads.text(self._content, "container", "message_ts"))
        return InboundMessage(contact, id_, "button", text, at, self._payload, below_platform_id=below)


def _offered(action: Any) -> str:
    """The choice behind a button of the hub's, "" for any other. What stands on the button may come back with
    names for its emoji."""
    is_ours = payloads.text(action, "action_id").startswith("choice-")
    return _unescaped(payloads.text(action, "value")) if is_ours else ""


def _content(body: bytes) -> tuple[Any, str]:
    """What a webhook says, and what of it is kept. Events come as JSON, pressed buttons as a form around
    it; of anything else, and of what is nested to the limit, nothing."""
    text = body.decode("utf-8", "replace")
    try:
        if text.startswith("payload="):
            text = parse_qs(text, max_num_fields=1)["payload"][0]
        content = json.loads(text)
        known = content if isinstance(content, dict) else {}
        return content, json.dumps({name: known[name] for name in known if name not in _SECRETS})
    except (ValueError, LookupError, RecursionError):
        return None, ""


def _name(value: Any, *path: str) -> str:
    """The name of a type at `path`."""
    found = payloads.text(value, *path)
    return found if _NAME.fullmatch(found) else "unknown"


def _contact(value: Any, *path: str) -> Sender | None:
    """The person behind the direct-message channel at `path`; None for a channel of many."""
    found = payloads.text(value, *path)
    return Sender(found) if _DIRECT.fullmatch(found) else None


def id_of(contact: Sender, timestamp: str) -> str:
    """Slack knows a message by its channel and time; "" where there is none. One message may come as several
    events."""
    return f"{contact.platform_id}:{timestamp}" if _TIMESTAMP.fullmatch(timestamp) else ""


def _moment(value: Any, *path: str) -> datetime | None:
    """Seconds since 1970 with a fraction, as a string."""
    seconds = payloads.text(value, *path).partition(".")[0]
    return payloads.moment({"at": int(seconds)}, "at") if SECONDS.fullmatch(seconds) else None


def _said(message: Any) -> tuple[str, str]:
    """Kind and text of a message."""
    text, files = _with_emoji(_shown(payloads.text(message, "text")), message), _files(message)
    if files:
        return _file_kind(payloads.text(files[0], "mimetype")), text
    if text:
        return "text", text
    return ("share" if payloads.find(message, "attachments") else "unknown"), ""


def _shown(text: str) -> str:
    """A text as people see it: Slack escapes three characters and marks links and mentions."""
    return _unescaped(_MARK.sub(_unmarked, text))


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _unmarked(mark: re.Match[str]) -> str:
    sign, target, label = mark.groups()
    if sign == "!":
        return str(label or f"@{target.partition('^')[0]}")
    if sign:
        return f"{sign}{label or target}"
    is_web = target.startswith(("http://", "https://"))
    if not label or (is_web and label not in target):
        return f"{label} ({target})" if label else str(target)
    return str(label)


def _with_emoji(text: str, message: Any) -> str:
    """The text with the emoji of its message, for which Slack writes names like `:wave:`. What they are, its
    blocks tell; for those of the workspace's own there is no other way to write them."""
    known = dict(_emoji(payloads.find(message, "blocks")))
    if not known:
        return text
    names = "|".join(re.escape(name) for name in sorted(known, key=len, reverse=True))
    return re.sub(names, lambda found: known[found[0]], text)


def _emoji(blocks: Any) -> Iterator[tuple[str, str]]:
    """How the text of a message names an emoji, and what it is."""
    left = [blocks]
    while left:
        each = left.pop()
        inner = each if isinstance(each, list) else payloads.find(each, "elements")
        left += inner if isinstance(inner, list) else []
        name, codes = payloads.text(each, "name"), payloads.text(each, "unicode")
        if payloads.text(each, "type") == "emoji" and name and _UNICODE.fullmatch(codes):
            tone = payloads.integer(each, "skin_tone")
            suffix = f":skin-tone-{tone}:" if tone else ""
            yield f":{name}:{suffix}", "".join(chr(int(code, 16)) for code in codes.split("-"))


def _files(message: Any) -> Sequence[Any]:
    files = payloads.find(message, "files")
    return files if isinstance(files, list) else ()


def _file_kind(media_type: str) -> str:
    main = media_type.partition("/")[0]
    return main if main in _MEDIA else "document"


def _media(message: Any) -> tuple[Media, ...]:
    return tuple(
        Media(
            address,
            payloads.line(each, "mimetype"),
            payloads.line(each, "name"),
            payloads.integer(each, "size"),
        )
        for each in _files(message)[:MAX_MEDIA]
        if (address := payloads.web_address(each, "url_private"))
    )
