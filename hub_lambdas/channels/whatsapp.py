"""WhatsApp Cloud API (developers.facebook.com/documentation/business-messaging/whatsapp).

A contact is known by their business-scoped user id (BSUID) where WhatsApp tells it, else by their phone
number; where it tells both, the number is an alias.
"""

import json
import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings

from hub_lambdas.channels import meta, payloads
from hub_lambdas.channels import text as texts
from hub_lambdas.channels.base import (
    SAMPLE_NAME,
    Account,
    ChannelError,
    CredentialRejected,
    Echo,
    FetchedMedia,
    Field,
    Health,
    Inbound,
    InboundEdit,
    InboundMessage,
    InboundUnsend,
    Media,
    MediaGone,
    OtherEvent,
    Reached,
    Receipt,
    Sample,
    Sender,
    SendRejected,
)
from hub_lambdas.channels.download import Download
from hub_lambdas.http import Request

OBJECT = "whatsapp_business_account"
PERMISSIONS = ("whatsapp_business_messaging", "whatsapp_business_management")
COURTESY_TIMEOUT_SECONDS = 2.0
"""For calls that nobody misses when they fail."""

# developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
CODES = meta.Codes(
    # 2, 131016, 131057, 133004: out of service for a moment; 4, 80007, 130429, 131056: too fast.
    later={2, 4, 80007, 130429, 131016, 131056, 131057, 133004},
    # 0, 3, 10, 190, 131005: the token; 33 (also as a subcode of 100), 133010: the number is gone, or not the
    # token's; 368, 131031, 131042: Meta blocked the account, or waits for its payment.
    broken={0, 3, 10, 33, 190, 368, 131005, 131031, 131042, 133010},
    gone={131026},
    # "Unknown error", "something went wrong": perhaps after the message was taken. WhatsApp reports what it
    # took, so the ledger waits for that, and lets the organization decide on a second attempt where no report
    # comes.
    unclear={1, 131000},
    later_seconds={131056: 6.0},  # one message in 6 s to the same contact, after a burst of 45
)
GRAPH = meta.Graph("WhatsApp", CODES, lambda: settings.GRAPH_API_URL)

MEDIA = replace(GRAPH, codes=replace(CODES, broken={*CODES.broken} - {33}, never={33}))
"""The same for a file: what is not there (100/33) is one that WhatsApp keeps no longer."""

_ID = re.compile(r"[\x21-\x7e]{1,200}")
_MEDIA_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
_FILES = ("image", "audio", "video", "document", "sticker")
_NAME = re.compile(r"[a-z_]{1,30}")
_TYPE_MAX_LENGTH = 20
_DIGITS = re.compile(r"[0-9]{1,30}")
_STATUS = re.compile(r"[A-Z_]{1,40}")

# --- what comes in ------------------------------------------------------------------------------------------

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


@dataclass(frozen=True)
class _Item:
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
        return _usable(self.content, "id") or payloads.digest(self.payload.encode())

    def _sender(self) -> Sender | None:
        phone, user_id = (_usable(self.content, key) for key in _PEOPLE.get(self.part, ("", "")))
        phone = phone or _usable(self.contact, "wa_id")
        user_id = user_id or _usable(self.contact, "user_id")
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
        at, media = _moment(self.content), _media(self.content)
        return InboundMessage(sender, self._id(), kind, text, at, self.payload, media, address=self.address)

    def _change(self, sender: Sender, type_: str) -> Inbound:
        original = _usable(self.content, type_, "original_message_id")
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
            key: (_usable(self.content, *old), _usable(self.content, *new)) for key, (old, new) in ids.items()
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
        status, message_id = payloads.text(self.content, "status"), _usable(self.content, "id")
        known = status == "failed" or status in _REACHED
        if not message_id or not known:
            return self._other(f"status_{_name(self.content, 'status')}")
        return Receipt(
            f"{message_id[:190]}:{status}",
            message_id,
            self.payload,
            meta.our_reference(payloads.text(self.content, "biz_opaque_callback_data")),
            _failure(self.content) if status == "failed" else "",
            self._sender(),
            _REACHED.get(status, Reached.SENT),
            address=self.address,
        )

    def _echo(self) -> Inbound:
        """What a person wrote in the WhatsApp Business app: a message takes the conversation over."""
        sender, type_ = self._sender(), self._type()
        if sender is None or type_ in ("edit", "revoke", "reaction"):
            return self._other(f"echo_{type_}")
        _, text = _written(self.content)
        return Echo(sender, self._id(), text, False, self.payload, address=self.address)


