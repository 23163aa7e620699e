"""A Slack that behaves as the real one is documented to (docs.slack.dev), for tests and for trying the hub.

Its apps have a token and a signing secret. Where an app's events go, a person enters on the app's page
(`enter_address`): Slack asks the address at once whether it is meant. An event that is not answered with 2xx
comes three times more, with the number and the reason in headers, and then no more; events do not wait for
one another. The app is told of its own messages too. Emoji are names in what Slack tells; what they are,
stands beside the words of people.

An account is an app in a workspace. A contact is the direct-message channel ("D…") of a person with it.
"""

import hashlib
import hmac
import json
import math
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlencode

from tests.fakes import platform
from tests.fakes.platform import PUNCTUAL, Account, Bucket, Call, Delivery, FakePlatform, Fault, Habits, Lane
from tests.fakes.server import Answer, Request

FILES = "/files/"
SCOPES = ("chat:write", "files:read", "im:history", "im:read", "reactions:read", "users:read")
NEEDED = {
    "chat.postMessage": "chat:write",
    "conversations.info": "im:read",
    "users.info": "users:read",
}
TEXT_LIMIT = 40_000
EVENT_TYPE = re.compile(r"[A-Za-z0-9_-]{1,255}")
EMOJI = {
    "👋": ("wave", "1f44b"),
    "👍": ("+1", "1f44d"),
    "👎": ("-1", "1f44e"),
    "🙂": ("slightly_smiling_face", "1f642"),
    "🦷": ("tooth", "1f9b7"),
}
"""Some of those for which Slack writes a name."""
MESSAGE_SECONDS, MESSAGE_BURST = 1.0, 3
RETRIES = (0, 1, 5)
"""Pauses before an event comes again: at once, and (at Slack) after one minute and five."""


class ApiError(platform.ApiError):
    """What the Web API answers instead of a result: with status 200, unless it is asked too often."""

    def __init__(self, error: str, status: int = 200, wait_seconds: float = 0.0, **more: Any) -> None:
        super().__init__(error)
        self.status, self.more = status, more
        self.headers = {"Retry-After": str(math.ceil(wait_seconds))} if wait_seconds else {}

    def as_json(self) -> dict[str, Any]:
        return {"ok": False, "error": str(self), **self.more}


@dataclass
class App:
    """An app that is installed in a workspace."""

    id: str
    team: str
    token: str
    signing_secret: str
    name: str = "clinic"
    scopes: Sequence[str] = SCOPES
    url: str = ""

    @property
    def user(self) -> str:
        return f"U{self.id}"

    @property
    def address(self) -> str:
        """By which the hub knows it."""
        return f"{self.team}:{self.user}"


def signature(secret: str, at: str, body: bytes) -> str:
    """The value of X-Slack-Signature."""
    signed = f"v0:{at}:".encode() + body
    return f"v0={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


