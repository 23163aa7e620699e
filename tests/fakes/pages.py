"""The Graph API of Messenger and Instagram as it is documented to behave, for tests and for trying the hub.

`with FakePages() as meta:` starts it on a free port; `meta.graph_url` stands for graph.facebook.com and
`meta.instagram_url` for graph.instagram.com.

Webhooks go to the address that an app registered (after the handshake), signed with the app's secret, and
whatever waits for an app at that moment goes in one POST, of several accounts too. What is not answered with
2xx comes again, later and later. Every message that is taken comes back as an echo.

An account is a page or an Instagram account; its id or its token names it. A contact is a scoped id.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from tests.fakes.meta import ApiError, FakeMeta
from tests.fakes.platform import PUNCTUAL, Account, Call, Fault, Habits, Lane
from tests.fakes.server import Answer, Request

DAY = 24 * 3600
WINDOW_SECONDS = DAY
HUMAN_AGENT_SECONDS = 7 * DAY
OBJECTS = {"messenger": "page", "instagram": "instagram"}
"""Meta's word for what a channel of a kind is connected to."""
FILES = "/cdn/"


@dataclass
class Owner:
    """A page or an Instagram account, by its token. `echoes_app_id`: whether its echoes say which app sent
    the message (those of Instagram often do not). `has_human_agent`: whether Meta granted its app that
    permission."""

    token: str
    id: str
    name: str
    object: str
    app_id: str
    subscribed: dict[str, list[str]] = field(default_factory=dict)
    written_at: dict[str, float] = field(default_factory=dict)
    blocked_by: set[str] = field(default_factory=set)
    expires_at: float = 0.0
    is_expired: bool = False
    echoes_app_id: bool = True
    is_developers: bool = False
    has_human_agent: bool = True
    scopes: Sequence[str] = ("pages_messaging", "pages_manage_metadata")
    made_at: float = 0.0

    def is_valid(self, now: float) -> bool:
        return not self.is_expired


