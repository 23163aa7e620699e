"""The Graph API of Messenger and Instagram as it is documented to behave, for tests and for trying the hub.

`with FakePages() as meta:` starts it on a free port; `meta.graph_url` stands for graph.facebook.com and
`meta.instagram_url` for graph.instagram.com. `python -m tests.fakes.pages --port N --callback URL` starts it
with a small control API: POST /control/message {"token", "contact", "text"}, GET /control/sent.

Webhooks go to the address that an app registered (after the handshake), signed with the app's secret, and
whatever waits for an app at that moment goes in one POST, of several accounts too. What is not answered with
2xx comes again, later and later. Every message that is taken comes back as an echo.
"""

import argparse
import hashlib
import hmac
import itertools
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.fakes.server import FakeServer

WINDOW_SECONDS = 24 * 3600
CHALLENGE = "1158201444"


class GraphError(Exception):
    """What the API answers instead of a result."""

    def __init__(self, code: int, message: str, subcode: int | None = None, status: int = 400) -> None:
        super().__init__(f"(#{code}) {message}")
        self.code, self.subcode, self.status = code, subcode, status

    def as_json(self) -> dict[str, Any]:
        error: dict[str, Any] = {"message": str(self), "type": "OAuthException", "code": self.code}
        if self.subcode:
            error["error_subcode"] = self.subcode
        return {"error": {**error, "fbtrace_id": "AbCdEf"}}


@dataclass(frozen=True)
class Fault:
    """What happens to the next call of a path: an error of the API, a raw answer, or silence. `after`: the
    call is carried out first."""

    error: GraphError | None = None
    raw: tuple[int, str] | None = None
    silence_seconds: float = 0.0
    after: bool = False


@dataclass
class App:
    """A Meta app. `secret` signs its webhooks; `callbacks` by object ("page", "instagram")."""

    id: str
    secret: str
    callbacks: dict[str, str] = field(default_factory=dict)
    waiting: deque[tuple[str, str, dict[str, Any]]] = field(default_factory=deque)

    @property
    def token(self) -> str:
        return f"{self.id}|{self.secret}"


@dataclass
class Owner:
    """A page or an Instagram account, by its token. `echoes_app_id`: whether its echoes say which app sent
    the message (those of Instagram often do not)."""

    token: str
    id: str
    name: str
    object: str
    app_id: str
    subscribed: dict[str, list[str]] = field(default_factory=dict)
    written_at: dict[str, float] = field(default_factory=dict)
    blocked_by: set[str] = field(default_factory=set)
    expires_at: int = 0
    is_expired: bool = False
    echoes_app_id: bool = True


@dataclass(frozen=True)
class Call:
    """One request to the API. `parameters`: those of the query and of the body."""

    method: str
    path: str
    token: str
    parameters: Mapping[str, Any]


