"""A Twilio that behaves as the real one is documented to, for tests and for trying the hub by hand.

It takes messages of its account (Accounts/…/Messages.json) and keeps where each number, WhatsApp sender and
messaging service delivers to. It posts signed forms: what people `write`, and with `report` what became of a
message, in whatever order a test wants. What follows `#` in an address is not requested and not signed; it
says how often a failed post is repeated.

An account here is what the hub's channel sends from: a number, or "whatsapp:" and a number.
"""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.fakes import platform
from tests.fakes.platform import PUNCTUAL, Account, Call, FakePlatform, Fault, Habits, Lane
from tests.fakes.server import Answer, Request

ACCOUNT_SID = "AC00000000000000000000000000000000"
AUTH_TOKEN = "fake-auth-token-that-nobody-may-see"
SERVICE_SID = "MG00000000000000000000000000000001"
NUMBER = "+18005551212"
MEDIA = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages/MM0/Media/"
FILES = "/files/"
WHATSAPP = "whatsapp:+14155238886"
TEXT_LIMIT = 1600
ANY_FAILURE = "all"
AGAIN_SECONDS = 0.02


class ApiError(platform.ApiError):
    """What the API answers instead of a resource (twilio.com/docs/usage/twilios-response)."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def as_json(self) -> dict[str, Any]:
        more = f"https://www.twilio.com/docs/errors/{self.code}"
        return {"code": self.code, "message": str(self), "more_info": more, "status": self.status}


def signature(token: str, url: str, form: Mapping[str, str] | Sequence[tuple[str, str]]) -> str:
    """The value of X-Twilio-Signature for a post of `form` to `url`. Bytes that are no text stand in the form
    as `surrogateescape` reads them."""
    pairs = form.items() if isinstance(form, Mapping) else form
    text = url + "".join(name + value for name, value in sorted(set(pairs)))
    signed = text.encode("utf-8", "surrogateescape")
    return base64.b64encode(hmac.new(token.encode(), signed, hashlib.sha1).digest()).decode()


class FakeTwilio(FakePlatform):
    """The server: one Twilio account with `numbers`, senders of `whatsapp` and a messaging `service`.
    `messages` are those that it took, `reports` the states that it reports of each by itself."""

    title: ClassVar[str] = "Twilio"
    kinds: ClassVar[Sequence[str]] = ("twilio",)
    sends: ClassVar[str] = "Messages.json"
    too_fast: ClassVar[Fault] = Fault(ApiError(429, 20429, "Too Many Requests"), headers={"Retry-After": "2"})

    def __init__(self, port: int = 0, habits: Habits = PUNCTUAL) -> None:
        super().__init__(port, habits)
        self.reports: Sequence[str] = ()
        self.auth_token = AUTH_TOKEN
        self.messages: list[dict[str, Any]] = []
        self.account_resource: dict[str, Any] = {
            "sid": ACCOUNT_SID,
            "friendly_name": "Bright Smile",
            "status": "active",
            "type": "Full",
        }
        self.numbers: dict[str, dict[str, Any]] = {}
        self.whatsapp: dict[str, dict[str, Any]] = {}
        self.service: dict[str, Any] = {
            "sid": SERVICE_SID,
            "friendly_name": "Reminders",
            "inbound_request_url": None,
            "inbound_method": "POST",
            "use_inbound_webhook_on_number": True,
        }
        self.files: dict[str, tuple[bytes, str]] = {}
        self.opted_out: set[str] = set()
        self.closed_windows: set[str] = set()
        self.add_number(f"{NUMBER}3")  # another, which holds the first: Twilio finds it too
        self.add_number(NUMBER)
        self.add_whatsapp_sender(WHATSAPP)

    # --- accounts -------------------------------------------------------------------------------------------

    @property
    def hub_settings(self) -> Mapping[str, str]:
        return {"HUB_TWILIO_API_URL": self.url}

    def open_account(self, kind: str, name: str, address: str = "", **credentials: str) -> Account:
        sender = credentials.get("sender") or f"+1800{next(self._ids):07}"
        add = self.add_whatsapp_sender if sender.startswith("whatsapp:") else self.add_number
        add(sender)
        return self._keep(Account(kind, sender, name, self._credentials(sender)))

    def renew_token(self, account: str) -> Mapping[str, str]:
        """Of all numbers: they are of one account at Twilio."""
        self.auth_token = f"auth-token-{next(self._ids)}"
        for each in self.accounts:
            self._keep(replace(each, credentials=self._credentials(each.address)))
        return self.account(account).credentials

    def _credentials(self, sender: str) -> Mapping[str, str]:
        return {"account_sid": ACCOUNT_SID, "auth_token": self.auth_token, "sender": sender}

    def add_number(self, number: str) -> dict[str, Any]:
        """Buy a phone number."""
        self.numbers[number] = {
            "sid": f"PN{len(self.numbers):032x}",
            "phone_number": number,
            "sms_url": "",
            "sms_method": "POST",
            "sms_application_sid": "",
            "capabilities": {"sms": True, "mms": True, "voice": True},
        }
        return self.numbers[number]

    def add_whatsapp_sender(self, sender: str) -> dict[str, Any]:
        """Register a number with WhatsApp."""
        self.whatsapp[sender] = {
            "sid": f"XE{len(self.whatsapp):032x}",
            "sender_id": sender,
            "status": "ONLINE",
            "webhook": {"callback_url": None, "callback_method": None},
        }
        return self.whatsapp[sender]

    # --- what people do -------------------------------------------------------------------------------------

    def write(self, account: str, contact: Any, text: str, *, age_seconds: float = 0.0) -> str:
        """Its form tells no time: nobody sees how old it is."""
        form = self.compose(account, contact, text)
        self._note_written(account, contact, form["MessageSid"], text)
        if address := self.webhook_of(account):
            self.lanes.put((account, form["MessageSid"]), (address, form))
        return form["MessageSid"]

    def compose(self, account: str, contact: str, text: str, **content: str) -> dict[str, str]:
        """The form that a person's message makes."""
        sid = self._sid("SM")
        form = {
            "SmsMessageSid": sid,
            "NumMedia": "0",
            "SmsSid": sid,
            "SmsStatus": "received",
            "Body": text,
            "NumSegments": "1",
            "MessageSid": sid,
            "AccountSid": ACCOUNT_SID,
            "ApiVersion": "2010-04-01",
            "From": contact,
            "To": account,
        }
        if contact.startswith("whatsapp:"):
            form |= {"ProfileName": f"Person {contact[-4:]}", "WaId": contact[10:], "MessageType": "text"}
        else:
            form |= {"FromCity": "", "FromCountry": "US"}
        return form | content

    def report(self, sid: str, *states: str, error_code: int = 0) -> None:
        """Tell what became of a message: each of the states, in this order, to the message's own address."""
        message = next(each for each in self.messages if each["sid"] == sid)
        for state in states:
            form = {
                "SmsSid": sid,
                "SmsStatus": state,
                "MessageStatus": state,
                "MessageSid": sid,
                "To": message["to"],
                "From": message["from"] or NUMBER,
                "AccountSid": ACCOUNT_SID,
                "ApiVersion": "2010-04-01",
            }
            if error_code:
                form["ErrorCode"] = str(error_code)
            if message["status_callback"]:
                self.post_form(message["status_callback"], form)

    def add_file(self, content: bytes, media_type: str) -> str:
        """A file that somebody sent; returns the address that a webhook names."""
        sid = self._sid("ME")
        self.files[sid] = content, media_type
        return f"{self.url}{MEDIA}{sid}"

    def webhook_of(self, account: str) -> str:
        if account in self.numbers:
            return str(self.numbers[account]["sms_url"] or "")
        if account in self.whatsapp:
            return str(self.whatsapp[account]["webhook"]["callback_url"] or "")
        return str(self.service["inbound_request_url"] or "")

    def _sid(self, prefix: str) -> str:
        return f"{prefix}{next(self._ids):032x}"

    # --- the API --------------------------------------------------------------------------------------------

    def respond(self, request: Request) -> Answer | None:
        if (sid := request.path.removeprefix(FILES)) in self.files:
            content, media_type = self.files[sid]
            return Answer(200, content, {"content-type": media_type})
        return super().respond(request)

    def call_of(self, request: Request) -> Call:
        token = request.headers.get("authorization", "")
        operation = request.path.rpartition("/")[2]
        return Call(operation, token, request.parameters, "", request.method, request.path)

    def carry_out(self, call: Call) -> Answer:
        expected = base64.b64encode(f"{ACCOUNT_SID}:{self.auth_token}".encode()).decode()
        if call.token != f"Basic {expected}":
            raise ApiError(401, 20003, "Authenticate")
        account = f"/2010-04-01/Accounts/{ACCOUNT_SID}"
        match call.method, call.path.removeprefix(account):
            case "GET", ".json":
                return Answer.of_json(self.account_resource)
            case "POST", "/Messages.json":
                return Answer.of_json(self._take(call.parameters), 201)
            case "GET", "/IncomingPhoneNumbers.json":
                part = call.parameters.get("PhoneNumber", "")
                found = [each for number, each in self.numbers.items() if part in number]
                return Answer.of_json({"incoming_phone_numbers": found, "next_page_uri": None})
            case "GET", "/v2/Channels/Senders":
                meta = {"key": "senders", "next_page_url": None}
                return Answer.of_json({"senders": [*self.whatsapp.values()], "meta": meta})
        if (sid := call.path.removeprefix(MEDIA)) in self.files:
            return Answer(307, headers={"location": f"{self.url}{FILES}{sid}"})
        return Answer.of_json(self._resource(call))

    def _resource(self, call: Call) -> dict[str, Any]:
        """A number, sender or messaging service at its own address."""
        for path, resource in self._resources():
            if call.path == path:
                if call.method == "POST":
                    self._change(resource, call.parameters)
                return resource
        raise ApiError(404, 20404, f"The requested resource {call.path} was not found")

    def _resources(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for number in self.numbers.values():
            yield (
                f"/2010-04-01/Accounts/{ACCOUNT_SID}/IncomingPhoneNumbers/{number['sid']}.json",
                number,
            )
        for sender in self.whatsapp.values():
            yield f"/v2/Channels/Senders/{sender['sid']}", sender
        yield f"/v1/Services/{SERVICE_SID}", self.service

    def _change(self, resource: dict[str, Any], given: Mapping[str, Any]) -> None:
        names = {
            "SmsUrl": "sms_url",
            "SmsMethod": "sms_method",
            "SmsApplicationSid": "sms_application_sid",
            "InboundRequestUrl": "inbound_request_url",
            "InboundMethod": "inbound_method",
            "webhook": "webhook",
        }
        resource.update({names[name]: value for name, value in given.items() if name in names})
        if "UseInboundWebhookOnNumber" in given:
            resource["use_inbound_webhook_on_number"] = given["UseInboundWebhookOnNumber"] == "true"

    def _take(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Take a message, or say why not (twilio.com/docs/api/errors)."""
        to, text = str(given.get("To", "")), str(given.get("Body", ""))
        sender, service = str(given.get("From", "")), str(given.get("MessagingServiceSid", ""))
        self._examine(to, text, sender, service)
        callback = str(given.get("StatusCallback", ""))
        if callback and not urlsplit(callback).hostname:
            raise ApiError(400, 21609, f"The StatusCallback URL {callback} is not a valid URL.")
        message = {
            "sid": self._sid("SM"),
            "status": "accepted" if service else "queued",
            "body": text,
            "to": to,
            "from": sender or None,
            "messaging_service_sid": service or None,
            "account_sid": ACCOUNT_SID,
            "error_code": None,
            "error_message": None,
            "direction": "outbound-api",
            "num_segments": "1",
            "num_media": "0",
        }
        self.messages.append({**message, "status_callback": callback})
        self._note_sent(sender or service, to, str(message["sid"]), text)
        states, code = (("failed",), 63016) if to in self.closed_windows else (self.reports, 0)
        if states:
            follow_up = {"args": (message["sid"], *states), "kwargs": {"error_code": code}}
            threading.Thread(target=self.report, daemon=True, **follow_up).start()  # type: ignore[arg-type]
        return message

    def _examine(self, to: str, text: str, sender: str, service: str) -> None:
        if not to:
            raise ApiError(400, 21604, "A 'To' phone number is required.")
        if not sender and not service:
            raise ApiError(400, 21603, "A 'From' phone number is required.")
        if service and service != SERVICE_SID:
            raise ApiError(404, 21701, "The Messaging Service does not exist.")
        if sender.startswith("whatsapp:") and sender not in self.whatsapp:
            raise ApiError(400, 63007, "Twilio could not find a Channel with the specified From address")
        if sender and not sender.startswith("whatsapp:") and sender not in self.numbers:
            raise ApiError(
                400, 21659, f"'From' {sender} is not a Twilio phone number or Short Code country mismatch"
            )
        if not to.removeprefix("whatsapp:").lstrip("+").isdecimal():
            raise ApiError(400, 21211, f"The 'To' number {to} is not a valid phone number.")
        if not text.strip():
            raise ApiError(400, 21602, "Message body is required.")
        if len(text.encode("utf-16-le")) // 2 > TEXT_LIMIT:
            raise ApiError(400, 21617, "The concatenated message body exceeds the 1600 character limit")
        if to in self.opted_out:
            raise ApiError(400, 21610, "Attempt to send to unsubscribed recipient")

    # --- webhooks -------------------------------------------------------------------------------------------

    def post_items(self, lane: Lane, items: Sequence[Any]) -> bool:
        self.post_form(*items[0])
        return True  # it has been tried as often as its address asks for

    def ids_of(self, content: Any) -> Sequence[str]:
        is_report = "MessageStatus" in content
        return [f"{content['MessageSid']}:{content['MessageStatus']}" if is_report else content["MessageSid"]]

    def post_form(self, address: str, form: Mapping[str, str]) -> int:
        """Post a signed form to a webhook, as often as its address asks for; the last status, 0 where
        none came."""
        url, _, overrides = address.partition("#")
        asked = dict(parse_qsl(overrides))
        attempts = 1 + (int(asked.get("rc", 0)) if asked.get("rp") == ANY_FAILURE else 0)
        headers = {
            "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
            "X-Twilio-Signature": signature(self.auth_token, url, form),
            "I-Twilio-Idempotency-Token": hashlib.sha256(
                json.dumps(form, sort_keys=True).encode()
            ).hexdigest(),
        }
        for _ in range(attempts):
            delivery = self.post(url, urlencode(form).encode(), dict(form), headers)
            if delivery.is_taken or self._is_closed.wait(AGAIN_SECONDS):
                break
        return delivery.status
