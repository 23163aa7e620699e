"""Telegram's webhooks: one update each."""

import re
from collections.abc import Sequence
from typing import Any

from hub_lambdas.channels import payloads
from hub_lambdas.channels.base import Inbound, InboundEdit, InboundMessage, Media, OtherEvent, Sender
from hub_lambdas.http import Request

# In this order: an animation also has a `document`, a venue also has a `location`.
_CONTENTS = (
    *("text", "photo", "voice", "video", "video_note", "audio", "animation", "document", "sticker"),
    *("venue", "location", "contact", "poll", "dice", "story", "paid_media", "live_photo", "checklist"),
    *("game", "invoice", "successful_payment", "refunded_payment", "web_app_data"),
    *("users_shared", "chat_shared", "giveaway", "gift"),
)
# What Telegram itself writes into a private chat: nobody waits for an answer to it.
_SERVICE_NOTES = (
    *("pinned_message", "message_auto_delete_timer_changed", "write_access_allowed", "connected_website"),
    *("chat_background_set", "boost_added", "forum_topic_created", "forum_topic_edited"),
    *("forum_topic_closed", "forum_topic_reopened"),
)
_FILES = ("photo", "voice", "video", "video_note", "audio", "animation", "document", "sticker")
_FILE_ID = re.compile(r"[A-Za-z0-9_-]{1,300}")
_UPDATE_TYPE = re.compile(r"[a-z_]{1,40}")
_LANGUAGE = re.compile(r"[A-Za-z0-9-]{2,35}")
_CALLBACK_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_CALLBACK_PREFIX = "callback:"


def parse(request: Request) -> Sequence[Inbound]:
    """What one update says."""
    return [_Update(request.json(), request.body).read()]


def query_id(inbound: Inbound) -> str:
    """The id of the query that a pressed button makes, which wants an answer; "" for anything else."""
    is_button = isinstance(inbound, InboundMessage) and inbound.platform_id.startswith(_CALLBACK_PREFIX)
    return inbound.platform_id.removeprefix(_CALLBACK_PREFIX) if is_button else ""


class _Update:
    """One update, read without trust in its shape."""

    def __init__(self, update: Any, body: bytes) -> None:
        self._update = update
        self._payload = body.decode("utf-8", "replace")
        number = payloads.integer(update, "update_id")
        self._platform_id = f"update:{payloads.digest(body) if number is None else number}"

    def read(self) -> Inbound:
        """What it is for the hub."""
        match self._type():
            case "message":
                return self._message(payloads.find(self._update, "message"))
            case "edited_message":
                return self._edit(payloads.find(self._update, "edited_message"))
            case "callback_query":
                return self._pressed_button(payloads.find(self._update, "callback_query"))
            case "message_reaction":
                reaction = payloads.find(self._update, "message_reaction")
                kind = "reaction" if payloads.find(reaction, "new_reaction") else "reaction_removed"
                return self._other(kind, _private_sender(reaction, "user"))
            case "my_chat_member":
                return self._membership(payloads.find(self._update, "my_chat_member"))
            case other:
                return self._other(other)

    def _type(self) -> str:
        """The one field beside `update_id`; types that Telegram adds later go by their own names too."""
        if not isinstance(self._update, dict):
            return "unknown"
        names = (name for name in self._update if name != "update_id" and _UPDATE_TYPE.fullmatch(name))
        return next(names, "unknown")

    def _other(self, kind: str, sender: Sender | None = None, reachable: bool | None = None) -> OtherEvent:
        return OtherEvent(self._platform_id, kind, self._payload, sender, reachable)

    def _message(self, message: Any) -> Inbound:
        sender, message_id = _private_sender(message, "from"), _message_id(message)
        if sender is None or message_id is None:
            return self._other(_unanswered_kind(message))
        if payloads.find(message, "from", "is_bot") is True:
            return self._other("bot_message")
        kind = _content(message)
        if kind in _SERVICE_NOTES:
            return self._other(kind, sender)
        at = payloads.moment(message, "date")
        media = _media(message, kind)
        return InboundMessage(sender, message_id, kind, _written(message), at, self._payload, media)

    def _edit(self, message: Any) -> Inbound:
        sender, message_id = _private_sender(message, "from"), _message_id(message)
        if sender is None or message_id is None:
            return self._other(f"edited_{_unanswered_kind(message)}")
        return InboundEdit(sender, self._platform_id, message_id, _written(message), self._payload)

    def _pressed_button(self, query: Any) -> Inbound:
        """The message it belongs to may be too old to be shown (then it has `date` 0), or be missing: the
        contact is who pressed, whose private chat has the id of the user."""
        user_id = payloads.integer(query, "from", "id")
        chat_type = payloads.find(query, "message", "chat", "type")
        if user_id is None or chat_type not in (None, "private"):
            return self._other("group_button" if user_id is not None else "unreadable_button")
        query_id = payloads.text(query, "id")
        known = _CALLBACK_ID.fullmatch(query_id)
        return InboundMessage(
            _sender(user_id, payloads.find(query, "from")),
            f"{_CALLBACK_PREFIX}{query_id}" if known else self._platform_id,
            "button",
            payloads.text(query, "data") or payloads.text(query, "game_short_name"),
            None,
            self._payload,
            below_platform_id=_message_id(payloads.find(query, "message")) or "",
        )

    def _membership(self, change: Any) -> Inbound:
        sender = _private_sender(change, "from")
        status = payloads.text(change, "new_chat_member", "status")
        if sender is None:
            return self._other("group_membership")
        reachable = {"kicked": False, "left": False, "member": True}.get(status)
        kinds = {True: "bot_unblocked", False: "bot_blocked", None: "membership"}
        return self._other(kinds[reachable], sender, reachable)