def _items(body: Any) -> Iterator[tuple[str, _Item, Mapping[str, Any]]]:
    """Each item of a webhook with its address and a webhook that holds it alone."""
    for entry in meta.entries(body):
        changes = payloads.find(entry, "changes")
        for change in changes if isinstance(changes, list) else []:
            named = _usable(change, "value", "metadata", "phone_number_id")
            for part, content, contact, value in _parts(change):
                own = {key: entry[key] for key in ("id", "time") if key in entry}
                own_change = {"field": payloads.find(change, "field"), "value": value} if part else change
                alone = {"object": OBJECT, "entry": [{**own, "changes": [own_change]}]}
                item = _Item(named, _usable(entry, "id"), part, content, contact, json.dumps(alone))
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
            known: each for each in self._all for key in ("wa_id", "user_id") if (known := _usable(each, key))
        }

    def of(self, content: Any, part: str) -> Any:
        """Whom an item names; the only one there is where it names nobody, for WhatsApp may keep the phone
        number to itself. Never somebody else than it names: their conversations would mix."""
        phone, user_id = (_usable(content, key) for key in _PEOPLE[part])
        if phone or user_id:
            return self._by_id.get(user_id) or self._by_id.get(phone)
        return self._all[0] if len(self._all) == 1 else None


def _usable(value: Any, *path: str) -> str:
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
    return payloads.moment({"at": int(seconds)}, "at") if _DIGITS.fullmatch(seconds) else None


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


def _failure(status: Any) -> str:
    errors = payloads.find(status, "errors")
    return f"WhatsApp: {meta.sentence(errors[0] if isinstance(errors, list) and errors else None)}"


# --- what goes out ------------------------------------------------------------------------------------------

MAX_BUTTONS = 3
BUTTONS_TEXT_LIMIT = 1024
LIST_SIGN = "☰"
"""On the button that opens a list: a sign that needs no language."""


def _content(text: str, choices: Sequence[str]) -> dict[str, Any]:
    """The part of a message that says what is in it. Choices are buttons, or else the rows of a list, whose
    text may be as long as any (/messages/interactive-reply-buttons-messages, /interactive-list-messages)."""
    if not choices:
        return {"type": "text", "text": {"body": text, "preview_url": False}}
    size = sum(texts.utf16_units(character) for character in text)
    is_short = len(choices) <= MAX_BUTTONS and size <= BUTTONS_TEXT_LIMIT
    titles = [{"id": choice, "title": choice} for choice in choices]
    action: dict[str, Any] = {"button": LIST_SIGN, "sections": [{"rows": titles}]}
    if is_short:
        action = {"buttons": [{"type": "reply", "reply": title} for title in titles]}
    interactive = {"type": "button" if is_short else "list", "body": {"text": text}, "action": action}
    return {"type": "interactive", "interactive": interactive}


# --- the number and its webhook -----------------------------------------------------------------------------


def _number(account: Account, name: str = "phone_number_id") -> str:
    found = account.credentials.get(name)
    if not isinstance(found, str) or not _DIGITS.fullmatch(found.strip()):
        label = "WhatsApp Business account id" if name == "waba_id" else "phone number id"
        raise CredentialRejected(f"No usable {label} is stored: copy the digits from Meta into the channel.")
    return found.strip()


def _has_own_app(account: Account) -> bool:
    return bool(meta.app_secrets(account))


def _ask_number(account: Account, token: str = "") -> Any:
    fields = "status,display_phone_number,verified_name,quality_rating,webhook_configuration"
    return GRAPH.call(token or meta.token(account), "GET", _number(account), query={"fields": fields})


def _account_name(number: Any) -> str:
    parts = payloads.text(number, "verified_name"), payloads.text(number, "display_phone_number")
    return " ".join(filter(None, parts))