class FakeSlack(FakePlatform):
    """The server, and its `apps` by token."""

    title: ClassVar[str] = "Slack"
    kinds: ClassVar[Sequence[str]] = ("slack",)
    sends: ClassVar[str] = "chat.postMessage"
    too_fast: ClassVar[Fault] = Fault(ApiError("ratelimited", 429, 2))

    def __init__(self, port: int = 0, habits: Habits = PUNCTUAL) -> None:
        super().__init__(port, habits)
        self.apps: dict[str, App] = {}
        self._chats: dict[str, str] = {}
        self._files: dict[str, tuple[bytes, str]] = {}
        self._pace = Bucket(MESSAGE_BURST, MESSAGE_SECONDS)

    # --- accounts -------------------------------------------------------------------------------------------

    @property
    def hub_settings(self) -> Mapping[str, str]:
        return {"HUB_SLACK_API_URL": f"{self.url}/api"}

    def open_account(self, kind: str, name: str, address: str = "", **credentials: str) -> Account:
        made = f"{next(self._ids):08}"
        known = {"bot_token": f"xoxb-{made}", "signing_secret": secrets.token_hex(16), **credentials}
        id_ = address.partition(":U")[2] or made
        app = self.add_app(known["bot_token"], known["signing_secret"], id_, name=name)
        return self._keep(Account(kind, app.address, name, known))

    def add_app(self, token: str, signing_secret: str, id_: str = "0FAKE1", **more: Any) -> App:
        """An app of somebody who made it at Slack and installed it."""
        return self.apps.setdefault(token, App(id_, "T0FAKE", token, signing_secret, **more))

    def renew_token(self, account: str) -> Mapping[str, str]:
        """The app is installed again."""
        known, app = self.account(account), self._app(account)
        del self.apps[app.token]
        app.token = f"{app.token}-{next(self._ids)}"
        self.apps[app.token] = app
        renewed = {**known.credentials, "bot_token": app.token}
        return self._keep(Account(known.kind, known.address, known.name, renewed)).credentials

    def webhook_of(self, account: str) -> str:
        return self._app(account).url

    def enter_address(self, account: str, url: str) -> bool:
        """Somebody enters where an app's events and buttons go; whether Slack takes the address."""
        app, challenge = self._app(account), secrets.token_hex(16)
        asked = {"token": "legacy-token", "type": "url_verification", "challenge": challenge}
        answered = self._post_signed(app, url, json.dumps(asked).encode(), asked)
        echoes = (challenge.encode(), json.dumps({"challenge": challenge}, separators=(",", ":")).encode())
        is_taken = answered.is_taken and answered.answer in echoes
        app.url = url if is_taken else app.url
        return is_taken

    def _app(self, account: str) -> App:
        return next(app for app in self.apps.values() if app.address == account)

    # --- what people do -------------------------------------------------------------------------------------

    def write(self, account: str, contact: Any, text: str, *, age_seconds: float = 0.0) -> str:
        event = self.compose(account, contact, text, at=self.now() - age_seconds)
        self._note_written(account, str(contact), f"{contact}:{event['ts']}", text)
        self.deliver(account, event)
        return f"{contact}:{event['ts']}"

    def compose(self, account: str, contact: Any, text: str, at: float = 0.0, **more: Any) -> dict[str, Any]:
        """The event that a person's message makes: `deliver` puts it on its way."""
        self._chats[str(contact)] = account
        timestamp = self._timestamp(at or self.now())
        message = {"type": "message", "channel": str(contact), "channel_type": "im", **_written(text)}
        return {**message, "user": _person(contact), "ts": timestamp, "event_ts": timestamp, **more}

    def change(self, account: str, message_id: str, text: str) -> None:
        """A person changes what they wrote."""
        contact, _, timestamp = message_id.partition(":")
        now, person = self._timestamp(self.now()), _person(contact)
        message = {"type": "message", "user": person, **_written(text), "ts": timestamp}
        changed = {**message, "edited": {"user": person, "ts": now}}
        self._tell(account, contact, "message_changed", message=changed)

    def delete(self, account: str, message_id: str) -> None:
        """A person takes back what they wrote."""
        contact, _, timestamp = message_id.partition(":")
        self._tell(account, contact, "message_deleted", deleted_ts=timestamp)

    def _tell(self, account: str, contact: str, subtype: str, **more: Any) -> None:
        now = self._timestamp(self.now())
        event = {"type": "message", "subtype": subtype, "hidden": True, "channel": contact}
        self.deliver(account, {**event, "channel_type": "im", "ts": now, "event_ts": now, **more})

    def press(self, account: str, contact: Any, choice: str, message_id: str = "") -> None:
        """A person presses a button below a message, by its id or else the last with one of that name."""
        offered = (each for each in reversed(self.sent) if each["contact"] == str(contact))
        asking = (each for each in offered if choice in each.get("choices", {}))
        below = next(each for each in asking if message_id in ("", each["id"]))
        app, timestamp = self._app(account), below["id"].partition(":")[2]
        content = {
            "type": "block_actions",
            "token": "legacy-token",
            "api_app_id": f"A{app.id}",
            "team": {"id": app.team, "domain": "fake"},
            "user": {"id": _person(contact), "name": "ann"},
            "container": {"type": "message_attachment", "message_ts": timestamp, "attachment_id": 1},
            "channel": {"id": str(contact), "name": "directmessage"},
            "response_url": f"{self.url}/actions/secret",
            "actions": [{**below["choices"][choice], "action_ts": self._timestamp(self.now())}],
        }
        self.lanes.put((app.address, str(next(self._ids))), content)

    def deliver(self, account: str, event: Mapping[str, Any]) -> None:
        """Queue any event for whoever has an app's webhook."""
        app = self._app(account)
        content = {
            "type": "event_callback",
            "token": "legacy-token",
            "team_id": app.team,
            "api_app_id": f"A{app.id}",
            "event": event,
            "event_id": f"Ev{next(self._ids)}",
            "event_time": int(self.now()),
            "authorizations": [{"team_id": app.team, "user_id": app.user, "is_bot": True}],
        }
        self.lanes.put((app.address, content["event_id"]), content)

    def add_file(self, content: bytes, media_type: str, name: str = "file") -> dict[str, Any]:
        """A file that somebody shares, as a message holds it."""
        id_ = f"F{next(self._ids)}"
        self._files[id_] = content, media_type
        url = f"{self.url}{FILES}{id_}"
        return {"id": id_, "mimetype": media_type, "name": name, "size": len(content), "url_private": url}

    def _timestamp(self, at: float) -> str:
        """No two messages of a channel have the same."""
        return f"{int(at)}.{next(self._ids) % 1_000_000:06}"

    # --- the API --------------------------------------------------------------------------------------------

    def respond(self, request: Request) -> Answer | None:
        if request.path.startswith(FILES):
            return self._file(request.path.removeprefix(FILES), request.headers.get("authorization", ""))
        return super().respond(request)

    def call_of(self, request: Request) -> Call:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        token = given or str(request.parameters.get("token", ""))
        operation = request.path.rpartition("/")[2]
        return Call(operation, token, request.parameters, method=request.method, path=request.path)

    def carry_out(self, call: Call) -> Answer:
        methods: Mapping[str, Callable[[App, Mapping[str, Any]], dict[str, Any]]] = {
            "auth.test": self._test,
            "chat.postMessage": self._take,
            "conversations.info": self._describe_chat,
            "users.info": self._describe_person,
        }
        if call.operation not in methods:
            raise ApiError("unknown_method")
        if not call.token:
            raise ApiError("not_authed")
        if call.token not in self.apps:
            raise ApiError("invalid_auth")
        app = self.apps[call.token]
        needed = NEEDED.get(call.operation)
        if needed and needed not in app.scopes:
            raise ApiError("missing_scope", needed=needed, provided=",".join(app.scopes))
        answer = Answer.of_json({"ok": True, **methods[call.operation](app, call.parameters)})
        return Answer(200, answer.body, {**answer.headers, "x-oauth-scopes": ",".join(app.scopes)})

    def _test(self, app: App, given: Mapping[str, Any]) -> dict[str, Any]:
        names = {"url": "https://fake.slack.com/", "team": "Bright Smile", "user": app.name}
        return {**names, "team_id": app.team, "user_id": app.user, "bot_id": f"B{app.id}"}

    def _describe_chat(self, app: App, given: Mapping[str, Any]) -> dict[str, Any]:
        contact = self._chat(app, given)
        return {"channel": {"id": contact, "is_im": True, "user": _person(contact)}}

    def _describe_person(self, app: App, given: Mapping[str, Any]) -> dict[str, Any]:
        person = str(given.get("user", ""))
        if not any(_person(contact) == person for contact in self._chats):
            raise ApiError("user_not_found")
        return {"user": {"id": person, "name": person.lower(), "real_name": f"Person {person[1:]}"}}

    def _take(self, app: App, given: Mapping[str, Any]) -> dict[str, Any]:
        contact, text = self._chat(app, given), str(given.get("text", ""))
        attachments = json.loads(given.get("attachments", "[]"))
        if not text.strip() and not attachments:
            raise ApiError("no_text")
        if len(text) > TEXT_LIMIT:
            raise ApiError("msg_too_long")
        self._check_pace(app, contact)
        timestamp = self._timestamp(self.now())
        choices = _buttons(attachments)
        self._note_sent(app.address, contact, f"{contact}:{timestamp}", unescaped(text), choices)
        message = {"type": "message", "user": app.user, "bot_id": f"B{app.id}", "app_id": f"A{app.id}"}
        message |= {"text": _named(text), "ts": timestamp, **_metadata(given)}
        where = {"channel": contact, "channel_type": "im", "event_ts": timestamp}
        self.deliver(app.address, {**message, **where})
        return {"channel": contact, "ts": timestamp, "message": message}

    def _check_pace(self, app: App, contact: str) -> None:
        """About a message a second to a channel, and for a moment more."""
        wait = self._pace.take((app.token, contact), self.now()) if self.habits.has_limits else 0.0
        if wait:
            raise ApiError("ratelimited", 429, wait)

    def _chat(self, app: App, given: Mapping[str, Any]) -> str:
        contact = str(given.get("channel", ""))
        if self._chats.get(contact) != app.address:
            raise ApiError("channel_not_found")
        return contact

    def _file(self, id_: str, authorization: str) -> Answer:
        """A file is for whoever has a token of the workspace; anybody else gets a page to sign in."""
        app = self.apps.get(authorization.removeprefix("Bearer "))
        if app is None or "files:read" not in app.scopes:
            return Answer(200, "<html>Sign in</html>", {"content-type": "text/html"})
        content, media_type = self._files[id_]
        return Answer(200, content, {"content-type": media_type})

    # --- webhooks -------------------------------------------------------------------------------------------

    def post_items(self, lane: Lane, items: Sequence[Any]) -> bool:
        """What happens before an address was entered is lost."""
        app, content = self._app(lane[0]), items[0]
        is_event, text = content["type"] == "event_callback", json.dumps(content)
        body = text.encode() if is_event else urlencode({"payload": text}).encode()
        number, reason = 0, ""
        while app.url:
            again = {"X-Slack-Retry-Num": str(number), "X-Slack-Retry-Reason": reason} if number else {}
            delivery = self._post_signed(app, app.url, body, content, again)
            if delivery.is_taken or not is_event or number == len(RETRIES):
                break
            reason = "http_error" if delivery.status else "http_timeout"
            self._is_closed.wait(RETRIES[number] * self.habits.retry_seconds)
            number += 1
        return True  # it has been tried as often as Slack tries

    def _post_signed(
        self, app: App, url: str, body: bytes, content: Any, more: Mapping[str, str] | None = None
    ) -> Delivery:
        at = str(int(self.now()))
        is_form = body.startswith(b"payload=")
        headers = {
            "content-type": "application/x-www-form-urlencoded" if is_form else "application/json",
            "X-Slack-Request-Timestamp": at,
            "X-Slack-Signature": signature(app.signing_secret, at, body),
        }
        return self.post(url, body, content, {**headers, **(more or {})})

    def ids_of(self, content: Any) -> Sequence[str]:
        event = content.get("event", {})
        return [f"{event['channel']}:{event['ts']}"] if event.get("type") == "message" else []


