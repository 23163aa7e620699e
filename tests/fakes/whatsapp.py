"""A WhatsApp Cloud API that behaves as the real one is documented to, for tests and for trying the hub by
hand.

Webhooks are signed with the secret of the app that is subscribed to the number's business account, go to the
address that overrides the app's, hold what `deliver` was given at once, and come again, later and later,
until they are answered with 2xx. A message that is taken is reported on (`statuses`); that the 24 hours are
over, the API says in such a report and not in its answer, as the real one does.

An account is a number; its id names it. A contact is a `Person`, or the phone number of one.
"""

import hashlib
import json
import re
import secrets
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from tests.fakes.meta import ApiError, App, FakeMeta
from tests.fakes.platform import PUNCTUAL, Account, Bucket, Call, Fault, Habits, Lane
from tests.fakes.server import Answer, Request

OBJECT = "whatsapp_business_account"
TEXT_LIMIT = 4096
WINDOW_SECONDS = 24 * 3600
PAIR_BURST = 45
PAIR_SECONDS = 6.0
MEDIA_URL_SECONDS = 300
USER_ID = re.compile(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}")

NOT_DELIVERED = ApiError(131049, "This message was not delivered to maintain healthy ecosystem engagement.")
Change = tuple[str, dict[str, Any]]
"""The id of a business account, and one change in it."""


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

    def is_valid(self, now: float) -> bool:
        return not self.is_revoked and not 0 < self.expires_at < now


@dataclass(frozen=True)
class Person:
    """Somebody who writes. Without `phone` they keep their number to themselves; without `user_id` they are
    known as before 2026."""

    phone: str = ""
    user_id: str = ""
    name: str = "Person"

    @classmethod
    def of(cls, contact: "Person | str") -> "Person":
        return contact if isinstance(contact, Person) else cls(contact)

    @property
    def id(self) -> str:
        """By which the hub knows them."""
        return self.user_id or self.phone

    def as_contact(self) -> dict[str, Any]:
        ids = {"wa_id": self.phone, "user_id": self.user_id}
        return {"profile": {"name": self.name}, **{key: value for key, value in ids.items() if value}}

    def named(self, phone_key: str, user_key: str) -> dict[str, str]:
        return {key: each for key, each in ((phone_key, self.phone), (user_key, self.user_id)) if each}


@dataclass
class _Sent:
    number: Number
    person: Person
    reference: str | None