def _private_sender(item: Any, user_field: str) -> Sender | None:
    """Who wrote in a private chat; None where `item` is from elsewhere or cannot be read."""
    chat_id = payloads.integer(item, "chat", "id")
    if chat_id is None or payloads.find(item, "chat", "type") != "private":
        return None
    return _sender(chat_id, payloads.find(item, user_field) or payloads.find(item, "chat"))


def _sender(chat_id: int, user: Any) -> Sender:
    name = " ".join(filter(None, [payloads.text(user, "first_name"), payloads.text(user, "last_name")]))
    language = payloads.text(user, "language_code")
    return Sender(str(chat_id), name, language if _LANGUAGE.fullmatch(language) else "")


def _message_id(message: Any) -> str | None:
    """Telegram counts messages per chat. An update that is delivered twice gives the same id twice, and an
    edit, which has an update id of its own, leads back to it: that is why it is not the update's."""
    chat_id, message_id = payloads.integer(message, "chat", "id"), payloads.integer(message, "message_id")
    return None if chat_id is None or message_id is None else f"{chat_id}:{message_id}"


def _unanswered_kind(message: Any) -> str:
    chat_type = payloads.text(message, "chat", "type")
    return "group_message" if chat_type in ("group", "supergroup", "channel") else "unreadable_message"


def _content(message: Any) -> str:
    for name in _CONTENTS + _SERVICE_NOTES:
        if name in message and (name != "text" or isinstance(message[name], str)):
            return name
    return "unknown"


def _written(message: Any) -> str:
    return payloads.text(message, "text") or payloads.text(message, "caption")


def _media(message: Any, kind: str) -> tuple[Media, ...]:
    """The file in a message; of a photo, which comes in several sizes, the largest."""
    found = payloads.find(message, kind) if kind in _FILES else None
    if isinstance(found, list):
        found = max(found, key=lambda each: payloads.integer(each, "width") or 0, default=None)
    file_id = payloads.text(found, "file_id")
    if not _FILE_ID.fullmatch(file_id):
        return ()
    media_type, name = payloads.line(found, "mime_type"), payloads.line(found, "file_name")
    return (Media(file_id, media_type, name, payloads.integer(found, "file_size")),)