def escaped(text: str) -> str:
    """A text as Slack writes it in an event."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescaped(text: str) -> str:
    """A text as a person reads it."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _named(text: str) -> str:
    """A text as Slack stores it."""
    for emoji, (name, _) in EMOJI.items():
        text = text.replace(emoji, f":{name}:")
    return text


def _written(text: str) -> dict[str, Any]:
    """What an event tells of a person's words."""
    used = [EMOJI[each] for each in EMOJI if each in text]
    emoji = [{"type": "emoji", "name": name, "unicode": code} for name, code in used]
    section = {"type": "rich_text_section", "elements": [{"type": "text", "text": "…"}, *emoji]}
    return {"text": _named(escaped(text)), "blocks": [{"type": "rich_text", "elements": [section]}]}


def _metadata(given: Mapping[str, Any]) -> dict[str, Any]:
    """Of an app that has declared no types to Slack, only the type's name is told; a bad one is ignored."""
    event_type = str(json.loads(given.get("metadata", "{}")).get("event_type", ""))
    is_taken = EVENT_TYPE.fullmatch(event_type)
    return {"metadata": {"event_type": event_type, "event_payload": {}}} if is_taken else {}


def _person(contact: Any) -> str:
    return f"U{str(contact)[1:]}"


def _buttons(attachments: Sequence[Any]) -> dict[str, Any]:
    """What comes back for each button, by its text."""
    blocks = [block for each in attachments for block in each.get("blocks", [])]
    elements = [each for block in blocks if block["type"] == "actions" for each in block["elements"]]
    if any(len(each["text"]["text"]) > 75 or len(each["value"]) > 2000 for each in elements):
        raise ApiError("invalid_attachments")
    return {each["text"]["text"]: {**each, "text": _label(each["text"])} for each in elements}


def _label(given: Mapping[str, Any]) -> dict[str, Any]:
    """What stands on a button, as Slack tells it."""
    return {**given, "text": _named(escaped(given["text"]))}
