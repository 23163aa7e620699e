"""A WhatsApp Cloud API that behaves as the real one is documented to, for tests and for trying the hub by
hand.

`with FakeWhatsApp() as whatsapp:` starts it on a free port. `python -m tests.fakes.whatsapp --port N` starts
it with a small control API: POST /control/message {"number_id", "phone", "text"}, GET /control/sent.

Webhooks are signed with the secret of the app that is subscribed to the number's business account, go to the
address that overrides the app's, hold what `deliver` was given at once, and come again, later and later,
until they are answered with 2xx. A message that is taken is reported on (`statuses`); that the 24 hours are
over, the API says in such a report and not in its answer, as the real one does.
"""

import argparse
import hashlib
import hmac
import itertools
import json
import re
import secrets
import threading
import time
import urllib.error
import urllib.request
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.fakes.server import FakeServer

TEXT_LIMIT = 4096
WINDOW_SECONDS = 24 * 3600
PAIR_BURST = 45
PAIR_SECONDS = 6.0
MEDIA_URL_SECONDS = 300
USER_ID = re.compile(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}")

Change = tuple[str, dict[str, Any]]
"""The id of a business account, and one change in it."""


class ApiError(Exception):
    """What the API answers instead of a result."""

    def __init__(
        self, code: int, message: str, *, status: int = 400, subcode: int = 0, details: str = ""
    ) -> None:
        super().__init__(message)
        self.code, self.status, self.subcode, self.details = code, status, subcode, details

    def as_json(self) -> dict[str, Any]:
        error: dict[str, Any] = {
            "message": f"(#{self.code}) {self}",
            "type": "OAuthException",
            "code": self.code,
            "fbtrace_id": "A4O5a8RAgePwbcGSu",
        }
        if self.subcode:
            error["error_subcode"] = self.subcode
        if self.details:
            error["error_data"] = {"messaging_product": "whatsapp", "details": self.details}
        return {"error": error}


@dataclass(frozen=True)
class Fault:
    """What happens to the next call of an operation: an error of the API, a raw answer, or silence. `after`:
    the call is carried out first."""

    error: ApiError | None = None
    raw: tuple[int, str] | None = None
    silence_seconds: float = 0.0
    after: bool = False


@dataclass
class App:
    """A Meta app: its secret signs webhooks, its tokens open the API."""

    id: str
    secret: str
    callback_url: str = ""


@dataclass
class Number:
    """A business phone number."""

    id: str
    waba_id: str
    display: str = "+49 30 901820"
    name: str = "Lakeside Clinic"
    status: str = "CONNECTED"
    quality: str = "GREEN"


SCOPES = ("whatsapp_business_management", "whatsapp_business_messaging")
LONG_LIVED_SECONDS = 60 * 86400


@dataclass
class Token:
    """A token of an app; `expires_at` 0 for never. `is_developers`: it may inspect tokens."""

    app_id: str
    expires_at: float = 0.0
    is_revoked: bool = False
    is_developers: bool = False
    scopes: Sequence[str] = SCOPES


@dataclass(frozen=True)
class Person:
    """Somebody who writes. Without `phone` they keep their number to themselves; without `user_id` they are
    known as before 2026."""

    phone: str = ""
    user_id: str = ""
    name: str = "Person"

    def as_contact(self) -> dict[str, Any]:
        ids = {"wa_id": self.phone, "user_id": self.user_id}
        return {"profile": {"name": self.name}, **{key: value for key, value in ids.items() if value}}

    def named(self, phone_key: str, user_key: str) -> dict[str, str]:
        return {key: each for key, each in ((phone_key, self.phone), (user_key, self.user_id)) if each}


@dataclass(frozen=True)
class Call:
    """A call of the API: the operation ("messages", "subscribed_apps", "number", "media", "debug_token"),
    the object it was made on, and what was sent."""

    method: str
    operation: str
    target: str
    token: str
    content: Any


@dataclass
class _Sent:
    number: Number
    person: Person
    reference: str | None