class FakeWhatsApp(FakeMeta):
    """The server, with its `numbers` by id, `tokens`, and `subscriptions` (business account, app) with the
    address that overrides the app's. `read` are the ids of messages marked as read, `typing` of those
    answered with a typing sign. `statuses`: what it reports of each message by itself. `lost`: the ids of
    messages that it took and did not deliver."""

    title: ClassVar[str] = "WhatsApp"
    kinds: ClassVar[Sequence[str]] = ("whatsapp",)
    sends: ClassVar[str] = "messages"
    too_fast: ClassVar[Fault] = Fault(ApiError(130429, "Rate limit hit", status=429))

    def __init__(self, port: int = 0, habits: Habits = PUNCTUAL) -> None:
        super().__init__(port, habits)
        self.numbers: dict[str, Number] = {}
        self.tokens: dict[str, Token] = {}
        self.subscriptions: dict[tuple[str, str], str] = {}
        self.read: list[str] = []
        self.typing: list[str] = []
        self.statuses: Sequence[str] = ("sent", "delivered")
        self.lost: list[str] = []
        self._to_lose: deque[Callable[[str], bool]] = deque()
        self._people: dict[str, Person] = {}
        self._written_at: dict[tuple[str, str], float] = {}
        self._pairs = Bucket(PAIR_BURST, PAIR_SECONDS)
        self._messages: dict[str, _Sent] = {}
        self._received: set[str] = set()
        self._media: dict[str, tuple[bytes, str]] = {}
        self._media_urls: dict[str, tuple[str, float]] = {}
        self._round = ""

    # --- accounts -------------------------------------------------------------------------------------------

    @property
    def hub_settings(self) -> Mapping[str, str]:
        return {**super().hub_settings, "HUB_GRAPH_API_URL": self.url}

    def open_account(self, kind: str, name: str, address: str = "", **credentials: str) -> Account:
        """Of a business account and with a token of its own; of the hub's app, unless `credentials` name the
        secret of another."""
        made = str(next(self._ids))
        known = {"access_token": f"token-{made}", "phone_number_id": f"1000{made}", "waba_id": f"2000{made}"}
        known |= credentials
        number = self.add_number(known["phone_number_id"], known["waba_id"], name=name)
        own = next((app for app in self.apps.values() if app.secret == known.get("app_secret")), None)
        if "app_secret" in known:
            own = own or self.add_app(f"3000{made}", known["app_secret"])
        self.add_token(known["access_token"], (own or self.hub_app).id)
        return self._keep(Account(kind, number.id, name, known))

    def renew_token(self, account: str) -> Mapping[str, str]:
        known = self.account(account)
        old, token = self.tokens[known.credentials["access_token"]], f"token-{next(self._ids)}"
        old.is_revoked = True
        self.add_token(token, old.app_id)
        renewed = {**known.credentials, "access_token": token}
        return self._keep(replace(known, credentials=renewed)).credentials

    def webhook_of(self, account: str) -> str:
        waba_id = self.numbers[account].waba_id
        found = (
            override or self.apps[app_id].callbacks.get(OBJECT, "")
            for (subscribed_id, app_id), override in self.subscriptions.items()
            if subscribed_id == waba_id
        )
        return next(found, "")

    def connect_hub(self, webhook_url: str) -> None:
        self.hub_app.callbacks[OBJECT] = f"{webhook_url}/whatsapp"

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

    # --- what people do -------------------------------------------------------------------------------------

    def write(self, account: str, contact: Any, text: str, *, age_seconds: float = 0.0) -> str:
        change = self.compose(account, contact, text, timestamp=str(int(self.now() - age_seconds)))
        self.deliver(change)
        return str(change[1]["value"]["messages"][0]["id"])

    def press(self, account: str, person: Person, choice: str) -> None:
        """A person presses a button, or chooses a row, of the last message with one of that name."""
        self.deliver(self.compose_press(account, person, choice))

    def compose_press(self, account: str, person: Person, choice: str) -> Change:
        """The change that this makes."""
        below = next(each for each in reversed(self.sent) if choice in each.get("choices", {}))
        context = {"from": re.sub(r"\D", "", self.numbers[account].display), "id": below["id"]}
        pressed = below["choices"][choice]
        return self.compose(account, person, type="interactive", interactive=pressed, context=context)

    def compose(self, account: str, contact: Person | str, text: str = "", **content: Any) -> Change:
        """The change that a person's message makes: `deliver` puts it on its way."""
        number, person = self.numbers[account], Person.of(contact)
        message = {
            **person.named("from", "from_user_id"),
            "id": self._new_id(),
            "timestamp": str(int(self.now())),
            "type": "text",
            **content,
        }
        if message["type"] == "text":
            message.setdefault("text", {"body": text})
        with self._changed:
            for known in (person.phone, person.user_id):
                self._people[known] = person
                self._written_at[account, known] = self.now()
            self._received.add(str(message["id"]))
        self._note_written(account, person.id, str(message["id"]), text)
        return self._change(number, "messages", {"contacts": [person.as_contact()], "messages": [message]})

    def compose_echo(self, account: str, person: Person, text: str, **message: Any) -> Change:
        """What a person at the business writes in the WhatsApp Business app."""
        number = self.numbers[account]
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
        an entry per account, and with whatever else happens while webhooks are gathered."""
        posts: dict[tuple[str, str], list[Change]] = defaultdict(list)
        with self._changed:
            for waba_id, change in changes:
                for (subscribed_id, app_id), override in self.subscriptions.items():
                    url = override or self.apps[app_id].callbacks.get(OBJECT, "")
                    if subscribed_id == waba_id and url:
                        posts[app_id, url].append((waba_id, change))
        round_ = self._gather()
        for (app_id, url), found in posts.items():
            self.lanes.put((app_id, url, round_), *found)

    def _gather(self) -> str:
        """A name for what goes together."""
        with self._changed:
            if not self.habits.gather_seconds:
                return str(next(self._ids))
            if not self._round:
                self._round = str(next(self._ids))
                threading.Timer(self.habits.gather_seconds, self._let_go).start()
            return self._round

    def _let_go(self) -> None:
        with self._changed:
            self._round = ""
        for app_id in list(self.apps):
            self.lanes.resume(app_id)

    # --- the API --------------------------------------------------------------------------------------------

    def respond(self, request: Request) -> Answer | None:
        if request.path.startswith("/files/"):
            return self._file(request.path.removeprefix("/files/"), request.headers.get("authorization", ""))
        return super().respond(request)

    def call_of(self, request: Request) -> Call:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        _, _, rest = request.path.strip("/").partition("/")  # behind the version
        target, _, operation = rest.partition("/")
        if target == "debug_token":
            operation = target
        elif request.parameters.get("status") == "read":
            operation = "read"
        elif not operation:
            operation = "media" if target in self._media else "number"
        return Call(operation, token, request.parameters, target, request.method, request.path)

    def carry_out(self, call: Call) -> Answer:
        return Answer.of_json(self._carry_out(call))

    def _carry_out(self, call: Call) -> Any:
        if call.operation == "debug_token":
            return self._debug_token(call)
        if call.operation == "access_token":
            return self._exchange(call)
        if call.operation == "subscriptions":
            return self._subscriptions(call)
        app = self._app(call.token)
        match call.method, call.operation:
            case "POST", "messages":
                return self._take(self._known_number(call), call.parameters)
            case "POST", "read":
                return self._mark_read(call.parameters)
            case "GET", "number":
                return self._describe(self._known_number(call), app)
            case "GET", "media":
                return self._describe_media(call.target)
            case _, "subscribed_apps":
                return self._subscribed_apps(call, app)
        raise ApiError(2500, "Unknown path components")

    def find_token(self, token: str) -> Token | None:
        return self.tokens.get(token)

    def _app(self, token: str) -> App:
        known = self.tokens.get(token)
        if known is None:
            raise ApiError(190, "Invalid OAuth access token - Cannot parse access token", status=401)
        if not known.is_valid(self.now()):
            message = "Error validating access token: Session has expired"
            raise ApiError(190, message, status=401, subcode=463)
        return self.apps[known.app_id]

    def _exchange(self, call: Call) -> Any:
        """A token of a day becomes one of 60."""
        app, parameters = self._inspector(call.token), call.parameters
        given = self.tokens.get(str(parameters.get("fb_exchange_token")))
        asked = (parameters.get("client_id"), parameters.get("client_secret"))
        if asked != (app.id, app.secret) or given is None or given.app_id != app.id:
            raise ApiError(1, "Error validating client secret.")
        token = f"EAA-long-{next(self._ids)}"
        self.add_token(token, app.id, self.now() + LONG_LIVED_SECONDS)
        return {"access_token": token, "token_type": "bearer", "expires_in": LONG_LIVED_SECONDS}

    def _known_number(self, call: Call) -> Number:
        if call.target not in self.numbers:
            message = (
                f"Unsupported {call.method.lower()} request. Object with ID '{call.target}' does not exist"
            )
            raise ApiError(100, message, subcode=33)
        return self.numbers[call.target]

    def _describe(self, number: Number, app: App) -> Any:
        override = self.subscriptions.get((number.waba_id, app.id), "")
        urls = {"whatsapp_business_account": override, "application": app.callbacks.get(OBJECT, "")}
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

    def _file(self, key: str, authorization: str) -> Answer:
        """What lies at the address of a media file: for five minutes, and only with a token."""
        media_id, until = self._media_urls.get(key, ("", 0.0))
        try:
            self._app(authorization.removeprefix("Bearer "))
        except ApiError as error:
            return Answer(error.status)
        if self.now() > until:
            return Answer(404)
        content, mime_type = self._media[media_id]
        return Answer(200, content, {"content-type": mime_type})

    def _subscribed_apps(self, call: Call, app: App) -> Any:
        if call.method == "GET":
            return {"data": [*self._subscribers(call.target)]}
        if call.method == "DELETE":
            with self._changed:
                self.subscriptions.pop((call.target, app.id), None)
            return {"success": True}
        if call.method != "POST":
            raise ApiError(2500, "Unknown path components")
        given = call.parameters
        url, verify_token = given.get("override_callback_uri", ""), given.get("verify_token", "")
        if len(url) > 200:
            raise ApiError(100, "Param override_callback_uri must be at most 200 characters long")
        if url:
            self._shake_hands(url, verify_token)
        with self._changed:
            self.subscriptions[call.target, app.id] = url  # without a body the override is gone
        return {"success": True}

    def _subscribers(self, waba_id: str) -> Iterable[dict[str, Any]]:
        for (subscribed_id, app_id), override in self.subscriptions.items():
            if subscribed_id == waba_id:
                more = {"override_callback_uri": override} if override else {}
                yield {"whatsapp_business_api_data": {"id": app_id, "name": "App"}, **more}

    # --- messages -------------------------------------------------------------------------------------------

    def _take(self, number: Number, given: Mapping[str, Any]) -> Any:
        if given.get("messaging_product") != "whatsapp":
            raise ApiError(100, "Invalid parameter", details="The parameter messaging_product is required.")
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
        body, choices = _said(given)
        with self._changed:
            self._messages[message_id] = _Sent(number, person, reference)
        self._note_sent(number.id, contact, message_id, body, choices)
        self._report_on(message_id, number.id, contact, body)
        return {
            "messaging_product": "whatsapp",
            "contacts": [{"input": contact, **person.named("wa_id", "user_id")}],
            "messages": [{"id": message_id}],
        }

    def _check_text(self, given: Mapping[str, Any]) -> None:
        if given.get("type") == "interactive":
            _check_interactive(given["interactive"])
            return
        body = given.get("text", {}).get("body") if given.get("type") == "text" else None
        if not isinstance(body, str):
            raise ApiError(131009, "Parameter value is not valid", details="Only texts are sent here.")
        if not body.strip():
            raise ApiError(100, "The parameter text['body'] is required.")
        if len(body) > TEXT_LIMIT:
            raise ApiError(100, f"Param text['body'] must be at most {TEXT_LIMIT} characters long.")

    def _check_pair(self, number_id: str, contact: str) -> None:
        with self._changed:
            if self._pairs.take((number_id, contact), self.now()):
                details = "Too many messages sent from this phone number to the same phone number."
                raise ApiError(131056, "Pair rate limit hit", details=details)

    def lose_next(self, is_it: Callable[[str], bool] = lambda text: True) -> None:
        """Take the next message whose text is one, do not deliver it, and report that."""
        with self._changed:
            self._to_lose.append(is_it)

    def _is_lost(self, message_id: str, body: str) -> bool:
        with self._changed:
            if not self._to_lose or not self._to_lose[0](body):
                return False
            self._to_lose.popleft()
            self.lost.append(message_id)
            return True

    def _report_on(self, message_id: str, number_id: str, contact: str, body: str) -> None:
        if self._is_lost(message_id, body):
            self.report(message_id, "failed", NOT_DELIVERED)
            return
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

    # --- webhooks -------------------------------------------------------------------------------------------

    def ready(self, lane: Lane, waiting: int) -> int:
        return 0 if lane[2] == self._round else waiting

    def post_items(self, lane: Lane, items: Sequence[Any]) -> bool:
        app_id, url, _ = lane
        return self._post_signed(self.apps[app_id], url, webhook(*items)).is_taken

    def ids_of(self, content: Any) -> Sequence[str]:
        changes = [change for entry in content["entry"] for change in entry["changes"]]
        return [id_ for change in changes for id_ in _ids(change["value"])]


def _ids(value: Mapping[str, Any]) -> Sequence[str]:
    reports = [f"{each['id']}:{each['status']}" for each in value.get("statuses", ())]
    written = [*value.get("messages", ()), *value.get("message_echoes", ())]
    return [*(str(each["id"]) for each in written), *reports]


def _said(given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The text of a message, and what comes back for each of its choices, by their titles."""
    if given["type"] == "text":
        return given["text"]["body"], {}
    interactive = given["interactive"]
    kind = "button_reply" if interactive["type"] == "button" else "list_reply"
    titles = _titles(interactive)
    return interactive["body"]["text"], {each["title"]: {"type": kind, kind: each} for each in titles}