def _number_problems(number: Any) -> Iterator[str]:
    status = payloads.text(number, "status")
    if status != "CONNECTED":
        said = status if _STATUS.fullmatch(status) else "in a state that it does not name"
        yield f"The number is {said}: open it in WhatsApp Manager, which says what to do."
    if payloads.text(number, "quality_rating") == "RED":
        yield "Contacts often block or report this number: WhatsApp may soon let it send less, or nothing."


def _webhook_problems(number: Any, subscribed: Any, webhook_url: str, has_own_app: bool) -> Iterator[str]:
    """Messages go to the address of the number, else to that of its business account, else to the app's.
    Several numbers of one account share the second: any channel's address of the hub will do, for each
    message finds its own channel; and the hub's own app delivers to one address for all."""
    if not payloads.find(subscribed, "data"):
        yield "WhatsApp delivers no messages: save the channel again, which subscribes to them."
        return
    known = payloads.find(number, "webhook_configuration")
    levels = ("phone_number", "whatsapp_business_account", "application")
    delivers_to = next(filter(None, (payloads.text(known, level) for level in levels)), "")
    shared_url = webhook_url.rpartition("/")[0]
    if delivers_to.startswith(f"{shared_url}/") or (delivers_to == shared_url and not has_own_app):
        return
    if has_own_app:
        yield (
            "WhatsApp delivers to another address: save the channel again, and make sure that no other "
            "program sets the webhook of this number."
        )
    else:
        yield (
            "WhatsApp delivers to another address: use a token of the hub's Meta app, or enter the app "
            "secret of your own."
        )


