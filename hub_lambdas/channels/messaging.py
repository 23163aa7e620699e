"""What Messenger and Instagram share: webhooks of `entry[].messaging[]`, and messages to who wrote in them.

Source of the shapes: developers.facebook.com/docs/messenger-platform/reference/webhook-events and
/docs/instagram-platform/webhooks/examples.
"""

import json
import random
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from hub_lambdas.channels import meta, payloads
from hub_lambdas.channels.base import (
    A_DAY,
    Account,
    ChannelError,
    CredentialRejected,
    Echo,
    FetchedMedia,
    Field,
    Inbound,
    InboundEdit,
    InboundMessage,
    InboundUnsend,
    Media,
    OtherEvent,
    Reached,
    Receipt,
    ReplyWindow,
    Sample,
    Sender,
    SendRejected,
)
from hub_lambdas.channels.download import Download
from hub_lambdas.http import Request
from hub_lambdas.sentences import stored

INBOX_APP_IDS = frozenset({"263902037430900", "1217981644879628"})
"""The apps behind Meta's own inboxes (the page's, Instagram's): what they send, a person wrote."""
COURTESY_TIMEOUT_SECONDS = 2.0
"""For calls that nobody misses when they fail."""

AddressOf = Callable[[Any, Any], str]
"""Which account an item (the second) of an entry (the first) is for."""

_PLACES = ("messaging", "standby", "changes")
_EVENTS = ("message", "message_edit", "postback", "read", "delivery", "reaction")
_FRAME = {"sender", "recipient", "timestamp"}
_EVENT_NAME = re.compile(r"[a-z_]{1,40}")
_CONTENT_NAME = re.compile(r"[a-z_]{1,20}")
_ID = re.compile(r"[!-~]{1,200}")
_LINK_PREVIEWS = {"fallback"}
_NO_FILES = {*_LINK_PREVIEWS, "template", "location", "product"}
MAX_MEDIA = 30
"""Of one message."""
_SENT_BY_META = {"template", "fallback"}


def parse(request: Request, account: Account, address_of: AddressOf) -> list[Inbound]:
    """Everything in one webhook, each item apart."""
    body = request.json()
    own_apps = app_ids(account)

    def read(address: str, placed: tuple[str, Any]) -> list[Inbound]:
        return _Item(address, *placed, own_apps).read()

    found = [*meta.read_each(_items(body, address_of), read)]
    return found or [_unknown(request)]


def _unknown(request: Request) -> OtherEvent:
    content = request.body.decode("utf-8", "replace")
    return OtherEvent(f"unknown:{payloads.digest(request.body)}", "unknown", content)


def _items(body: Any, address_of: AddressOf) -> Iterator[tuple[str, tuple[str, Any], Mapping[str, Any]]]:
    """(address, (place, item), a webhook with this item alone). Instagram may put `field` and `value` on the
    entry itself: that is one more change."""
    for entry in meta.entries(body):
        lists = {place: payloads.find(entry, place) for place in _PLACES}
        placed = [
            (place, item) for place, items in lists.items() if isinstance(items, list) for item in items
        ]
        frame = {name: entry[name] for name in ("id", "time") if name in entry} if placed else {}
        if not placed or payloads.find(entry, "field") is not None:
            placed.append(("entry", entry))
        for place, item in placed:
            alone = entry if place == "entry" else {**frame, place: [item]}
            event = item if place in ("messaging", "standby") else payloads.find(item, "value")
            webhook = {"object": payloads.find(body, "object"), "entry": [alone]}
            yield address_of(entry, event), (place, item), webhook


def app_ids(account: Account) -> frozenset[str]:
    """The apps by which the hub may have sent a message of this account; none where an organization's own app
    is not known by its id."""
    if account.credentials.get("app_secret") and not read_id(account.credentials.get("app_id")):
        return frozenset()
    return frozenset(filter(None, [settings.META_APP_ID, read_id(account.credentials.get("app_id"))]))


def read_id(value: Any) -> str:
    """An id as Meta writes it, a string or a number; "" for what can be none."""
    if isinstance(value, str) and _ID.fullmatch(value):
        return value
    whole = payloads.whole(value)
    return "" if whole is None else str(whole)