class FakePages:
    """The server and what it has seen. `calls` holds every call in order, `sent` the messages that it took,
    `deliveries` body and status of each webhook that was posted. `people`: what it tells of a contact, by
    their id (`first_name`, `username`, …)."""

    def __init__(self, port: int = 0, retry_seconds: float = 0.05, max_retry_seconds: float = 1.0) -> None:
        self.apps: dict[str, App] = {}
        self.owners: dict[str, Owner] = {}
        self.calls: list[Call] = []
        self.sent: list[dict[str, Any]] = []
        self.deliveries: list[tuple[dict[str, Any], int]] = []
        self._retry_seconds = retry_seconds
        self._max_retry_seconds = max_retry_seconds
        self.people: dict[str, dict[str, str]] = {}
        self.files: dict[str, tuple[bytes, str]] = {}
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._is_closed = threading.Event()
        self._ids = itertools.count(1)
        self._busy: set[str] = set()
        self._is_held = False
        self._server = FakeServer(("127.0.0.1", port), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.graph_url, self.instagram_url = f"{self.url}/facebook", f"{self.url}/instagram"

    def __enter__(self) -> "FakePages":
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_closed.set()
        with self._changed:
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    # --- what a test does -----------------------------------------------------------------------------------

    def add_app(self, id_: str, secret: str) -> App:
        """A Meta app, as its developer makes it."""
        return self.apps.setdefault(id_, App(id_, secret))

    def add_page(self, token: str, id_: str, name: str, app_id: str) -> Owner:
        """A page whose token was made in an app."""
        return self.owners.setdefault(token, Owner(token, id_, name, "page", app_id))

    def add_instagram(self, token: str, user_id: str, username: str, app_id: str) -> Owner:
        """An Instagram account that logged in to an app."""
        owner = Owner(token, user_id, username, "instagram", app_id, echoes_app_id=False)
        return self.owners.setdefault(token, owner)

    def add_file(self, content: bytes, media_type: str) -> str:
        """A file that somebody sent; returns the address that a webhook names."""
        key = f"{next(self._ids)}"
        self.files[key] = content, media_type
        return f"{self.url}/cdn/{key}"

    def fail_next(self, path: str, fault: Fault) -> None:
        """Let the next call of a path that ends with `path` go wrong; several calls queue up."""
        self._faults[path].append(fault)

    def write(self, token: str, contact: str, text: str, **message: Any) -> dict[str, Any]:
        """A contact writes; returns the item that is delivered."""
        content = {"mid": f"m_{next(self._ids)}", "text": text, **message}
        self.owners[token].written_at[contact] = time.time()
        return self.happen(token, contact, {"message": content})

    def happen(self, token: str, contact: str, event: Mapping[str, Any]) -> dict[str, Any]:
        """A contact does anything else ({"read": {"watermark": …}})."""
        owner = self.owners[token]
        item = _item(contact, owner.id, event)
        self._queue(owner, item, None)
        return item

    def close_window(self, token: str, contact: str) -> None:
        """A day goes by since the contact has written."""
        self.owners[token].written_at[contact] = time.time() - WINDOW_SECONDS - 1

    def reply_by_hand(self, token: str, contact: str, text: str, app_id: str = "263902037430900") -> None:
        """A person answers in Meta's own inbox."""
        message = {"mid": f"m_{next(self._ids)}", "text": text, "is_echo": True, "app_id": int(app_id)}
        owner = self.owners[token]
        self._queue(owner, _item(owner.id, contact, {"message": message}), "message_echoes")

    @contextmanager
    def held(self) -> Iterator[None]:
        """What happens meanwhile is delivered afterwards, in one POST for each app and kind."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
            for app in self.apps.values():
                self._drain(app)

    def wait_until(self, condition: Callable[["FakePages"], bool], timeout_seconds: float = 10) -> None:
        """Wait for something to become true of what the server has seen; TimeoutError after that."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self), timeout_seconds):
                raise TimeoutError("the fake Graph API did not see what the test waits for")

    def wait_until_delivered(self, timeout_seconds: float = 10) -> None:
        """Wait until no webhook waits any more."""
        self.wait_until(lambda fake: not any(app.waiting for app in fake.apps.values()), timeout_seconds)

    # --- the API --------------------------------------------------------------------------------------------

    def answer(self, call: Call) -> tuple[int, str] | None:
        """Status and body for a call; None for a connection that breaks."""
        with self._changed:
            self.calls.append(call)
            names = [name for name, faults in self._faults.items() if call.path.endswith(name) and faults]
            fault = self._faults[names[0]].popleft() if names else None
            self._changed.notify_all()
        if fault and not fault.after:
            return self._go_wrong(fault)
        try:
            with self._changed:
                content, status = self._carry_out(call), 200
                self._changed.notify_all()
        except GraphError as error:
            content, status = error.as_json(), error.status
        return self._go_wrong(fault) if fault else (status, json.dumps(content))

    def _go_wrong(self, fault: Fault) -> tuple[int, str] | None:
        if fault.error:
            return fault.error.status, json.dumps(fault.error.as_json())
        if fault.raw:
            return fault.raw
        self._is_closed.wait(fault.silence_seconds)
        return None

    def _carry_out(self, call: Call) -> dict[str, Any]:
        host, _, rest = call.path.strip("/").partition("/")
        node, _, edge = rest.partition("/")[2].partition("/")
        if host == "facebook" and (node == "debug_token" or edge == "subscriptions"):
            return self._as_app(call, node)
        owner = self._owner(call.token, host)
        if node in owner.written_at and not edge:
            return self._describe_person(node, str(call.parameters.get("fields", "")).split(","))
        if node not in ("me", owner.id):
            raise GraphError(100, f"Object with ID '{node}' does not exist", 33)
        edges = {"": self._describe, "messages": self._message, "subscribed_apps": self._subscribed_apps}
        if edge not in edges:
            raise GraphError(100, f"Tried accessing nonexisting field ({edge})")
        return edges[edge](owner, call)

    def _owner(self, token: str, host: str) -> Owner:
        objects = {"facebook": "page", "instagram": "instagram"}
        owner = self.owners.get(token)
        if owner is None or owner.object != objects.get(host):
            raise GraphError(190, "Invalid OAuth access token.", status=401)
        if owner.is_expired:
            raise GraphError(190, "Error validating access token: Session has expired", 463, 401)
        return owner

    def _as_app(self, call: Call, node: str) -> dict[str, Any]:
        app = next((app for app in self.apps.values() if app.token == call.token), None)
        if app is None:
            raise GraphError(190, "Invalid OAuth access token signature.", status=401)
        if node == "debug_token":
            return {"data": self._debug(str(call.parameters.get("input_token")), app)}
        if node != app.id:
            raise GraphError(15, "This method must be called with an app access_token")
        if call.method == "POST":
            return self._register(app, call.parameters)
        return {
            "data": [
                {"object": name, "callback_url": url, "active": True, "fields": []}
                for name, url in app.callbacks.items()
            ]
        }

    def _debug(self, token: str, app: App) -> dict[str, Any]:
        owner = self.owners.get(token)
        if owner is None:
            return {"is_valid": False, "error": {"code": 190, "message": "Invalid OAuth access token."}}
        if owner.app_id != app.id:
            raise GraphError(100, "The App_id in the input_token did not match the Viewing App")
        return {"is_valid": not owner.is_expired, "expires_at": owner.expires_at, "app_id": owner.app_id}

    def _register(self, app: App, given: Mapping[str, Any]) -> dict[str, Any]:
        """Meta asks the address at once whether it is meant."""
        url = str(given.get("callback_url", ""))
        handshake = {
            "hub.mode": "subscribe",
            "hub.challenge": CHALLENGE,
            "hub.verify_token": str(given.get("verify_token", "")),
        }
        status, body = _request(f"{url}?{urllib.parse.urlencode(handshake)}", None, {})
        if (status, body) != (200, CHALLENGE.encode()):
            raise GraphError(2200, f"Callback verification failed with the following errors: HTTP {status}")
        app.callbacks[str(given.get("object"))] = url
        return {"success": True}

    def _describe(self, owner: Owner, call: Call) -> dict[str, Any]:
        """`/me` of Instagram has an `id` of its own beside the `user_id` that webhooks carry."""
        known = {"id": owner.id, "name": owner.name}
        if owner.object == "instagram":
            known = {"id": f"9{owner.id}", "user_id": owner.id, "username": owner.name}
        fields = str(call.parameters.get("fields", "id")).split(",")
        if unknown := [name for name in fields if name not in known]:
            raise GraphError(100, f"Tried accessing nonexisting field ({unknown[0]})")
        return {"id": known["id"], **{name: known[name] for name in fields}}

    def _describe_person(self, contact: str, fields: list[str]) -> dict[str, Any]:
        if contact not in self.people:
            raise GraphError(230, "User consent is required to access user profile")
        known = self.people[contact]
        return {"id": contact, **{name: known[name] for name in fields if name in known}}

    def _subscribed_apps(self, owner: Owner, call: Call) -> dict[str, Any]:
        if call.method == "POST":
            fields = str(call.parameters.get("subscribed_fields", ""))
            if not fields:
                raise GraphError(100, "The parameter subscribed_fields is required.")
            owner.subscribed[owner.app_id] = fields.split(",")
            return {"success": True}
        apps = [
            {"id": id_, "name": "An app", "subscribed_fields": fields}
            for id_, fields in owner.subscribed.items()
        ]
        return {"data": apps}

    def _message(self, owner: Owner, call: Call) -> dict[str, Any]:
        contact = str((call.parameters.get("recipient") or {}).get("id", ""))
        self._check_contact(owner, contact)
        if action := call.parameters.get("sender_action"):
            if action not in ("typing_on", "typing_off", "mark_seen"):
                raise GraphError(100, "Param sender_action must be one of {TYPING_ON, TYPING_OFF, MARK_SEEN}")
            return {"recipient_id": contact}
        message = call.parameters.get("message") or {}
        text = str(message.get("text", ""))
        self._check_text(owner, text, call)
        mid = f"m_{next(self._ids)}"
        self.sent.append({"token": owner.token, "contact": contact, "text": text, "mid": mid})
        self._echo(owner, contact, {"mid": mid, "text": text.strip(), **_metadata(message)})
        return {"recipient_id": contact, "message_id": mid}

    def _check_contact(self, owner: Owner, contact: str) -> None:
        is_page = owner.object == "page"
        if contact not in owner.written_at:
            if is_page:
                raise GraphError(100, "No matching user found", 2018001)
            raise GraphError(100, "The requested user cannot be found.", 2534014)
        if contact in owner.blocked_by:
            raise GraphError(551, "This person isn't available right now.", 1545041)
        if time.time() - owner.written_at[contact] > WINDOW_SECONDS:
            subcode = 2018278 if is_page else 2534022
            raise GraphError(10, "This message is sent outside of allowed window.", subcode)

    def _check_text(self, owner: Owner, text: str, call: Call) -> None:
        if not text.strip():
            raise GraphError(100, "Message cannot be empty, must provide valid attachment or text", 2018034)
        if owner.object == "instagram":
            if len(text.encode()) > 1000:
                raise GraphError(100, "Length of param message[text] must be at most 1000 bytes")
            if "metadata" in call.parameters["message"]:
                raise GraphError(100, 'Invalid keys "metadata" were found in param "message".')
            return
        if len(text.encode("utf-16-le")) // 2 > 2000:
            raise GraphError(100, "Length of param message[text] must be less than or equal to 2000")
        if call.parameters.get("messaging_type") != "RESPONSE":
            raise GraphError(100, "The parameter messaging_type is required", 2018275)

    def _echo(self, owner: Owner, contact: str, message: dict[str, Any]) -> None:
        sender = {"app_id": int(owner.app_id)} if owner.echoes_app_id else {}
        echo = {**message, "is_echo": True, **sender}
        self._queue(owner, _item(owner.id, contact, {"message": echo}), "message_echoes")

    # --- delivery to the webhooks ---------------------------------------------------------------------------

    def _queue(self, owner: Owner, item: dict[str, Any], page_field: str | None) -> None:
        """Put an item on its way to every app that asked for it. Instagram's echoes come with messages."""
        with self._changed:
            for app_id, fields in owner.subscribed.items():
                if owner.object == "instagram" or page_field is None or page_field in fields:
                    app = self.apps[app_id]
                    app.waiting.append((owner.object, owner.id, item))
                    self._drain(app)

    def _drain(self, app: App) -> None:
        """Start delivering what waits for an app, unless that is going on."""
        with self._lock:
            if app.id in self._busy or self._is_held or not app.waiting:
                return
            self._busy.add(app.id)
        threading.Thread(target=self._deliver, args=(app,), daemon=True).start()

    def _deliver(self, app: App) -> None:
        pause = self._retry_seconds
        while not self._is_closed.is_set():
            with self._lock:
                if self._is_held or not app.waiting:
                    self._busy.discard(app.id)
                    return
                object_ = app.waiting[0][0]
                batch = [each for each in app.waiting if each[0] == object_]
            if self._is_taken(app, object_, batch):
                pause = self._retry_seconds
                with self._changed:
                    for each in batch:
                        app.waiting.remove(each)
                    self._changed.notify_all()
            else:
                self._is_closed.wait(pause)
                pause = min(pause * 2, self._max_retry_seconds)

    def _is_taken(self, app: App, object_: str, batch: list[tuple[str, str, dict[str, Any]]]) -> bool:
        if object_ not in app.callbacks:
            return True  # the app has no webhook for it: nobody is told
        entries: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for _, owner_id, item in batch:
            entries[owner_id].append(item)
        webhook = {
            "object": object_,
            "entry": [
                {"id": owner_id, "time": int(time.time() * 1000), "messaging": items}
                for owner_id, items in entries.items()
            ],
        }
        status = self.post(app, object_, webhook)
        return 200 <= status < 300

    def post(self, app: App, object_: str, webhook: Mapping[str, Any]) -> int:
        """Post any webhook, signed; the status of the answer."""
        body = json.dumps(webhook).encode()
        signature = hmac.new(app.secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {"content-type": "application/json", "X-Hub-Signature-256": f"sha256={signature}"}
        status, _ = _request(app.callbacks[object_], body, headers)
        with self._changed:
            self.deliveries.append((dict(webhook), status))
            self._changed.notify_all()
        return status


def _item(sender: str, recipient: str, event: Mapping[str, Any]) -> dict[str, Any]:
    at = int(time.time() * 1000)
    return {"sender": {"id": sender}, "recipient": {"id": recipient}, "timestamp": at, **event}


def _metadata(message: Mapping[str, Any]) -> dict[str, Any]:
    return {"metadata": message["metadata"]} if "metadata" in message else {}


def _request(url: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
    request = urllib.request.Request(url, body, dict(headers))  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except (OSError, ValueError):
        return 0, b""


def _handler(fake: FakePages) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            """Nothing."""

        def do_GET(self) -> None:
            if urlsplit(self.path).path == "/control/sent":
                self._say(200, json.dumps(fake.sent))
            elif (key := urlsplit(self.path).path.removeprefix("/cdn/")) in fake.files:
                self._say_bytes(200, *fake.files[key])
            elif key != urlsplit(self.path).path:
                self._say_bytes(403, b"URL signature expired", "text/plain")
            else:
                self._answer()

        def do_POST(self) -> None:
            if urlsplit(self.path).path == "/control/message":
                given = self._parameters()
                item = fake.write(given["token"], str(given["contact"]), given["text"])
                self._say(200, json.dumps(item))
            else:
                self._answer()

        def _answer(self) -> None:
            token = self.headers.get("authorization", "").removeprefix("Bearer ")
            path = urlsplit(self.path).path
            answer = fake.answer(Call(self.command, path, token, self._parameters()))
            if answer is None:
                self.close_connection = True
            else:
                self._say(*answer)

        def _parameters(self) -> dict[str, Any]:
            given: dict[str, Any] = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            given.update(json.loads(body or b"{}"))
            return given

        def _say(self, status: int, body: str) -> None:
            self._say_bytes(status, body.encode(), "application/json")

        def _say_bytes(self, status: int, content: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler


def main() -> None:
    """Serve until interrupted, with one app, one page and one Instagram account in it."""
    parser = argparse.ArgumentParser(description="A fake Graph API for Messenger and Instagram on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=8091)
    parser.add_argument("--callback", default="http://127.0.0.1:8080", help="The hub's HUB_WEBHOOK_URL.")
    parser.add_argument("--app-id", default="111")
    parser.add_argument("--app-secret", default="fake-app-secret")
    given = parser.parse_args()
    with FakePages(given.port) as fake:
        app = fake.add_app(given.app_id, given.app_secret)
        app.callbacks.update(
            {"page": f"{given.callback}/messenger", "instagram": f"{given.callback}/instagram"}
        )
        fake.add_page("PAGE-TOKEN", "100000000000001", "Fake Page", app.id)
        fake.add_instagram("INSTAGRAM-TOKEN", "17841400000000000", "fake.account", app.id)
        print(  # noqa: T201
            f"The fake Graph API listens: HUB_GRAPH_API_URL={fake.graph_url}"
            f" HUB_INSTAGRAM_API_URL={fake.instagram_url} HUB_META_APP_ID={app.id}"
            f" HUB_META_APP_SECRET={app.secret} HUB_META_VERIFY_TOKEN=any",
            flush=True,
        )
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