class WhatsApp(meta.MetaKind):
    """A business phone number, one channel each."""

    name: ClassVar[str] = "whatsapp"
    label: ClassVar[str] = "WhatsApp"
    fields: ClassVar[Sequence[Field]] = (
        Field(
            "access_token",
            "Access token",
            "The permanent token of a system user, with the permissions whatsapp_business_messaging and "
            "whatsapp_business_management.",
            secret=True,
        ),
        Field("phone_number_id", "Phone number id", "Not the number itself: Meta shows its id below it."),
        Field("waba_id", "WhatsApp Business account id", "Meta shows it beside the phone number id."),
        Field(
            "app_id",
            "App id",
            "Only where you use a Meta app of your own: with it the hub sees when the token ends.",
            required=False,
        ),
        Field(
            "app_secret",
            "App secret",
            "Only where you use a Meta app of your own (App settings → Basic). Empty for the hub's app.",
            secret=True,
            required=False,
        ),
    )
    text_limit: ClassVar[int] = 4096

    def verify(self, request: Request, account: Account) -> None:
        meta.verify(request, meta.app_secrets(account, settings.META_APP_SECRET))

    def parse(self, request: Request, account: Account) -> Sequence[Inbound]:
        body = request.json()
        known = body if payloads.text(body, "object") == OBJECT else None
        found = list(meta.read_each(_items(known), lambda _, item: item.read()))
        return found or [
            OtherEvent(payloads.digest(request.body), "unknown", request.body.decode("utf-8", "replace"))
        ]

    def send(
        self, account: Account, contact: str, text: str, reference: str, choices: Sequence[str] = ()
    ) -> str:
        is_phone = _DIGITS.fullmatch(contact)
        message = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to" if is_phone else "recipient": contact,
            **_content(text, choices),
            "biz_opaque_callback_data": meta.marked(reference),
        }
        sent = GRAPH.call(meta.token(account), "POST", f"{_number(account)}/messages", message)
        messages = payloads.find(sent, "messages")
        message_id = _usable(messages[0], "id") if isinstance(messages, list) and messages else ""
        return message_id or f"sent:{reference}"

    def show_typing(self, account: Account, contact: str, message_id: str) -> None:
        read = {
            "messaging_product": "whatsapp",
            "status": "read",
            "message_id": message_id,
            "typing_indicator": {"type": "text"},
        }
        path, timeout = f"{_number(account)}/messages", COURTESY_TIMEOUT_SECONDS
        GRAPH.call(meta.token(account), "POST", path, read, timeout_seconds=timeout)

    def split(self, text: str, choices: Sequence[str] = ()) -> Sequence[str]:
        """WhatsApp says "4096 characters" and not how it counts them: the stricter of two ways."""
        return texts.split(text, self.text_limit, texts.utf16_units)

    def fetch_media(self, account: Account, media: Media, limit_bytes: int) -> FetchedMedia:
        """By an address that lives for five minutes and asks for the token, wherever it is."""
        token = meta.token(account)
        try:
            file = MEDIA.call(token, "GET", media.reference)
        except SendRejected as error:
            raise MediaGone(f"WhatsApp does not give the file out any more. {error}") from error
        headers = {"authorization": f"Bearer {token}"}
        download = Download("WhatsApp", limit_bytes, settings.GRAPH_API_URL, headers)
        return download.fetch(payloads.web_address(file, "url"))

    def identify(self, account: Account) -> Health:
        """Which number it is stands in the channel, also where Meta does not say whose."""
        number_id = _number(account)
        try:
            return Health(_account_name(_ask_number(account)), address=number_id)
        except ChannelError as error:
            return Health("", [str(error)], number_id)

    def register(self, account: Account, webhook_url: str) -> Health:
        """Subscribe the app that the token belongs to.

        An organization's own app may have any address, or none, so its messages are sent here by an override
        for the whole business account. The hub's own app has the right address, for all organizations: a
        subscription without a body also takes away an override from before.
        """
        number_id, name = _number(account), _account_name(_ask_number(account))
        override = None
        if _has_own_app(account):
            verify_token = account.credentials.get("verify_token")
            override = {"override_callback_uri": webhook_url, "verify_token": verify_token}
        elif meta.shared_account() is None:
            missing = "This hub has no Meta app of its own: enter the app secret of yours."
            return Health(name, [missing], number_id)
        waba_id = _number(account, "waba_id")
        GRAPH.call(meta.token(account), "POST", f"{waba_id}/subscribed_apps", override)
        return Health(name, address=number_id, parent=waba_id)

    def check(self, account: Account, webhook_url: str) -> Health:
        number, has_own_app = _ask_number(account), _has_own_app(account)
        waba_id = _number(account, "waba_id")
        path = f"{waba_id}/subscribed_apps"

        def delivery_problems() -> list[str]:
            subscribed = GRAPH.call(meta.token(account), "GET", path)
            return [*_webhook_problems(number, subscribed, webhook_url, has_own_app)]

        undelivered = meta.asked_beside(delivery_problems)
        validity, token_problems = meta.inspect_token(GRAPH, account, PERMISSIONS)
        problems = [*_number_problems(number), *undelivered, *token_problems]
        return Health(_account_name(number), problems, _number(account), waba_id, validity, not undelivered)

    def renew(self, account: Account) -> Mapping[str, Any] | None:
        """The token that Meta's "API setup" page shows ends after a day: it is exchanged for one of 60 days.
        That of a system user may have no end."""
        return meta.exchange(GRAPH, account, lambda token: payloads.find(_ask_number(account, token), "id"))

    def sample(self, account: Account, address: str, text: str) -> Sample:
        """By somebody who keeps their phone number to themselves; ZZ is no country's code."""
        contact = f"ZZ.{secrets.token_hex(16)}"
        message = {
            "from_user_id": contact,
            "id": f"wamid.{secrets.token_hex(24)}",
            "timestamp": str(int(time.time())),
            "type": "text",
            "text": {"body": text},
        }
        value = {
            "messaging_product": "whatsapp",
            "metadata": {"phone_number_id": _number(account)},
            "contacts": [{"profile": {"name": SAMPLE_NAME}, "user_id": contact}],
            "messages": [message],
        }
        entry = {"id": _number(account, "waba_id"), "changes": [{"field": "messages", "value": value}]}
        app_secrets = meta.app_secrets(account, settings.META_APP_SECRET)
        webhook = {"object": OBJECT, "entry": [entry]}
        return Sample(contact, meta.signed(f"/{self.name}/{account.channel_id}", webhook, app_secrets))