def is_echo(event: Any) -> bool:
    """Whether it is a message by the account, and not to it."""
    return payloads.find(event, "message", "is_echo") is True


class _Item:
    """One item of a webhook, read without trust in its shape."""

    def __init__(self, address: str, place: str, item: Any, own_apps: frozenset[str]) -> None:
        self._address, self._place, self._own_apps = address, place, own_apps
        self._item = item
        self._event = item if place in ("messaging", "standby") else payloads.find(item, "value")
        self._payload = _written(item)
        contact = payloads.find(self._event, "recipient" if is_echo(self._event) else "sender", "id")
        self._contact = Sender(contact_id) if (contact_id := read_id(contact)) else None

    def read(self) -> list[Inbound]:
        """What it is for the hub: several things only where it confirms several messages."""
        name = self._name()
        if self._place == "standby":
            return [self._other("standby", self._contact)]
        if self._contact is None or name not in _EVENTS:
            return [self._other(f"unreadable_{name}" if name in _EVENTS else name, self._contact)]
        value = payloads.find(self._event, name)
        match name:
            case "message":
                return [self._message(self._contact, value)]
            case "message_edit":
                return [self._edit(self._contact, value)]
            case "postback":
                return [self._postback(self._contact, value)]
            case "read":
                return self._receipts(self._contact, value, Reached.READ)
            case "delivery":
                return self._receipts(self._contact, value, Reached.DELIVERED)
            case "reaction" if payloads.text(value, "action") == "unreact":
                return [self._other("reaction_removed", self._contact)]
        return [self._other(name, self._contact)]

    def _name(self) -> str:
        """What happened. Instagram also reports messages as changes, whose `value` is the event."""
        event = self._event if isinstance(self._event, dict) else {}
        known = [name for name in _EVENTS if name in event]
        if known and "sender" in event and "recipient" in event:
            return known[0]
        if self._place not in ("messaging", "standby"):
            field = payloads.text(self._item, "field")
            return field if _EVENT_NAME.fullmatch(field) else "unknown"
        names = [name for name in event if name not in _FRAME and _EVENT_NAME.fullmatch(name)]
        return (known or names or ["unknown"])[0]

    def _other(self, kind: str, sender: Sender | None = None) -> OtherEvent:
        id_ = f"{kind}:{payloads.digest(self._payload.encode())}"
        return OtherEvent(id_, kind, self._payload, sender, address=self._address)

    def _message(self, contact: Sender, message: Any) -> Inbound:
        if not isinstance(message, dict):
            return self._other("unreadable_message", contact)
        if message.get("is_deleted") is True:
            return self._unsend(contact, message)
        if message.get("is_echo") is True:
            return self._echo(contact, message)
        if contact.platform_id == read_id(payloads.find(self._event, "recipient", "id")):
            return self._other("message_to_self", contact)  # an answer would come back as the next one
        reference, choice = _pressed(message)
        return InboundMessage(
            contact,
            self._message_id(message),
            _content(message),
            payloads.text(message, "text") or choice,
            self._at(),
            self._payload,
            _media(message),
            below_reference=reference,
            address=self._address,
        )

    def _postback(self, contact: Sender, postback: Any) -> Inbound:
        """A pressed button. One that comes without an id is known by who pressed what when."""
        title, payload = payloads.text(postback, "title"), payloads.text(postback, "payload")
        pressed = json.dumps([contact.platform_id, _shown(payloads.find(self._event, "timestamp")), payload])
        given = _message_id(payloads.find(postback, "mid"))
        return InboundMessage(
            contact,
            given or f"postback:{payloads.digest(pressed.encode())}",
            "button",
            title or payload,
            self._at(),
            self._payload,
            address=self._address,
        )

    def _edit(self, contact: Sender, edit: Any) -> Inbound:
        edited = _message_id(payloads.find(edit, "mid"))
        text = payloads.find(edit, "text")
        if not edited or not isinstance(text, str):
            return self._other("unreadable_edit", contact)
        id_ = f"edit:{payloads.digest(self._payload.encode())}"
        return InboundEdit(contact, id_, edited, text, self._payload, address=self._address)

    def _unsend(self, contact: Sender, message: Any) -> Inbound:
        unsent = _message_id(message.get("mid"))
        if not unsent:
            return self._other("unreadable_unsend", contact)
        id_ = f"unsend:{payloads.digest(unsent.encode())}"
        return InboundUnsend(contact, id_, unsent, self._payload, address=self._address)

    def _echo(self, contact: Sender, message: Any) -> Inbound:
        text, app_id = payloads.text(message, "text"), read_id(message.get("app_id"))
        content = _content(message)
        if not text and not app_id and content in _SENT_BY_META:
            return self._other("automatic_message", contact)  # a greeting, or the post that they ask about
        reference = meta.our_reference(payloads.text(message, "metadata"))
        is_ours = True if reference or app_id in self._own_apps else None
        return Echo(
            contact,
            self._message_id(message),
            text or f"[{content}]",
            False if app_id in INBOX_APP_IDS else is_ours,
            self._payload,
            reference,
            address=self._address,
        )

    def _receipts(self, contact: Sender, receipt: Any, reached: Reached) -> list[Inbound]:
        """By the messages' ids where there are some, else by the time up to which all have arrived."""
        mids, mid = payloads.find(receipt, "mids"), payloads.find(receipt, "mid")
        ids = [*filter(None, map(_message_id, mids if isinstance(mids, list) else [mid]))]
        if ids:
            return [self._receipt(contact, reached, message_id) for message_id in dict.fromkeys(ids)]
        until = meta.moment(payloads.find(receipt, "watermark"))
        if until is None:
            return [self._other(f"unreadable_{reached.value}", contact)]
        return [self._receipt(contact, reached, "", until)]

    def _receipt(
        self, contact: Sender, reached: Reached, message_id: str, until: datetime | None = None
    ) -> Receipt:
        fact = f"{contact.platform_id} {message_id or until}"
        return Receipt(
            f"{reached.value}:{payloads.digest(fact.encode())}",
            message_id,
            self._payload,
            sender=contact,
            reached=reached,
            until=until,
            address=self._address,
        )

    def _message_id(self, message: Any) -> str:
        return _message_id(message.get("mid")) or f"message:{payloads.digest(self._payload.encode())}"

    def _at(self) -> datetime | None:
        return meta.moment(payloads.find(self._event, "timestamp"))