def _titles(interactive: Mapping[str, Any]) -> list[dict[str, str]]:
    action = interactive["action"]
    if interactive["type"] == "button":
        return [each["reply"] for each in action["buttons"]]
    return [row for section in action["sections"] for row in section["rows"]]


def _check_interactive(interactive: Mapping[str, Any]) -> None:
    """Three buttons of 20 characters below 1024, or ten rows of 24 below 4096."""
    text, names = interactive["body"]["text"], [each["title"] for each in _titles(interactive)]
    is_list = interactive["type"] == "list"
    most, longest, limit = (10, 24, TEXT_LIMIT) if is_list else (3, 20, 1024)
    if is_list and not 1 <= len(interactive["action"]["button"]) <= 20:
        raise ApiError(131009, "Parameter value is not valid", details="Invalid button of the list.")
    if not 1 <= len(names) <= most or len({*names}) < len(names):
        raise ApiError(131009, "Parameter value is not valid", details=f"Give 1 to {most} different titles.")
    if any(not 1 <= len(name) <= longest for name in names) or not 1 <= len(text) <= limit:
        raise ApiError(131009, "Parameter value is not valid", details="A title or the body is too long.")


def webhook(*changes: Change) -> dict[str, Any]:
    """One webhook with all of the changes, and an entry for each business account."""
    accounts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for waba_id, change in changes:
        accounts[waba_id].append(change)
    entries = [{"id": waba_id, "changes": found} for waba_id, found in accounts.items()]
    return {"object": OBJECT, "entry": entries}


def webhook_body(*changes: Change) -> bytes:
    """Its body."""
    return json.dumps(webhook(*changes)).encode()
