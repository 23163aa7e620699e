"""Twilio's webhooks: one form each, of a message, or of what became of ours."""

import json
import re
from collections.abc import Sequence
from urllib.parse import urlencode

from hub_lambdas.channels import payloads
from hub_lambdas.channels.base import (
    Inbound,
    InboundMessage,
    Media,
    OtherEvent,
    Reached,
    Receipt,
    Sender,
    Unread,
)
from hub_lambdas.channels.twilio.errors import undelivered
from hub_lambdas.channels.twilio.form import fields
from hub_lambdas.http import Request

REFERENCE = "ref"
"""The part of the address for receipts that says of which message of ours."""
MAX_MEDIA = 10
"""Of one message."""
_SID = re.compile(r"[A-Za-z0-9]{2,64}")
_CONTACT = re.compile(r"[\x21-\x7e]{1,200}")
_KIND = re.compile(r"[a-z_]{1,20}")
_REACHED = {"sent": Reached.SENT, "delivered": Reached.DELIVERED, "read": Reached.READ}
_FAILED = ("failed", "undelivered", "canceled")
# What a keyword did, where Twilio says so: it has answered the contact itself.
_KEYWORDS = {"STOP": ("opted_out", False), "START": ("opted_in", True), "HELP": ("asked_for_help", None)}
_MEDIA = ("image", "audio", "video")


def parse(request: Request) -> Sequence[Inbound]:
    """What one webhook says. The address counts too, for the reference in it; an Unread carries that in its
    body."""
    if request.body.lstrip()[:1] in (b"{", b"["):
        payload = request.body.decode("utf-8", "replace")
        return [OtherEvent(payloads.digest(request.body), "json_event", payload)]
    form = _form_with_reference(request)
    try:
        return [_Form(form).read()]
    except Exception:
        if form == request.body:
            raise  # the hub keeps the body by itself, and whoever reads it again must know
        return [Unread(f"unread:{payloads.digest(form)}", form.decode("utf-8", "replace"))]


def _form_with_reference(request: Request) -> bytes:
    """The body, with the reference that came in the address: a webhook that is read again has no address.
    In front, where no cutting of what is stored can reach it."""
    reference = request.query.get(REFERENCE, "")
    if not reference:
        return request.body
    return f"{urlencode({REFERENCE: reference}, errors='replace')}&".encode() + request.body


class _Form:
    """One webhook, read without trust in its shape."""

    def __init__(self, form: bytes) -> None:
        self._fields: dict[str, str] = {}
        for name, value in fields(form, "replace"):
            self._fields.setdefault(name, value)
        self._payload = json.dumps(self._fields, ensure_ascii=False)
        self._digest = payloads.digest(form)
        sid = self._get("MessageSid") or self._get("SmsSid")
        self._sid = sid if _SID.fullmatch(sid) else self._digest

    def read(self) -> Inbound:
        """What it is for the hub."""
        status = (self._get("MessageStatus") or self._get("SmsStatus")).lower()
        if status == "received" or (not status and "Body" in self._fields):
            return self._message()
        if status in _REACHED or status in _FAILED:
            return self._receipt(status)
        if _KIND.fullmatch(status):
            return OtherEvent(f"{self._sid}:{status}", f"status_{status}", self._payload)
        return OtherEvent(self._digest, "unknown", self._payload)

    def _get(self, name: str) -> str:
        return self._fields.get(name, "")

    def _other(self, kind: str, sender: Sender | None = None, reachable: bool | None = None) -> OtherEvent:
        return OtherEvent(self._sid, kind, self._payload, sender, reachable)

    def _message(self) -> Inbound:
        sender = self._contact("From")
        if sender is None:
            return self._other("unreadable_message")
        keyword = self._get("OptOutType").upper()
        if keyword in _KEYWORDS:
            kind, reachable = _KEYWORDS[keyword]
            return self._other(kind, sender, reachable)
        kind, text = self._content()
        return InboundMessage(sender, self._sid, kind, text, None, self._payload, self._media())

    def _media(self) -> tuple[Media, ...]:
        return tuple(
            Media(address, payloads.line(self._fields, f"MediaContentType{number}"))
            for number in range(MAX_MEDIA)
            if (address := payloads.web_address(self._fields, f"MediaUrl{number}"))
        )

    def _contact(self, field: str) -> Sender | None:
        platform_id = self._get(field)
        return Sender(platform_id, self._get("ProfileName")) if _CONTACT.fullmatch(platform_id) else None

    def _content(self) -> tuple[str, str]:
        """Kind and text. Most kinds come with an empty `Body`."""
        body = self._get("Body")
        pressed = self._get("ButtonText") or self._get("ListTitle")
        payload = self._get("ButtonPayload") or self._get("ListId")
        if pressed or payload:
            return "button", pressed or body or payload
        if self._get("NumMedia") not in ("", "0"):
            return _media_kind(self._get("MediaContentType0")), body
        if self._get("Latitude") and self._get("Longitude"):
            return "location", body or self._get("Label") or self._get("Address")
        message_type = self._get("MessageType")
        if body or message_type == "text" or not _KIND.fullmatch(message_type):
            return ("text" if body else "unknown"), body
        return message_type, body

    def _receipt(self, status: str) -> Receipt:
        failure, is_gone = "", False
        if status in _FAILED:
            failure, is_gone = undelivered(self._get("ErrorCode"), self._get("ErrorMessage"))
        return Receipt(
            f"{self._sid}:{status}",
            self._sid,
            self._payload,
            reference=self._get(REFERENCE),
            failure=failure,
            sender=self._contact("To"),
            reached=_REACHED.get(status, Reached.SENT),
            contact_gone=is_gone,
        )


def _media_kind(content_type: str) -> str:
    main, _, rest = content_type.lower().partition("/")
    if main in _MEDIA:
        return main
    return "contact" if "vcard" in rest else "document"