def _written(item: Any) -> str:
    """The item as JSON; of one that is nested to the limit only that, so that its neighbours can be read."""
    try:
        return json.dumps(item)
    except RecursionError:
        return '"nested too deeply"'


def _shown(value: Any) -> Any:
    return value if isinstance(value, str) else payloads.whole(value)


def _message_id(mid: Any) -> str:
    """A message's id; "" where there is none. Instagram's have no documented limit: one that is too long for
    the ledger is known by its digest, wherever it is mentioned."""
    if not isinstance(mid, str) or not mid:
        return ""
    return mid if _ID.fullmatch(mid) else payloads.digest(mid.encode("utf-8", "surrogatepass"))


def _content(message: Mapping[str, Any]) -> str:
    """What kind of message it is. A text under which Meta put a preview of its link is a text; an answer to a
    story is about a picture that the LLM does not see."""
    text, attachments = payloads.text(message, "text"), message.get("attachments")
    kind = _attached(attachments[0]) if isinstance(attachments, list) and attachments else ""
    if message.get("is_unsupported") is True:
        return "unsupported"
    if isinstance(message.get("quick_reply"), dict):
        return "button"
    if kind and not (text and kind in _LINK_PREVIEWS):
        return kind
    if payloads.find(message, "reply_to", "story") is not None:
        return "story_reply"
    return "text" if text else "unknown"


def _pressed(message: Mapping[str, Any]) -> tuple[str, str]:
    """What a quick reply carries: the reference of the message that offered it, and the choice; of another
    program's only that."""
    carried = payloads.text(message, "quick_reply", "payload")
    reference, _, choice = meta.our_reference(carried).partition(":")
    return (reference, choice) if reference else ("", carried)


def _attached(attachment: Any) -> str:
    """What is attached, in Meta's word. Until August 2026 stickers came as images."""
    kind = payloads.text(attachment, "type")
    if payloads.find(attachment, "payload", "sticker_id") is not None:
        return "sticker"
    return kind if _CONTENT_NAME.fullmatch(kind) and kind not in ("text", "button") else "unknown"