class FakePages(FakeMeta):
    """The server, and its `owners` by token. `people`: what it tells of a contact, by their id (`first_name`,
    `username`, …)."""

    title: ClassVar[str] = "Graph API"
    kinds: ClassVar[Sequence[str]] = tuple(OBJECTS)
    sends: ClassVar[str] = "messages"
    too_fast: ClassVar[Fault] = Fault(ApiError(613, "Calls to this API have exceeded the rate limit."))

    def __init__(self, port: int = 0, habits: Habits = PUNCTUAL) -> None:
        super().__init__(port, habits)
        self.owners: dict[str, Owner] = {}
        self.graph_url, self.instagram_url = f"{self.url}/facebook", f"{self.url}/instagram"
        self.people: dict[str, dict[str, str]] = {}
        self.files: dict[str, tuple[bytes, str]] = {}
        self._is_held = False

    # --- accounts -------------------------------------------------------------------------------------------

    @property
    def hub_settings(self) -> Mapping[str, str]:
        urls = {"HUB_GRAPH_API_URL": self.graph_url, "HUB_INSTAGRAM_API_URL": self.instagram_url}
        return {**super().hub_settings, **urls}

    def open_account(self, kind: str, name: str, address: str = "", **credentials: str) -> Account:
        made = str(next(self._ids))
        token = credentials.get("access_token") or f"{kind}-token-{made}"
        add = self.add_page if kind == "messenger" else self.add_instagram
        owner = add(token, address or f"4000{made}", name, self.hub_app.id)
        return self._keep(Account(kind, owner.id, name, {"access_token": token}))

    def renew_token(self, account: str) -> Mapping[str, str]:
        known, old, token = self.account(account), self._owner(account), f"token-{next(self._ids)}"
        old.is_expired = True
        self.owners[token] = replace(old, token=token, is_expired=False)
        return self._keep(replace(known, credentials={"access_token": token})).credentials

    def connect_hub(self, webhook_url: str) -> None:
        for kind, object_ in OBJECTS.items():
            self.hub_app.callbacks[object_] = f"{webhook_url}/{kind}"

    def add_page(self, token: str, id_: str, name: str, app_id: str) -> Owner:
        """A page whose token was made in an app."""
        return self.owners.setdefault(token, Owner(token, id_, name, "page", app_id))

    def add_instagram(self, token: str, user_id: str, username: str, app_id: str) -> Owner:
        """An Instagram account that logged in to an app."""
        owner = Owner(token, user_id, username, "instagram", app_id, echoes_app_id=False)
        return self.owners.setdefault(token, owner)

    def webhook_of(self, account: str) -> str:
        owner = self._owner(account)
        callbacks = (self.apps[app_id].callbacks for app_id in owner.subscribed)
        return next((found[owner.object] for found in callbacks if owner.object in found), "")

    def find_token(self, token: str) -> Owner | None:
        return self.owners.get(token)

    def _owner(self, account: str) -> Owner:
        """By token or id: then it is whose token counts now."""
        named = (each for each in self.owners.values() if each.id == account and not each.is_expired)
        return self.owners.get(account) or next(named)

    # --- what people do -------------------------------------------------------------------------------------

    def write(self, account: str, contact: Any, text: str, *, age_seconds: float = 0.0) -> str:
        owner, mid = self._owner(account), self._new_id()
        owner.written_at[contact] = self.now() - age_seconds
        self._note_written(owner.id, contact, mid, text)
        at = int((self.now() - age_seconds) * 1000)
        self.happen(account, contact, {"message": {"mid": mid, "text": text}, "timestamp": at})
        return mid

    def press(self, account: str, contact: str, choice: str) -> dict[str, Any]:
        """A contact presses a quick reply of the last message that they got."""
        offered = [each for each in self.sent if each["contact"] == contact][-1]["choices"]
        reply = {"mid": self._new_id(), "text": choice, "quick_reply": {"payload": offered[choice]}}
        return self.happen(account, contact, {"message": reply})

    def happen(self, account: str, contact: str, event: Mapping[str, Any]) -> dict[str, Any]:
        """A contact does anything else ({"read": {"watermark": …}}); returns the item that is delivered."""
        owner = self._owner(account)
        item = self._item(contact, owner.id, event)
        self._queue(owner, item, None)
        return item

    def close_window(self, account: str, contact: str, seconds: float = WINDOW_SECONDS) -> None:
        """A day or more goes by since the contact has written."""
        self._owner(account).written_at[contact] = self.now() - seconds - 1

    def reply_by_hand(self, account: str, contact: str, text: str, app_id: str = "263902037430900") -> None:
        """A person answers in Meta's own inbox."""
        owner = self._owner(account)
        message = {"mid": self._new_id(), "text": text, "is_echo": True, "app_id": int(app_id)}
        self._queue(owner, self._item(owner.id, contact, {"message": message}), "message_echoes")

    def add_file(self, content: bytes, media_type: str) -> str:
        """A file that somebody sent; returns the address that a webhook names."""
        key = f"{next(self._ids)}"
        self.files[key] = content, media_type
        return f"{self.url}{FILES}{key}"

    @contextmanager
    def held(self) -> Iterator[None]:
        """What happens meanwhile is delivered afterwards, in one POST for each app and kind."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
            for app_id in self.apps:
                self.lanes.resume(app_id)

    def _new_id(self) -> str:
        return f"m_{next(self._ids)}"

    def _item(self, sender: str, recipient: str, event: Mapping[str, Any]) -> dict[str, Any]:
        at = int(self.now() * 1000)
        return {"sender": {"id": sender}, "recipient": {"id": recipient}, "timestamp": at, **event}

    # --- the API --------------------------------------------------------------------------------------------

    def respond(self, request: Request) -> Answer | None:
        if request.path.startswith(FILES):
            return self._file(request.path.removeprefix(FILES))
        return super().respond(request)

    def call_of(self, request: Request) -> Call:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        parts = request.path.strip("/").split("/")  # host, version, node, edge; or host and node
        target, edge = "".join(parts[2:3] or parts[-1:]), "".join(parts[3:])
        if "sender_action" in request.parameters:
            edge = "sender_action"
        return Call(edge or target, token, request.parameters, target, request.method, request.path)

    def carry_out(self, call: Call) -> Answer:
        return Answer.of_json(self._carry_out(call))

    def _carry_out(self, call: Call) -> dict[str, Any]:
        host = call.path.strip("/").partition("/")[0]
        if host == "facebook" and call.operation == "debug_token":
            return dict(self._debug_token(call))
        if host == "facebook" and call.operation == "access_token":
            return self._exchange(call)
        if host == "facebook" and call.operation == "subscriptions":
            return self._subscriptions(call)
        if host == "instagram" and call.operation == "refresh_access_token":
            return self._refresh(call)
        owner, edge = self._authorized(call.token, host), call.operation
        if edge == call.target and call.target in owner.written_at:
            return self._describe_person(call)
        if call.target not in ("me", owner.id):
            raise ApiError(100, f"Object with ID '{call.target}' does not exist", 33)
        edges = {
            "messages": self._message,
            "sender_action": self._show,
            "subscribed_apps": self._subscribed_apps,
        }
        if edge == call.target:
            return self._describe(owner, call)
        if edge not in edges:
            raise ApiError(100, f"Tried accessing nonexisting field ({edge})")
        return edges[edge](owner, call)

    def _authorized(self, token: str, host: str) -> Owner:
        objects = {"facebook": "page", "instagram": "instagram"}
        owner = self.owners.get(token)
        if owner is None or owner.object != objects.get(host):
            raise ApiError(190, "Invalid OAuth access token.", status=401)
        if owner.is_expired:
            raise ApiError(190, "Error validating access token: Session has expired", 463, 401)
        return owner

    def _exchange(self, call: Call) -> dict[str, Any]:
        """A page's token of an hour becomes one without an end."""
        app, given = self._as_app(call.token), call.parameters
        owner = self.owners.get(str(given.get("fb_exchange_token")))
        if (given.get("client_id"), given.get("client_secret")) != (app.id, app.secret) or owner is None:
            raise ApiError(1, "Error validating client secret.")
        return {"access_token": self._give_token(owner, expires_at=0).token, "token_type": "bearer"}

    def _refresh(self, call: Call) -> dict[str, Any]:
        """Once it is a day old, a token of Instagram's becomes one of 60 days."""
        owner = self._authorized(str(call.parameters.get("access_token")), "instagram")
        if call.parameters.get("grant_type") != "ig_refresh_token" or self.now() - owner.made_at < DAY:
            raise ApiError(10, "Application does not have permission for this action")
        token = self._give_token(owner, made_at=self.now()).token
        return {"access_token": token, "token_type": "bearer", "expires_in": 60 * DAY}

    def _give_token(self, owner: Owner, **changed: Any) -> Owner:
        token = f"{owner.token}-{next(self._ids)}"
        self.owners[token] = replace(owner, token=token, **changed)
        return self.owners[token]

    def _describe(self, owner: Owner, call: Call) -> dict[str, Any]:
        """`/me` of Instagram has an `id` of its own beside the `user_id` that webhooks carry."""
        known = {"id": owner.id, "name": owner.name}
        if owner.object == "instagram":
            known = {"id": f"9{owner.id}", "user_id": owner.id, "username": owner.name}
        fields = str(call.parameters.get("fields", "id")).split(",")
        if unknown := [name for name in fields if name not in known]:
            raise ApiError(100, f"Tried accessing nonexisting field ({unknown[0]})")
        return {"id": known["id"], **{name: known[name] for name in fields}}

    def _describe_person(self, call: Call) -> dict[str, Any]:
        if call.target not in self.people:
            raise ApiError(230, "User consent is required to access user profile")
        fields, known = str(call.parameters.get("fields", "")).split(","), self.people[call.target]
        return {"id": call.target, **{name: known[name] for name in fields if name in known}}

    def _file(self, key: str) -> Answer:
        if key not in self.files:
            return Answer(403, "URL signature expired", {"content-type": "text/plain"})
        content, media_type = self.files[key]
        return Answer(200, content, {"content-type": media_type})

    def _subscribed_apps(self, owner: Owner, call: Call) -> dict[str, Any]:
        if call.method == "POST":
            fields = str(call.parameters.get("subscribed_fields", ""))
            if not fields:
                raise ApiError(100, "The parameter subscribed_fields is required.")
            owner.subscribed[owner.app_id] = fields.split(",")
            return {"success": True}
        if call.method == "DELETE":
            owner.subscribed.pop(owner.app_id, None)
            return {"success": True}
        apps = [
            {"id": id_, "name": "An app", "subscribed_fields": fields}
            for id_, fields in owner.subscribed.items()
        ]
        return {"data": apps}

    def _message(self, owner: Owner, call: Call) -> dict[str, Any]:
        contact = self._contact(owner, call)
        message = call.parameters.get("message") or {}
        text = str(message.get("text", ""))
        self._check_text(owner, text, call)
        mid = self._new_id()
        self._note_sent(owner.id, contact, mid, text, _quick_replies(message))
        attached = {"metadata": message["metadata"]} if "metadata" in message else {}
        self._echo(owner, contact, {"mid": mid, "text": text.strip(), **attached})
        return {"recipient_id": contact, "message_id": mid}

    def _show(self, owner: Owner, call: Call) -> dict[str, Any]:
        contact = self._contact(owner, call)
        if call.parameters["sender_action"] not in ("typing_on", "typing_off", "mark_seen"):
            raise ApiError(100, "Param sender_action must be one of {TYPING_ON, TYPING_OFF, MARK_SEEN}")
        return {"recipient_id": contact}

    def _contact(self, owner: Owner, call: Call) -> str:
        """Whom a call is for, if they can be written to."""
        contact = str((call.parameters.get("recipient") or {}).get("id", ""))
        is_page = owner.object == "page"
        if contact not in owner.written_at:
            if is_page:
                raise ApiError(100, "No matching user found", 2018001)
            raise ApiError(100, "The requested user cannot be found.", 2534014)
        if contact in owner.blocked_by:
            raise ApiError(551, "This person isn't available right now.", 1545041)
        if self.now() - owner.written_at[contact] > self._window_seconds(owner, call):
            subcode = 2018278 if is_page else 2534022
            raise ApiError(10, "This message is sent outside of allowed window.", subcode)
        return contact

    def _window_seconds(self, owner: Owner, call: Call) -> float:
        if call.parameters.get("messaging_type") != "MESSAGE_TAG":
            return WINDOW_SECONDS
        if call.parameters.get("tag") != "HUMAN_AGENT":
            raise ApiError(100, "Invalid tag.")
        if not owner.has_human_agent:
            raise ApiError(10, "Application does not have permission for this action")
        return HUMAN_AGENT_SECONDS

    def _check_text(self, owner: Owner, text: str, call: Call) -> None:
        if not text.strip():
            raise ApiError(100, "Message cannot be empty, must provide valid attachment or text", 2018034)
        if owner.object == "instagram":
            if len(text.encode()) > 1000:
                raise ApiError(100, "Length of param message[text] must be at most 1000 bytes")
            if "metadata" in call.parameters["message"]:
                raise ApiError(100, 'Invalid keys "metadata" were found in param "message".')
            return
        if len(text.encode("utf-16-le")) // 2 > 2000:
            raise ApiError(100, "Length of param message[text] must be less than or equal to 2000")
        if call.parameters.get("messaging_type") not in ("RESPONSE", "MESSAGE_TAG"):
            raise ApiError(100, "The parameter messaging_type is required", 2018275)

    def _echo(self, owner: Owner, contact: str, message: dict[str, Any]) -> None:
        sender = {"app_id": int(owner.app_id)} if owner.echoes_app_id else {}
        echo = {**message, "is_echo": True, **sender}
        self._queue(owner, self._item(owner.id, contact, {"message": echo}), "message_echoes")

    # --- webhooks -------------------------------------------------------------------------------------------

    def _queue(self, owner: Owner, item: dict[str, Any], page_field: str | None) -> None:
        """Put an item on its way to every app that asked for it. Instagram's echoes come with messages."""
        for app_id, fields in list(owner.subscribed.items()):
            if owner.object == "instagram" or page_field is None or page_field in fields:
                self.lanes.put((app_id, owner.object), (owner.id, item))

    def ready(self, lane: Lane, waiting: int) -> int:
        return 0 if self._is_held else waiting

    def post_items(self, lane: Lane, items: Sequence[Any]) -> bool:
        app, object_ = self.apps[lane[0]], lane[1]
        if object_ not in app.callbacks:
            return True  # the app has no webhook for it: nobody is told
        entries: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for owner_id, item in items:
            entries[owner_id].append(item)
        at = int(self.now() * 1000)
        found = [{"id": owner_id, "time": at, "messaging": each} for owner_id, each in entries.items()]
        return self._post_signed(app, app.callbacks[object_], {"object": object_, "entry": found}).is_taken

    def ids_of(self, content: Any) -> Sequence[str]:
        items = [item for entry in content["entry"] for item in entry["messaging"]]
        return [str(item.get("message", {}).get("mid") or [*item][-1]) for item in items]


def _quick_replies(message: Mapping[str, Any]) -> dict[str, str]:
    """The payloads of those that a message offers, by their titles."""
    offered = message.get("quick_replies", [])
    if len(offered) > 13 or any(each.get("content_type") != "text" for each in offered):
        raise ApiError(100, "Invalid parameter: quick_replies")
    if any(not 0 < len(each["title"]) <= 20 or len(each["payload"]) > 1000 for each in offered):
        raise ApiError(100, "Param message[quick_replies][title] must be at most 20 characters")
    return {each["title"]: each["payload"] for each in offered}
