"""SMS and WhatsApp over Twilio (twilio.com/docs/messaging; webhooks: twilio.com/docs/usage/webhooks).

Twilio posts forms. What became of a message of ours it posts to the address that we give with the message:
that address carries our reference. What it puts nowhere is the time at which a contact wrote.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import parse_qsl, quote, urlencode

from django.conf import settings

from hub_lambdas.channels import payloads
from hub_lambdas.channels import text as texts
from hub_lambdas.channels.base import (
    Account,
    ChannelError,
    ContactView,
    CredentialRejected,
    FetchedMedia,
    Field,
    Health,
    Inbound,
    InboundMessage,
    Media,
    OtherEvent,
    Reached,
    Receipt,
    Sample,
    Sender,
    SendRefused,
    SendRejected,
    SendUnknown,
    SignatureError,
    Unread,
    Validity,
)
from hub_lambdas.channels.client import CLIENT, Answer
from hub_lambdas.channels.download import Download, is_at
from hub_lambdas.http import Request, Response

SIGNATURE_HEADER = "x-twilio-signature"
RETRIES = "#rc=5&rp=all"
"""Behind an address: five more attempts after any failure, within 15 s in all (Twilio's "connection
overrides"). By default it tries once more, and only where no connection came about. It does not send this
part, and does not sign it."""
MAX_FIELDS = 1000
"""Of a form; Twilio sends some thirty."""
MAX_MEDIA = 10
"""Of one message."""
MAX_SENDERS = 1000
"""Of one account; the most that a page of Twilio's lists holds."""

_BODY_HASH = "bodySHA256"
_REFERENCE = "ref"
_FORM = "application/x-www-form-urlencoded"
_SID = re.compile(r"[A-Za-z0-9]{2,64}")
_ACCOUNT_SID = re.compile(r"AC[0-9A-Za-z]{32}")
_SERVICE_SID = re.compile(r"MG[0-9A-Za-z]{32}")
_TOKEN = re.compile(r"[\x21-\x7e]+")

# --- who may deliver ----------------------------------------------------------------------------------------


def _fields(body: bytes, errors: str) -> list[tuple[str, str]]:
    """Every field of a form, blank ones too. ValueError where there are too many to be Twilio's."""
    form = body.decode("utf-8", errors)
    return parse_qsl(form, keep_blank_values=True, errors=errors, max_num_fields=MAX_FIELDS)


def _signed_fields(request: Request) -> list[tuple[str, str]]:
    """What is signed beside the address: the form, or nothing where the address holds the body's hash."""
    is_form = request.headers.get("content-type", "").lower().startswith(_FORM)
    hash_given = request.query.get(_BODY_HASH)
    if hash_given is None or is_form:
        try:
            return _fields(request.body, "surrogateescape")
        except ValueError:
            raise SignatureError("The form has more fields than Twilio sends.") from None
    hash_made = hashlib.sha256(request.body).hexdigest()
    if not hmac.compare_digest(hash_given.encode("utf-8", "surrogatepass"), hash_made.encode()):
        raise SignatureError("The body is not the one that was signed.")
    return []


def _public_addresses(request: Request) -> tuple[str, str]:
    """The address that Twilio called, with and without its port, for it signs now one and now the other. From
    the setting: what a request says of its host and scheme, the gateways on its way have changed."""
    scheme, _, rest = f"{settings.WEBHOOK_URL}{request.path}".partition("://")
    host, slash, path = rest.partition("/")
    bare = re.sub(r":\d+$", "", host)
    with_port = host if host != bare else f"{bare}:{443 if scheme == 'https' else 80}"
    query = f"?{request.raw_query}" if request.raw_query else ""
    return f"{scheme}://{with_port}{slash}{path}{query}", f"{scheme}://{bare}{slash}{path}{query}"


def _signature(token: str, address: str, fields: list[tuple[str, str]]) -> bytes:
    signed = address + "".join(name + value for name, value in sorted(set(fields)))
    mac = hmac.new(token.encode(), signed.encode("utf-8", "surrogateescape"), hashlib.sha1)
    return base64.b64encode(mac.digest())


# --- what comes in ------------------------------------------------------------------------------------------

_CONTACT = re.compile(r"[\x21-\x7e]{1,200}")
_KIND = re.compile(r"[a-z_]{1,20}")
_REACHED = {"sent": Reached.SENT, "delivered": Reached.DELIVERED, "read": Reached.READ}
_FAILED = ("failed", "undelivered", "canceled")
# What a keyword did, where Twilio says so: it has answered the contact itself.
_KEYWORDS = {"STOP": ("opted_out", False), "START": ("opted_in", True), "HELP": ("asked_for_help", None)}
_MEDIA = ("image", "audio", "video")


def _form_with_reference(request: Request) -> bytes:
    """The body, with the reference that came in the address: a webhook that is read again has no address.
    In front, where no cutting of what is stored can reach it."""
    reference = request.query.get(_REFERENCE, "")
    if not reference:
        return request.body
    return f"{urlencode({_REFERENCE: reference}, errors='replace')}&".encode() + request.body


class _Form:
    """One webhook, read without trust in its shape."""

    def __init__(self, form: bytes) -> None:
        self._fields: dict[str, str] = {}
        for name, value in _fields(form, "replace"):
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
        failure = _failure(self._get("ErrorCode"), self._get("ErrorMessage")) if status in _FAILED else ""
        return Receipt(
            f"{self._sid}:{status}",
            self._sid,
            self._payload,
            reference=self._get(_REFERENCE),
            failure=failure,
            sender=self._contact("To"),
            reached=_REACHED.get(status, Reached.SENT),
        )


def _media_kind(content_type: str) -> str:
    main, _, rest = content_type.lower().partition("/")
    if main in _MEDIA:
        return main
    return "contact" if "vcard" in rest else "document"


# --- what Twilio's error codes mean (twilio.com/docs/api/errors) --------------------------------------------

_MEANINGS = {
    20003: "it does not accept account SID and auth token: copy both from the Twilio console again",
    20404: "the account or the messaging service does not exist: copy its SID from the Twilio console again",
    21211: "the contact's number is not valid",
    21212: "the channel's number is not valid: correct it in the channel",
    21408: "the account may not write to this country: allow it at Twilio under Geo permissions",
    21606: "the channel's number cannot write to this contact",
    21608: "a trial account writes to verified numbers only: upgrade it at Twilio",
    21610: "the contact does not want messages any more (STOP)",
    21611: "too many messages of this number wait at Twilio",
    21612: "the channel's number cannot reach the contact's",
    21614: "the contact's number takes no SMS",
    21617: "the message is longer than 1600 characters",
    21659: "the channel's number is not the account's: correct it in the channel",
    21660: "the channel's number is not the account's: correct it in the channel",
    21701: "the messaging service does not exist: correct it in the channel",
    21705: "the messaging service cannot be used: correct it in the channel",
    30001: "too many messages waited at Twilio",
    30002: "the Twilio account is suspended",
    30003: "the contact's phone is switched off or out of reach",
    30004: "the contact or the carrier blocks messages",
    30005: "the contact's number does not exist or is out of reach",
    30006: "the contact's number is a landline or takes no SMS",
    30007: "the carrier filtered the message",
    30008: "the carrier gave no reason",
    30032: "the toll-free number is not verified yet: verify it at Twilio",
    30034: "the number is not registered for messages in the US (A2P 10DLC): register it at Twilio",
    63003: "the contact is not on WhatsApp",
    63007: "the channel's WhatsApp sender is not the account's: correct it in the channel",
    63015: "the contact has not joined the WhatsApp sandbox",
    63016: "the contact's last WhatsApp message is more than 24 hours old",
    63018: "too many messages at once",
    63024: "the contact cannot be written to on WhatsApp",
    63049: "Meta chose not to deliver the message",
}
_LATER = {14107: 1.0, 20429: 1.0, 21611: 30.0, 63018: 5.0}
"""Seconds to wait where Twilio names none."""
_BROKEN = {20003, 20005, 20006, 20404, 21212, 21660, 21701, 21705, 30002, 63007}
_GONE = {21211, 21610, 21614, 63003, 63024}


def _meaning(code: int | None, said: str) -> str:
    reason = _MEANINGS.get(code or 0) or said.strip().rstrip(".")[:200] or "it gave no reason"
    return reason if code is None else f"{reason} (error {code})"


def _failure(code: str, said: str) -> str:
    """Why Twilio could not deliver a message that it had taken."""
    number = int(code) if code.isascii() and code.isdecimal() and len(code) < 10 else None
    return f"Twilio could not deliver it: {_meaning(number, said)}."


def _error(answer: Answer) -> ChannelError:
    """Only Twilio's own JSON proves that a request was refused, and only below 500: of its 500s Twilio itself
    says that whoever repeats them may send a message twice (error 20500). What it answers with 429 it has
    never processed (error 20429)."""
    code, said = payloads.integer(answer.content, "code"), payloads.text(answer.content, "message")
    sentence = f"Twilio: {_meaning(code, said)}."
    if answer.status == 429:
        return SendRefused(sentence, max(answer.retry_after_seconds or 0.0, 1.0))
    if code is None or not 400 <= answer.status < 500:
        return SendUnknown(f"Twilio answered with status {answer.status} and no clear result.")
    if answer.status == 401 or code in _BROKEN:
        return CredentialRejected(sentence)
    if code in _LATER:
        return SendRefused(sentence, answer.retry_after_seconds or _LATER[code])
    return SendRejected(sentence, contact_gone=code in _GONE)


# --- what goes out ------------------------------------------------------------------------------------------


def _credential(account: Account, name: str) -> str:
    found = account.credentials.get(name)
    return found.strip() if isinstance(found, str) else ""


def _call(
    account: Account,
    method: str,
    url: str,
    *,
    form: Mapping[str, str] | None = None,
    content: object = None,
) -> Any:
    """Call the REST API and return its JSON. Raises ChannelError."""
    answer = CLIENT.call("Twilio", method, url, form=form, content=content, headers=_authorization(account))
    if not 200 <= answer.status < 300 or not isinstance(answer.content, dict):
        raise _error(answer)
    return answer.content


def _authorization(account: Account) -> Mapping[str, str]:
    sid, token = _account_sid(account), _credential(account, "auth_token")
    if not _TOKEN.fullmatch(token):
        raise CredentialRejected("No usable auth token is stored: copy it from the Twilio console.")
    return {"authorization": f"Basic {base64.b64encode(f'{sid}:{token}'.encode()).decode()}"}


def _account_sid(account: Account) -> str:
    sid = _credential(account, "account_sid")
    if not _ACCOUNT_SID.fullmatch(sid):
        raise CredentialRejected(
            "No usable account SID is stored: copy it from the Twilio console, it begins with AC."
        )
    return sid


def _account_url(account: Account) -> str:
    return f"{settings.TWILIO_API_URL}/2010-04-01/Accounts/{_account_sid(account)}"


def _messaging_url() -> str:
    """Messaging services and WhatsApp senders are set up at a host of their own."""
    api_url: str = settings.TWILIO_API_URL
    return api_url.replace("//api.", "//messaging.", 1)


def _numbered(choices: Sequence[str]) -> str:
    """What is put below a text: a line for each choice, with the number to answer with."""
    return "".join(f"\n{number}. {choice}" for number, choice in enumerate(choices, start=1))


def _printable(text: str) -> str:
    """A form has no place for lone surrogates."""
    return text.encode("utf-8", "replace").decode()


# --- the webhook's registration -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Inbox:
    """Where Twilio posts what people write to a sender; `change` makes the request body that sets another
    address at `resource`."""

    url: str
    method: str
    resource: str
    change: Callable[[str], Mapping[str, Any]]


def _find_inbox(account: Account) -> _Inbox | None:
    """The inbox of the channel's sender; None where Twilio's API does not know it. Raises ChannelError."""
    sender = _credential(account, "sender")
    if _is_service(sender):
        return _service_inbox(account, sender)
    if sender.startswith("whatsapp:"):
        return _whatsapp_inbox(account, sender)
    return _number_inbox(account, sender)


def _is_service(sender: str) -> bool:
    return _SERVICE_SID.fullmatch(sender) is not None


def _number_inbox(account: Account, sender: str) -> _Inbox | None:
    """`PhoneNumber` finds numbers that contain it. A TwiML app, where one is set, goes before the address."""
    numbers_url = f"{_account_url(account)}/IncomingPhoneNumbers"
    numbers = _call(account, "GET", f"{numbers_url}.json?{urlencode({'PhoneNumber': sender})}")
    found = _matching(numbers, "incoming_phone_numbers", "phone_number", sender)
    if found is None:
        return None
    app = payloads.text(found, "sms_application_sid")
    return _Inbox(
        app or payloads.text(found, "sms_url"),
        payloads.text(found, "sms_method"),
        f"{numbers_url}/{_own_sid(found)}.json",
        lambda address: {"form": {"SmsUrl": address, "SmsMethod": "POST", "SmsApplicationSid": ""}},
    )


def _service_inbox(account: Account, sender: str) -> _Inbox:
    """A service may leave the choice of the address to its numbers."""
    resource = f"{_messaging_url()}/v1/Services/{sender}"
    found = _call(account, "GET", resource)
    leaves_it = payloads.find(found, "use_inbound_webhook_on_number") is True
    return _Inbox(
        "" if leaves_it else payloads.text(found, "inbound_request_url"),
        payloads.text(found, "inbound_method"),
        resource,
        lambda address: {
            "form": {
                "InboundRequestUrl": address,
                "InboundMethod": "POST",
                "UseInboundWebhookOnNumber": "false",
            }
        },
    )


def _whatsapp_inbox(account: Account, sender: str) -> _Inbox | None:
    """The sandbox is in no list, and not every account may use this API: then it is done by hand."""
    senders_url = f"{_messaging_url()}/v2/Channels/Senders"
    query = urlencode({"Channel": "whatsapp", "PageSize": MAX_SENDERS})
    try:
        senders = _call(account, "GET", f"{senders_url}?{query}")
    except (SendRejected, CredentialRejected):
        return None
    found = _matching(senders, "senders", "sender_id", sender)
    if found is None:
        return None
    return _Inbox(
        payloads.text(found, "webhook", "callback_url"),
        payloads.text(found, "webhook", "callback_method"),
        f"{senders_url}/{_own_sid(found)}",
        lambda address: {"content": {"webhook": {"callback_url": address, "callback_method": "POST"}}},
    )


def _matching(page: Any, field: str, name: str, value: str) -> Any:
    items = payloads.find(page, field)
    return next((each for each in items or [] if payloads.find(each, name) == value), None)


def _own_sid(resource: Any) -> str:
    return quote(payloads.text(resource, "sid"), safe="")


def _inbox_problem(inbox: _Inbox | None, sender: str, webhook_url: str) -> str:
    """What keeps messages from coming here, in a sentence for an org admin; "" where nothing does."""
    if inbox is None:
        return (
            f"Twilio's API does not know {sender[:50]} in this account: check it, or enter "
            f"{webhook_url}{RETRIES} at Twilio as “When a message comes in” of the number, sender or sandbox."
        )
    address, _, retries = inbox.url.partition("#")
    if not address:
        return "Twilio delivers no messages: save the channel again to register its address."
    if address != webhook_url or inbox.method.upper() not in ("", "POST"):
        return (
            "Twilio delivers to another address: save the channel again, and make sure that no other program "
            "or channel uses this number."
        )
    return "" if retries else "Twilio gives up on a message after one failure: save the channel again."


class Twilio:
    """A phone number, WhatsApp sender or messaging service, one channel each."""

    name: ClassVar[str] = "twilio"
    label: ClassVar[str] = "Twilio (SMS, WhatsApp)"
    fields: ClassVar[Sequence[Field]] = (
        Field("account_sid", "Account SID", "On the first page of the Twilio console; it begins with AC."),
        Field("auth_token", "Auth token", "Beside the account SID.", secret=True),
        Field(
            "sender",
            "Number",
            "Who writes: a number of the account like +14155550100, a WhatsApp sender like "
            "whatsapp:+14155550100, or a messaging service by its SID, which begins with MG.",
        ),
    )
    options: ClassVar[Sequence[Field]] = ()
    pages: ClassVar[Mapping[str, str]] = {}
    text_limit: ClassVar[int] = 1600
    shows_typing: ClassVar[bool] = False
    reconciles: ClassVar[bool] = True
    names_contacts: ClassVar[bool] = True
    numbers_choices: ClassVar[bool] = True
    """An SMS has no buttons, and WhatsApp's are templates here, which Meta has to approve first."""
    reply_window: ClassVar[timedelta | None] = None
    """SMS has none. WhatsApp's 24 hours Twilio keeps itself (error 63016)."""

    def shared_account(self) -> Account | None:
        return None

    def verify(self, request: Request, account: Account) -> None:
        token = _credential(account, "auth_token")
        if not token:
            raise SignatureError("The channel has no auth token: enter it in the channel.")
        given = request.headers.get(SIGNATURE_HEADER, "").encode("utf-8", "surrogatepass")
        fields = _signed_fields(request)
        if not any(
            hmac.compare_digest(given, _signature(token, address, fields))
            for address in _public_addresses(request)
        ):
            raise SignatureError("The signature is missing or wrong: is HUB_WEBHOOK_URL what Twilio calls?")

    def parse(self, request: Request, account: Account) -> Sequence[Inbound]:
        """The address counts too, for the reference in it; an Unread carries that in its body."""
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

    def acknowledge(self, request: Request, account: Account) -> Response:
        """TwiML that says nothing: Twilio would send the contact whatever text stood here."""
        return Response(200, "<Response/>", "text/xml")

    def after_storing(self, account: Account, inbound: Inbound) -> None:
        """Nothing is expected."""

    def serve(self, request: Request, account: Account, subpath: str, view: ContactView) -> Response:
        return Response(404)

    def send(
        self, account: Account, contact: str, text: str, reference: str, choices: Sequence[str] = ()
    ) -> str:
        sender = _credential(account, "sender")
        webhook_url = f"{settings.WEBHOOK_URL}/{self.name}/{account.channel_id}"
        form = {
            "MessagingServiceSid" if _is_service(sender) else "From": sender,
            "To": contact,
            "Body": _printable(f"{text}{_numbered(choices)}"),
            "StatusCallback": f"{webhook_url}?{urlencode({_REFERENCE: reference})}{RETRIES}",
        }
        sent = _call(account, "POST", f"{_account_url(account)}/Messages.json", form=form)
        return payloads.text(sent, "sid") or f"sent:{reference}"

    def show_typing(self, account: Account, contact: str, message_id: str) -> None:
        """Twilio offers no such thing."""

    def split(self, text: str, choices: Sequence[str] = ()) -> Sequence[str]:
        """Twilio says "1600 characters" and counts an SMS in UTF-16 code units: the stricter of the two."""
        size = sum(texts.utf16_units(character) for character in _numbered(choices))
        return texts.split(text, self.text_limit - size, texts.utf16_units)

    def fetch_media(self, account: Account, media: Media, limit_bytes: int) -> FetchedMedia:
        """Twilio keeps the file until somebody deletes it there, and sends whoever may have it on to where it
        lies."""
        is_api = is_at(media.reference, settings.TWILIO_API_URL)
        headers = _authorization(account) if is_api else {}
        return Download("Twilio", limit_bytes, settings.TWILIO_API_URL, headers).fetch(media.reference)

    def look_up(self, account: Account, contact: str) -> Sender | None:
        """A number has no name, and that of a WhatsApp contact comes with each message."""
        return None

    def new_secrets(self) -> Mapping[str, str]:
        return {}

    def identify(self, account: Account) -> Health:
        """A number or service has one webhook: it can be one channel only."""
        return Health(self._name(account), address=_credential(account, "sender"))

    def register(self, account: Account, webhook_url: str) -> Health:
        name = self._name(account)
        inbox = _find_inbox(account)
        if inbox is not None:
            _call(account, "POST", inbox.resource, **inbox.change(f"{webhook_url}{RETRIES}"))
        return Health(name)

    def check(self, account: Account, webhook_url: str) -> Health:
        name = self._name(account)
        inbox = _find_inbox(account)
        problem = _inbox_problem(inbox, _credential(account, "sender"), webhook_url)
        delivers_here = None if inbox is None else inbox.url.partition("#")[0] == webhook_url
        validity = Validity(is_endless=True)
        return Health(name, [problem] if problem else [], validity=validity, delivers_here=delivers_here)

    def renew(self, account: Account) -> Mapping[str, Any] | None:
        """An account's auth token has no end."""
        return None

    def sample(self, account: Account, address: str, text: str) -> Sample:
        """By a number that cannot be: no country has the code 999."""
        sender, number = _credential(account, "sender"), f"+999{secrets.randbelow(10**11):011d}"
        contact = f"whatsapp:{number}" if sender.startswith("whatsapp:") else number
        sid = f"SM{secrets.token_hex(16)}"
        form = {
            **dict.fromkeys(("MessageSid", "SmsSid", "SmsMessageSid"), sid),
            "AccountSid": _account_sid(account),
            "From": contact,
            "To": sender,
            "Body": text.encode("utf-8", "replace").decode(),
            "NumMedia": "0",
            "NumSegments": "1",
            "SmsStatus": "received",
            "ApiVersion": "2010-04-01",
        }
        unsigned = Request(
            "POST",
            f"/{self.name}/{account.channel_id}",
            headers={"content-type": _FORM},
            body=urlencode(form).encode(),
        )
        _, url = _public_addresses(unsigned)
        signature = _signature(_credential(account, "auth_token"), url, _signed_fields(unsigned)).decode()
        headers = {**unsigned.headers, SIGNATURE_HEADER: signature}
        return Sample(contact, replace(unsigned, headers=headers))

    def _name(self, account: Account) -> str:
        """Whose account it is, and the sender. Raises CredentialRejected where the account is closed."""
        found = _call(account, "GET", f"{_account_url(account)}.json")
        status = payloads.text(found, "status")
        if status not in ("", "active"):
            raise CredentialRejected(
                f"The Twilio account is {status[:20]}: settle that in the Twilio console."
            )
        return f"{payloads.text(found, 'friendly_name')} {_credential(account, 'sender')}".strip()