class FakeWhatsApp:
    """The server and what it has seen. `calls` holds every call in order, `sent` the texts it took, `read`
    the ids of messages marked as read, `typing` those answered with a typing sign, `deliveries` the status
    and body of each webhook that was posted. `now` may be set to another clock."""

    def __init__(self, port: int = 0, retry_seconds: float = 0.05, max_retry_seconds: float = 1.0) -> None:
        self.apps: dict[str, App] = {}
        self.numbers: dict[str, Number] = {}
        self.tokens: dict[str, Token] = {}
        self.subscriptions: dict[tuple[str, str], str] = {}
        self.calls: list[Call] = []
        self.sent: list[dict[str, Any]] = []
        self.read: list[str] = []
        self.typing: list[str] = []
        self.deliveries: list[tuple[int, dict[str, Any]]] = []
        self.statuses: Sequence[str] = ("sent", "delivered")
        self.now: Callable[[], float] = time.time
        self.makes_up_numbers = False
        self._retry_seconds = retry_seconds
        self._max_retry_seconds = max_retry_seconds
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._people: dict[str, Person] = {}
        self._written_at: dict[tuple[str, str], float] = {}
        self._pairs: dict[tuple[str, str], tuple[float, float]] = {}
        self._messages: dict[str, _Sent] = {}
        self._received: set[str] = set()
        self._media: dict[str, tuple[bytes, str]] = {}
        self._media_urls: dict[str, tuple[str, float]] = {}
        self._waiting = 0
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._is_closed = threading.Event()
        self._ids = itertools.count(1)
        self._server = FakeServer(("127.0.0.1", port), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "FakeWhatsApp":
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_closed.set()
        self._server.shutdown()
        self._server.server_close()

    # --- what a test does -----------------------------------------------------------------------------------

    def add_app(self, app_id: str, secret: str, callback_url: str = "") -> App:
        """A Meta app whose messages go to `callback_url`, unless an override says otherwise."""
        return self.apps.setdefault(app_id, App(app_id, secret, callback_url))

    def add_number(self, number_id: str, waba_id: str, **more: str) -> Number:
        """A number of a business account."""
        return self.numbers.setdefault(number_id, Number(number_id, waba_id, **more))

    def add_token(self, token: str, app_id: str, expires_at: float = 0.0) -> Token:
        """A token for all numbers."""
        return self.tokens.setdefault(token, Token(app_id, expires_at))

    def add_media(self, content: bytes, mime_type: str) -> str:
        """A file that a person sent; returns the media id that a message refers to."""
        media_id = f"{7000 + next(self._ids)}"
        self._media[media_id] = content, mime_type
        return media_id

    def fail_next(self, operation: str, fault: Fault) -> None:
        """Let the next call of an operation go wrong; several calls queue up."""
        self._faults[operation].append(fault)

    def write(self, number_id: str, person: Person, text: str, **message: Any) -> str:
        """A person writes to a number; returns the message's id."""
        change = self.compose(number_id, person, text, **message)
        self.deliver(change)
        return str(change[1]["value"]["messages"][0]["id"])

    def compose(self, number_id: str, person: Person, text: str = "", **message: Any) -> Change:
        """The change that a person's message makes. `message`: fields that are to be otherwise."""
        number = self.numbers[number_id]
        content = {
            **person.named("from", "from_user_id"),
            "id": self._new_id(),
            "timestamp": str(int(self.now())),
            "type": "text",
            **message,
        }
        if content["type"] == "text":
            content.setdefault("text", {"body": text})
        with self._lock:
            for known in (person.phone, person.user_id):
                self._people[known] = person
                self._written_at[number_id, known] = self.now()
            self._received.add(str(content["id"]))
        return self._change(number, "messages", {"contacts": [person.as_contact()], "messages": [content]})

    def compose_echo(self, number_id: str, person: Person, text: str, **message: Any) -> Change:
        """What a person at the business writes in the WhatsApp Business app."""
        number = self.numbers[number_id]
        content = {
            "from": re.sub(r"\D", "", number.display),
            **person.named("to", "to_user_id"),
            "id": self._new_id(),
            "timestamp": str(int(self.now())),
            "type": "text",
            "text": {"body": text},
            **message,
        }
        return self._change(number, "smb_message_echoes", {"message_echoes": [content]})

    def report(self, message_id: str, status: str, error: ApiError | None = None) -> None:
        """Report what became of a message that was sent."""
        self.deliver(self.compose_status(message_id, status, error))

    def compose_status(self, message_id: str, status: str, error: ApiError | None = None) -> Change:
        """The change that such a report makes."""
        sent = self._messages[message_id]
        content: dict[str, Any] = {
            "id": message_id,
            "status": status,
            "timestamp": str(int(self.now())),
            **sent.person.named("recipient_id", "recipient_user_id"),
        }
        if sent.reference is not None:
            content["biz_opaque_callback_data"] = sent.reference
        if error:
            details = {"error_data": {"details": error.details or str(error)}}
            content["errors"] = [{"code": error.code, "title": str(error), "message": str(error), **details}]
        return self._change(sent.number, "messages", {"statuses": [content]})

    def deliver(self, *changes: Change) -> None:
        """Post changes to whoever is subscribed to their accounts: all for one address in one webhook, with
        an entry per account."""
        posts: dict[tuple[str, str], list[Change]] = defaultdict(list)
        with self._lock:
            for waba_id, change in changes:
                for (subscribed_id, app_id), override in self.subscriptions.items():
                    url = override or self.apps[app_id].callback_url
                    if subscribed_id == waba_id and url:
                        posts[app_id, url].append((waba_id, change))
            self._waiting += len(posts)
        for (app_id, url), found in posts.items():
            post = (self.apps[app_id], url, webhook_body(*found))
            threading.Thread(target=self._deliver, args=post, daemon=True).start()

    def wait_until(self, condition: Callable[["FakeWhatsApp"], bool], timeout_seconds: float = 10) -> None:
        """Wait for something to become true of what the server has seen; TimeoutError after that."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self), timeout_seconds):
                raise TimeoutError("the fake WhatsApp did not see what the test waits for")

    def wait_until_delivered(self, timeout_seconds: float = 10) -> None:
        """Wait until no webhook is on its way any more."""
        self.wait_until(lambda fake: fake._waiting == 0, timeout_seconds)

    # --- the API --------------------------------------------------------------------------------------------

    def answer(
        self, method: str, path: str, query: Mapping[str, str], authorization: str, content: Any
    ) -> tuple[int, str] | None:
        """Status and body for a call; None for a connection that breaks."""
        token = authorization.removeprefix("Bearer ")
        _, _, rest = path.strip("/").partition("/")  # behind the version
        target, _, operation = rest.partition("/")
        if target == "debug_token" or rest == "oauth/access_token":
            operation, content = rest.rpartition("/")[2], dict(query)
        elif not operation:
            operation = "media" if target in self._media else "number"
        call = Call(method, operation, target, token, content)
        with self._changed:
            self.calls.append(call)
            fault = self._faults[operation].popleft() if self._faults[operation] else None
        try:
            result = (200, json.dumps(self._call(call))) if not fault or fault.after else None
        except ApiError as error:
            result = (error.status, json.dumps(error.as_json()))
        finally:
            with self._changed:
                self._changed.notify_all()
        return self._go_wrong(fault) if fault else result

    def _go_wrong(self, fault: Fault) -> tuple[int, str] | None:
        if fault.error:
            return fault.error.status, json.dumps(fault.error.as_json())
        if fault.raw:
            return fault.raw
        self._is_closed.wait(fault.silence_seconds)
        return None

    def _call(self, call: Call) -> Any:
        if call.operation == "debug_token":
            return self._debug_token(call)
        if call.operation == "access_token":
            return self._exchange(call)
        app = self._app(call.token)
        match call.method, call.operation:
            case "POST", "messages":
                return self._take(self._known_number(call), call.content or {})
            case "GET", "number":
                return self._describe(self._known_number(call), app)
            case "GET", "media":
                return self._describe_media(call.target)
            case _, "subscribed_apps":
                return self._subscribed_apps(call, app)
        raise ApiError(2500, "Unknown path components")

    def _app(self, token: str) -> App:
        known = self.tokens.get(token)
        if known is None and self.makes_up_numbers and token:
            known = self.add_token(token, next(iter(self.apps)))
        if known is None:
            raise ApiError(190, "Invalid OAuth access token - Cannot parse access token", status=401)
        if known.is_revoked or (known.expires_at and known.expires_at < self.now()):
            message = "Error validating access token: Session has expired"
            raise ApiError(190, message, status=401, subcode=463)
        return self.apps[known.app_id]

    def _debug_token(self, call: Call) -> Any:
        app_id = self._inspector(call.token)
        token = self.tokens.get(call.content.get("input_token", ""))
        if token and token.app_id != app_id:
            raise ApiError(100, "The App_id in the input_token did not match the Viewing App")
        is_valid = token is not None and not (token.is_revoked or 0 < token.expires_at < self.now())
        expires_at = int(token.expires_at) if token else 0
        scopes = list(token.scopes) if token else []
        return {"data": {"app_id": app_id, "is_valid": is_valid, "expires_at": expires_at, "scopes": scopes}}

    def _inspector(self, token: str) -> str:
        """The app whose tokens may be inspected with this one: the app's own, or a developer's."""
        app_id, _, secret = token.partition("|")
        if secret and (app_id not in self.apps or self.apps[app_id].secret != secret):
            raise ApiError(190, "Invalid OAuth access token signature.", status=401)
        if secret:
            return app_id
        app = self._app(token)
        if not self.tokens[token].is_developers:
            raise ApiError(100, "You must provide an app access token, or one of a developer of the app")
        return app.id

    def _exchange(self, call: Call) -> Any:
        """A token of a day becomes one of 60."""
        app_id = self._inspector(call.token)
        given = self.tokens.get(call.content.get("fb_exchange_token", ""))
        asked = (call.content.get("client_id"), call.content.get("client_secret"))
        if asked != (app_id, self.apps[app_id].secret) or given is None or given.app_id != app_id:
            raise ApiError(1, "Error validating client secret.")
        token = f"EAA-long-{next(self._ids)}"
        self.add_token(token, app_id, self.now() + LONG_LIVED_SECONDS)
        return {"access_token": token, "token_type": "bearer", "expires_in": LONG_LIVED_SECONDS}

    def _known_number(self, call: Call) -> Number:
        if call.target not in self.numbers and self.makes_up_numbers and call.target.isdecimal():
            return self.add_number(call.target, "")
        if call.target not in self.numbers:
            message = (
                f"Unsupported {call.method.lower()} request. Object with ID '{call.target}' does not exist"
            )
            raise ApiError(100, message, subcode=33)
        return self.numbers[call.target]

    def _describe(self, number: Number, app: App) -> Any:
        override = self.subscriptions.get((number.waba_id, app.id), "")
        urls = {"whatsapp_business_account": override, "application": app.callback_url}
        return {
            "id": number.id,
            "status": number.status,
            "display_phone_number": number.display,
            "verified_name": number.name,
            "quality_rating": number.quality,
            "webhook_configuration": {level: url for level, url in urls.items() if url},
        }

    def _describe_media(self, media_id: str) -> Any:
        content, mime_type = self._media[media_id]
        key = secrets.token_urlsafe(8)
        self._media_urls[key] = media_id, self.now() + MEDIA_URL_SECONDS
        return {
            "messaging_product": "whatsapp",
            "id": media_id,
            "url": f"{self.url}/files/{key}",
            "mime_type": mime_type,
            "sha256": hashlib.sha256(content).hexdigest(),
            "file_size": len(content),
        }

    def file(self, key: str, authorization: str) -> tuple[int, bytes, str]:
        """What lies at the address of a media file: for five minutes, and only with a token."""
        media_id, until = self._media_urls.get(key, ("", 0.0))
        try:
            self._app(authorization.removeprefix("Bearer "))
        except ApiError as error:
            return error.status, b"", "text/plain"
        if self.now() > until:
            return 404, b"", "text/plain"
        return 200, *self._media[media_id]

    def _subscribed_apps(self, call: Call, app: App) -> Any:
        if call.method == "GET":
            return {"data": [*self._subscribers(call.target)]}
        if call.method != "POST":
            raise ApiError(2500, "Unknown path components")
        given = call.content or {}
        url, verify_token = given.get("override_callback_uri", ""), given.get("verify_token", "")
        if len(url) > 200:
            raise ApiError(100, "Param override_callback_uri must be at most 200 characters long")
        if url:
            self._shake_hands(url, verify_token)
        with self._lock:
            for number in self.numbers.values():
                number.waba_id = number.waba_id or call.target
            self.subscriptions[call.target, app.id] = url  # without a body the override is gone
        return {"success": True}

    def _subscribers(self, waba_id: str) -> Iterable[dict[str, Any]]:
        for (subscribed_id, app_id), override in self.subscriptions.items():
            if subscribed_id == waba_id:
                more = {"override_callback_uri": override} if override else {}
                yield {"whatsapp_business_api_data": {"id": app_id, "name": "App"}, **more}

    def _shake_hands(self, url: str, verify_token: str) -> None:
        challenge = secrets.token_hex(8)
        query = {"hub.mode": "subscribe", "hub.verify_token": verify_token, "hub.challenge": challenge}
        status, body = _http(urllib.request.Request(f"{url}?{urlencode(query)}"))  # noqa: S310
        if status != 200 or body.decode("utf-8", "replace") != challenge:
            message = f"Callback verification failed with the following errors: HTTP Status Code = {status}"
            raise ApiError(2200, message)

    # --- messages -------------------------------------------------------------------------------------------

    def _take(self, number: Number, given: Mapping[str, Any]) -> Any:
        if given.get("messaging_product") != "whatsapp":
            raise ApiError(100, "Invalid parameter", details="The parameter messaging_product is required.")
        if given.get("status") == "read":
            return self._mark_read(given)
        contact = str(given.get("to") or given.get("recipient") or "")
        if not contact:
            raise ApiError(131008, "Required parameter is missing", details="The parameter to is required.")
        if "to" not in given and not USER_ID.fullmatch(contact):
            raise ApiError(100, "Invalid parameter", details="The recipient is no business-scoped user id.")
        self._check_text(given)
        person = self._people.get(
            contact, Person(phone=contact) if "to" in given else Person(user_id=contact)
        )
        self._check_pair(number.id, contact)
        message_id, reference = self._new_id(), given.get("biz_opaque_callback_data")
        body = given["text"]["body"]
        with self._changed:
            self._messages[message_id] = _Sent(number, person, reference)
            self.sent.append(
                {"number_id": number.id, "to": contact, "text": body, "id": message_id, "at": self.now()}
            )
        self._report_on(message_id, number.id, contact)
        return {
            "messaging_product": "whatsapp",
            "contacts": [{"input": contact, **person.named("wa_id", "user_id")}],
            "messages": [{"id": message_id}],
        }

    def _check_text(self, given: Mapping[str, Any]) -> None:
        body = given.get("text", {}).get("body") if given.get("type") == "text" else None
        if not isinstance(body, str):
            raise ApiError(131009, "Parameter value is not valid", details="Only texts are sent here.")
        if not body.strip():
            raise ApiError(100, "The parameter text['body'] is required.")
        if len(body) > TEXT_LIMIT:
            raise ApiError(100, f"Param text['body'] must be at most {TEXT_LIMIT} characters long.")

    def _check_pair(self, number_id: str, contact: str) -> None:
        """A bucket of PAIR_BURST messages, filled with one each PAIR_SECONDS."""
        with self._lock:
            left, at = self._pairs.get((number_id, contact), (float(PAIR_BURST), self.now()))
            left = min(PAIR_BURST, left + (self.now() - at) / PAIR_SECONDS)
            if left < 1:
                details = "Too many messages sent from this phone number to the same phone number."
                raise ApiError(131056, "Pair rate limit hit", details=details)
            self._pairs[number_id, contact] = left - 1, self.now()

    def _report_on(self, message_id: str, number_id: str, contact: str) -> None:
        age = self.now() - self._written_at.get((number_id, contact), 0.0)
        if age > WINDOW_SECONDS:
            details = "More than 24 hours have passed since the customer last replied to this number."
            self.report(message_id, "failed", ApiError(131047, "Re-engagement message", details=details))
            return
        for status in self.statuses:
            self.report(message_id, status)

    def _mark_read(self, given: Mapping[str, Any]) -> Any:
        message_id = str(given.get("message_id", ""))
        if message_id not in self._received:
            raise ApiError(131009, "Parameter value is not valid", details="The message id is not known.")
        self.read.append(message_id)
        if given.get("typing_indicator") == {"type": "text"}:
            self.typing.append(message_id)
        return {"success": True}

    def _new_id(self) -> str:
        return f"wamid.{next(self._ids):06d}"

    def _change(self, number: Number, field_: str, content: dict[str, Any]) -> Change:
        metadata = {
            "display_phone_number": re.sub(r"\D", "", number.display),
            "phone_number_id": number.id,
        }
        value = {"messaging_product": "whatsapp", "metadata": metadata, **content}
        return number.waba_id, {"field": field_, "value": value}

    # --- delivery to the webhook ----------------------------------------------------------------------------

    def _deliver(self, app: App, url: str, body: bytes) -> None:
        pause = self._retry_seconds
        while not self._is_closed.is_set():
            status, _ = _http(signed(url, body, app.secret))
            with self._changed:
                self.deliveries.append((status, json.loads(body)))
                self._waiting -= 200 <= status < 300
                self._changed.notify_all()
            if 200 <= status < 300:
                return
            self._is_closed.wait(pause)
            pause = min(pause * 2, self._max_retry_seconds)


def webhook_body(*changes: Change) -> bytes:
    """One webhook with all of the changes, and an entry for each business account."""
    accounts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for waba_id, change in changes:
        accounts[waba_id].append(change)
    entries = [{"id": waba_id, "changes": found} for waba_id, found in accounts.items()]
    return json.dumps({"object": "whatsapp_business_account", "entry": entries}).encode()


def signature(body: bytes, secret: str) -> str:
    """The value of X-Hub-Signature-256."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def signed(url: str, body: bytes, secret: str) -> urllib.request.Request:
    """A webhook as Meta posts it."""
    headers = {"content-type": "application/json", "X-Hub-Signature-256": signature(body, secret)}
    return urllib.request.Request(url, body, headers)  # noqa: S310


def _http(request: urllib.request.Request) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except OSError:
        return 0, b""


def _handler(fake: FakeWhatsApp) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            """Nothing."""

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path == "/control/sent":
                self._say(200, json.dumps(fake.sent).encode())
            elif path.startswith("/files/"):
                self._say(*fake.file(path.removeprefix("/files/"), self.headers.get("authorization", "")))
            else:
                self._answer("GET")

        def do_POST(self) -> None:
            if urlsplit(self.path).path == "/control/message":
                given = self._content()
                person = Person(given["phone"], name=given.get("name", "Person"))
                message_id = fake.write(given["number_id"], person, given["text"])
                self._say(200, json.dumps({"id": message_id}).encode())
            else:
                self._answer("POST")

        def do_DELETE(self) -> None:
            self._answer("DELETE")

        def _answer(self, method: str) -> None:
            address, authorization = urlsplit(self.path), self.headers.get("authorization", "")
            query = dict(parse_qsl(address.query))
            answer = fake.answer(method, address.path, query, authorization, self._content())
            if answer is None:
                self.close_connection = True
            else:
                self._say(answer[0], answer[1].encode())

        def _content(self) -> Any:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            return json.loads(body) if body else None

        def _say(self, status: int, content: bytes, content_type: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler


def main() -> None:
    """Serve until interrupted; any token and any number will do."""
    parser = argparse.ArgumentParser(description="A fake WhatsApp Cloud API on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=8091)
    parser.add_argument("--app-secret", default="app-secret", help="what its webhooks are signed with")
    parser.add_argument("--callback-url", default="", help="the app's own address, for HUB_META_APP_SECRET")
    arguments = parser.parse_args()
    with FakeWhatsApp(arguments.port) as fake:
        fake.makes_up_numbers = True
        fake.add_app("1", arguments.app_secret, arguments.callback_url)
        print(f"The fake WhatsApp listens at {fake.url}: set HUB_GRAPH_API_URL to it.", flush=True)  # noqa: T201
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