def sample(path: str, object_: str, address: str, text: str, secrets: Collection[str]) -> Sample:
    """By an id that is longer than Meta's are. Raises ChannelError."""
    if not address:
        raise ChannelError("The channel has no account yet: save it again, which connects it.")
    contact, at = f"9{_random_digits(30)}", int(time.time() * 1000)
    event = {
        "sender": {"id": contact},
        "recipient": {"id": address},
        "timestamp": at,
        "message": {"mid": f"m_{_random_digits(40)}", "text": text},
    }
    webhook = {"object": object_, "entry": [{"id": address, "time": at, "messaging": [event]}]}
    return Sample(contact, meta.signed(path, webhook, secrets))


def _random_digits(count: int) -> str:
    return "".join(random.SystemRandom().choice("0123456789") for _ in range(count))


def _media(message: Mapping[str, Any]) -> tuple[Media, ...]:
    """What is attached; with an answer to a story, the story."""
    attachments = message.get("attachments")
    files = [
        payloads.web_address(each, "payload", "url")
        for each in (attachments if isinstance(attachments, list) else [])
        if _attached(each) not in _NO_FILES
    ]
    files.append(payloads.web_address(message, "reply_to", "story", "url"))
    return tuple(Media(address) for address in files if address)[:MAX_MEDIA]


def fetch(graph: meta.Graph, media: Media, limit_bytes: int) -> FetchedMedia:
    """A file from the address that the webhook named: it lives for days or weeks, and asks for no token."""
    return Download(graph.name, limit_bytes, graph.host()).fetch(media.reference)


# --- what goes out ------------------------------------------------------------------------------------------

HUMAN_AGENT = Field(
    "human_agent",
    "Staff may answer for 7 days",
    "Only where Meta has granted the app the Human Agent permission. The bot has 24 hours all the same.",
    required=False,
    shape="switch",
)
_WITH_HUMAN_AGENT = replace(A_DAY, staff=timedelta(days=7))
_LATE = {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}


def reply_window(account: Account) -> ReplyWindow:
    """What people write may come later under the tag HUMAN_AGENT, never what a bot writes
    (/docs/messenger-platform/send-messages/message-tags)."""
    return _WITH_HUMAN_AGENT if account.options.get(HUMAN_AGENT.name) is True else A_DAY


def send(graph: meta.Graph, token: str, content: Mapping[str, Any], reference: str) -> str:
    """Send a message; returns the platform's id for it. Raises ChannelError."""
    answer = graph.call(token, "POST", "me/messages", content)
    return _message_id(payloads.find(answer, "message_id")) or f"sent:{reference}"


def send_late(graph: meta.Graph, token: str, content: Mapping[str, Any], reference: str) -> str:
    """Send what a person wrote after the bot's time. That the app may not do this is refused like a
    credential, but must not pause the channel: a token that is broken shows with the next ordinary call."""
    try:
        return send(graph, token, {**content, **_LATE}, reference)
    except CredentialRejected as error:
        raise SendRejected(
            stored(
                "Staff may not answer this late: has Meta granted the app the Human Agent permission? "
                "%(error)s",
                error=error,
            )
        ) from error


def quick_replies(choices: Sequence[str], reference: str) -> dict[str, Any]:
    """The part of a message that offers choices, none where there are none. Both platforms take 13 of 20
    characters (/docs/messenger-platform/send-messages/quick-replies). What one carries comes back, and
    nothing else that tells which message it stood below."""
    if not choices:
        return {}
    return {
        "quick_replies": [
            {"content_type": "text", "title": choice, "payload": meta.marked(f"{reference}:{choice}")}
            for choice in choices
        ]
    }


def act(graph: meta.Graph, token: str, contact: str, action: str) -> None:
    """Show the contact something: "mark_seen", "typing_on". Raises ChannelError."""
    content = {"recipient": {"id": contact}, "sender_action": action}
    graph.call(token, "POST", "me/messages", content, timeout_seconds=COURTESY_TIMEOUT_SECONDS)
