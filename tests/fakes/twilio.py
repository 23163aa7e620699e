"""A Twilio that behaves as the real one is documented to, for tests and for trying the hub by hand.

`with FakeTwilio() as twilio:` starts it on a free port. `python -m tests.fakes.twilio --port N` starts it
with
a small control API: POST /control/message {"from", "to", "text"}, GET /control/sent.

It takes messages of its account (Accounts/…/Messages.json) and keeps where each number, WhatsApp sender and
messaging service delivers to. It posts signed forms: what people `write`, and with `report` what became of a
message, in whatever order a test wants. What follows `#` in an address is not requested and not signed; it
says how often a failed post is repeated.
"""

import argparse
import base64
import hashlib
import hmac
import itertools
import json
import threading
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from tests.fakes.server import FakeServer

ACCOUNT_SID = "AC00000000000000000000000000000000"
AUTH_TOKEN = "fake-auth-token-that-nobody-may-see"
SERVICE_SID = "MG00000000000000000000000000000001"
NUMBER = "+18005551212"
WHATSAPP = "whatsapp:+14155238886"
TEXT_LIMIT = 1600
ANY_FAILURE = "all"

Answer = tuple[int, str, Mapping[str, str]]


class ApiError(Exception):
    """What the API answers instead of a resource (twilio.com/docs/usage/twilios-response)."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def as_json(self) -> dict[str, Any]:
        more = f"https://www.twilio.com/docs/errors/{self.code}"
        return {"code": self.code, "message": str(self), "more_info": more, "status": self.status}


@dataclass(frozen=True)
class Fault:
    """What happens to the next call: an error of the API, a raw answer, or silence. `after`: the call is
    carried out first."""

    error: ApiError | None = None
    raw: tuple[int, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    silence_seconds: float = 0.0
    after: bool = False


@dataclass(frozen=True)
class Call:
    """A request to the API, with its form, JSON or query."""

    method: str
    path: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Delivery:
    """A post to a webhook: the address that was asked for, its form, headers and the answer."""

    url: str
    form: Mapping[str, str]
    headers: Mapping[str, str]
    status: int
    body: str


def signature(token: str, url: str, form: Mapping[str, str] | Sequence[tuple[str, str]]) -> str:
    """The value of X-Twilio-Signature for a post of `form` to `url`."""
    pairs = form.items() if isinstance(form, Mapping) else form
    signed = url + "".join(name + value for name, value in sorted(set(pairs)))
    return base64.b64encode(hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()).decode()


class FakeTwilio:
    """The server and what it has seen. `calls` holds every call in order, `sent` the messages that it took,
    `deliveries` every post to a webhook. `reports`: the states that it reports of each message by itself."""

    def __init__(self, port: int = 0, reports: Sequence[str] = ()) -> None:
        self.calls: list[Call] = []
        self.sent: list[dict[str, Any]] = []
        self.deliveries: list[Delivery] = []
        self.reports = reports
        self.account: dict[str, Any] = {
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
        self._faults: deque[Fault] = deque()
        self._ids = itertools.count(1)
        self._changed = threading.Condition()
        self._is_closed = threading.Event()
        self._server = FakeServer(("127.0.0.1", port), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.add_number(f"{NUMBER}3")  # another, which holds the first: Twilio finds it too
        self.add_number(NUMBER)
        self.add_whatsapp_sender(WHATSAPP)

    def __enter__(self) -> "FakeTwilio":
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_closed.set()
        self._server.shutdown()
        self._server.server_close()

    # --- what a test does -----------------------------------------------------------------------------------

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

    def add_file(self, content: bytes, media_type: str) -> str:
        """A file that somebody sent; returns the address that a webhook names."""
        sid = self._sid("ME")
        self.files[sid] = content, media_type
        return f"{self.url}/2010-04-01/Accounts/{ACCOUNT_SID}/Messages/MM0/Media/{sid}"

    def fail_next(self, fault: Fault) -> None:
        """Let the next call go wrong; several calls queue up."""
        self._faults.append(fault)

    def write(self, contact: str, text: str, to: str = NUMBER, **fields: str) -> dict[str, str]:
        """A person writes; the form that is posted to the webhook of `to`. `fields`: what else it holds."""
        form = self.compose(contact, text, to, **fields)
        address = self._inbox(to)
        if address:
            threading.Thread(target=self.post, args=(address, form), daemon=True).start()
        return form

    def compose(self, contact: str, text: str, to: str = NUMBER, **fields: str) -> dict[str, str]:
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
            "To": to,
        }
        if contact.startswith("whatsapp:"):
            form |= {"ProfileName": f"Person {contact[-4:]}", "WaId": contact[10:], "MessageType": "text"}
        else:
            form |= {"FromCity": "", "FromCountry": "US"}
        return form | fields

    def report(self, sid: str, *states: str, error_code: int = 0) -> None:
        """Tell what became of a message: each of the states, in this order, to the message's own address."""
        message = next(each for each in self.sent if each["sid"] == sid)
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
                self.post(message["status_callback"], form)

    def post(self, address: str, form: Mapping[str, str]) -> int:
        """Post a signed form to a webhook, as often as its address asks for; the last status, 0 where
        none came."""
        url, _, overrides = address.partition("#")
        asked = dict(parse_qsl(overrides))
        attempts = 1 + (int(asked.get("rc", 0)) if asked.get("rp") == ANY_FAILURE else 0)
        token = hashlib.sha1(json.dumps(form, sort_keys=True).encode()).hexdigest()  # noqa: S324 - an id
        status = 0
        for _ in range(attempts):
            headers = {
                "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
                "X-Twilio-Signature": signature(AUTH_TOKEN, url, form),
                "I-Twilio-Idempotency-Token": token,
            }
            status, body = self._post(url, urlencode(form).encode(), headers)
            with self._changed:
                self.deliveries.append(Delivery(url, dict(form), headers, status, body))
                self._changed.notify_all()
            if 200 <= status < 300 or self._is_closed.wait(0.02):
                break
        return status

    def wait_until(self, condition: Callable[["FakeTwilio"], bool], timeout_seconds: float = 10) -> None:
        """Wait for something to become true of what the server has seen; TimeoutError after that."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self), timeout_seconds):
                raise TimeoutError("the fake Twilio did not see what the test waits for")

    def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
        request = urllib.request.Request(url, body, dict(headers))  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def _inbox(self, to: str) -> str:
        if to in self.numbers:
            return str(self.numbers[to]["sms_url"] or "")
        if to in self.whatsapp:
            return str(self.whatsapp[to]["webhook"]["callback_url"] or "")
        return str(self.service["inbound_request_url"] or "")

    def _sid(self, prefix: str) -> str:
        return f"{prefix}{next(self._ids):032x}"

    # --- the API --------------------------------------------------------------------------------------------

    def answer(self, call: Call, authorization: str) -> Answer | None:
        """Status, body and headers for a call; None for a connection that breaks."""
        with self._changed:
            self.calls.append(call)
            fault = self._faults.popleft() if self._faults else None
            self._changed.notify_all()
        if fault and not fault.after:
            return self._go_wrong(fault)
        try:
            status, content = self._carry_out(call, authorization)
        except ApiError as error:
            status, content = error.status, error.as_json()
        moved = {"location": content["location"]} if status == 307 else {}
        return self._go_wrong(fault) if fault else (status, json.dumps(content), moved)

    def _go_wrong(self, fault: Fault) -> Answer | None:
        if fault.error:
            return fault.error.status, json.dumps(fault.error.as_json()), fault.headers
        if fault.raw:
            return (*fault.raw, fault.headers)
        self._is_closed.wait(fault.silence_seconds)
        return None

    def _carry_out(self, call: Call, authorization: str) -> tuple[int, Any]:
        expected = base64.b64encode(f"{ACCOUNT_SID}:{AUTH_TOKEN}".encode()).decode()
        if authorization != f"Basic {expected}":
            raise ApiError(401, 20003, "Authenticate")
        account = f"/2010-04-01/Accounts/{ACCOUNT_SID}"
        if (call.method, call.path) == ("GET", f"{account}.json"):
            return 200, self.account
        if (call.method, call.path) == ("POST", f"{account}/Messages.json"):
            return 201, self._take(call.parameters)
        if (call.method, call.path) == ("GET", f"{account}/IncomingPhoneNumbers.json"):
            part = call.parameters.get("PhoneNumber", "")
            found = [each for number, each in self.numbers.items() if part in number]
            return 200, {"incoming_phone_numbers": found, "next_page_uri": None}
        if (call.method, call.path) == ("GET", "/v2/Channels/Senders"):
            return 200, {
                "senders": [*self.whatsapp.values()],
                "meta": {"key": "senders", "next_page_url": None},
            }
        sid = call.path.removeprefix(f"{account}/Messages/MM0/Media/")
        if sid in self.files:
            return 307, {"location": f"{self.url}/files/{sid}"}
        return self._resource(call)

    def _resource(self, call: Call) -> tuple[int, Any]:
        """A number, sender or messaging service at its own address."""
        for path, resource in self._resources():
            if call.path == path:
                if call.method == "POST":
                    self._change(resource, call.parameters)
                return 200, resource
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
        with self._changed:
            self.sent.append({**message, "status_callback": callback})
            self._changed.notify_all()
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


def _handler(fake: FakeTwilio) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            """Nothing."""

        def do_GET(self) -> None:
            if urlsplit(self.path).path == "/control/sent":
                self._say(200, json.dumps(fake.sent), {})
            elif (sid := urlsplit(self.path).path.removeprefix("/files/")) in fake.files:
                self._say_bytes(200, *fake.files[sid])
            else:
                self._answer()

        def do_POST(self) -> None:
            if urlsplit(self.path).path == "/control/message":
                given = self._parameters()
                self._say(200, json.dumps(fake.write(given["from"], given["text"], given["to"])), {})
            else:
                self._answer()

        def _answer(self) -> None:
            call = Call(self.command, urlsplit(self.path).path, self._parameters())
            answer = fake.answer(call, self.headers.get("authorization", ""))
            if answer is None:
                self.close_connection = True
            else:
                self._say(*answer)

        def _parameters(self) -> dict[str, Any]:
            body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
            if "json" in self.headers.get("content-type", ""):
                return dict(json.loads(body or "{}"))
            given = parse_qs(f"{urlsplit(self.path).query}&{body}", keep_blank_values=True)
            return {name: values[0] for name, values in given.items() if name}

        def _say(self, status: int, body: str, headers: Mapping[str, str]) -> None:
            self._say_bytes(status, body.encode(), "application/json", headers)

        def _say_bytes(
            self, status: int, content: bytes, content_type: str, headers: Mapping[str, str] | None = None
        ) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A fake Twilio on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=8091)
    with FakeTwilio(parser.parse_args().port, reports=("sent", "delivered")) as fake:
        print(  # noqa: T201
            f"The fake Twilio listens at {fake.url}: set HUB_TWILIO_API_URL to it. Account {ACCOUNT_SID}, "
            f"auth token {AUTH_TOKEN}, number {NUMBER} or {WHATSAPP}.",
            flush=True,
        )
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
