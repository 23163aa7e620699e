"""The hub's own chat: a page, a script that puts it on an organization's site, and the API behind it.

Who a visitor is needs no state on the server: the browser makes a random key of 256 bits, keeps it, and
sends it with each request. The contact is the key's hash together with the channel's id, so that nobody
else can read or continue the conversation, and no table holds the key.

Below the channel's address: GET "" the page · GET "chat.js", "chat.css" · GET "embed.js" · GET
"messages?after=ID" (with the key) · POST "" (with the key) {"id": "the browser's own id of the message",
"text": "…", "choice": true where it was clicked, "below": the number of the message that it stood below,
"waited_seconds": how long it has been in the browser}, which is the webhook.
"""

import hashlib
import html
import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone

from hub_lambdas.channels import payloads
from hub_lambdas.channels import text as texts
from hub_lambdas.channels.base import (
    Account,
    ContactView,
    FetchedMedia,
    Field,
    Health,
    Inbound,
    InboundMessage,
    Media,
    MediaRefused,
    Sample,
    Sender,
    ShownMessage,
    SignatureError,
)
from hub_lambdas.channels.defaults import Defaults
from hub_lambdas.http import BadRequest, Request, Response
from hub_lambdas.sentences import stored

TEXT_LIMIT = 10_000
MAX_WAIT = timedelta(days=30)
"""No message is older. A browser tells how long it kept one, for its clock may be wrong by hours; whoever
lies is answered as if late, and no better."""
DEFAULT_COLOUR = "#0f766e"
MAX_SUGGESTIONS = 4
FOREVER_SECONDS = 31_536_000
EMBED_CACHE_SECONDS = 300

_PAGE_FOLDER = Path(__file__).parent.parent / "webchat_page"
_KEY = re.compile(r"Bearer ([A-Za-z0-9_-]{43,128})")
_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}")
_MESSAGE_NUMBER = re.compile(r"[0-9]{1,18}")

# --- how a channel's chat looks, and where it may stand -----------------------------------------------------


@dataclass(frozen=True)
class Look:
    """A channel's options; what is unusable in them is left out, and said in `problems`."""

    title: str
    greeting: str
    colour: str
    suggestions: Sequence[str]
    allowed_origins: Sequence[str]
    problems: Sequence[str]

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "Look":
        problems: list[str] = []
        given = dict(options)
        return cls(
            title=payloads.text(given, "title").strip() or "Chat with us",
            greeting=payloads.text(given, "greeting").strip() or "Hello! How can we help you?",
            colour=_colour(given.get("colour"), problems),
            suggestions=_suggestions(given.get("suggestions"), problems),
            allowed_origins=_origins(given.get("allowed_origins"), problems),
            problems=problems,
        )

    @property
    def text_colour(self) -> str:
        """What can be read on `colour`: the one with the higher contrast (WCAG 2.2, relative luminance)."""
        channels = [int(self.colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
        luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        return "#ffffff" if 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.05 else "#111111"


def _colour(value: object, problems: list[str]) -> str:
    if isinstance(value, str) and _COLOUR.fullmatch(value):
        return value.lower()
    if value:
        problems.append(stored("The colour must be written like %(colour)s.", colour=DEFAULT_COLOUR))
    return DEFAULT_COLOUR


def _strings(value: object) -> list[str]:
    items = value if isinstance(value, list) else []
    return [item.strip() for item in items if isinstance(item, str) and item.strip()]


def _suggestions(value: object, problems: list[str]) -> list[str]:
    found = _strings(value)
    if len(found) > MAX_SUGGESTIONS:
        problems.append(
            stored("Only the first %(count)s suggested questions are shown.", count=MAX_SUGGESTIONS)
        )
    return found[:MAX_SUGGESTIONS]


def _origins(value: object, problems: list[str]) -> list[str]:
    """They become part of a header: one that is no plain origin is left out."""
    found = [origin.lower().rstrip("/") for origin in _strings(value)]
    problems.extend(
        stored(
            "The allowed site %(origin)s must be written like https://www.example.com.", origin=origin[:80]
        )
        for origin in found
        if not _ORIGIN.fullmatch(origin)
    )
    return [origin for origin in found if _ORIGIN.fullmatch(origin)]


# --- who asks -----------------------------------------------------------------------------------------------


def _contact(request: Request, account: Account) -> str:
    """The contact's id; SignatureError where the key or the site that asks is not acceptable."""
    if not _is_origin_allowed(request, account):
        raise SignatureError("The site that asks is not among the channel's allowed sites.")
    key = _KEY.fullmatch(request.headers.get("authorization", ""))
    if key is None:
        raise SignatureError("The visitor's key is missing or malformed.")
    return hashlib.sha256(f"{account.channel_id}:{key[1]}".encode()).hexdigest()


def _is_origin_allowed(request: Request, account: Account) -> bool:
    """A browser names the site that asks; other programs have none."""
    origin = request.headers.get("origin", "").lower()
    if not origin:
        return True
    if not _ORIGIN.fullmatch(origin):
        return False
    own_hosts = (request.headers.get("host", "").lower(), urlsplit(settings.WEBHOOK_URL).netloc)
    return urlsplit(origin).netloc in own_hosts or origin in Look.of(account.options).allowed_origins


def _language(request: Request) -> str:
    found = _LANGUAGE.match(request.headers.get("accept-language", ""))
    return found[0] if found else ""


def _cors(request: Request, account: Account) -> dict[str, str]:
    """What lets a page on an allowed site read the answer."""
    origin = request.headers.get("origin", "")
    if not origin or not _is_origin_allowed(request, account):
        return {"vary": "origin"}
    return {
        "access-control-allow-origin": origin,
        "access-control-expose-headers": "retry-after",
        "vary": "origin",
    }


def _json(request: Request) -> Any:
    try:
        return request.json()
    except RecursionError:
        raise BadRequest(400, "The body is nested too deeply.") from None
    except ValueError:
        raise BadRequest(400, "The body is not valid JSON.") from None


def _written_at(content: Any, now: datetime) -> datetime | None:
    """When a message was written that waited in the browser: never in the future, nor before MAX_WAIT."""
    given = payloads.find(content, "waited_seconds")
    if given is None:
        return None
    waited_seconds = payloads.whole(given)
    if waited_seconds is None or waited_seconds < 0:
        raise BadRequest(400, "`waited_seconds` must be a whole number, 0 or more.")
    return now - timedelta(seconds=min(waited_seconds, MAX_WAIT.total_seconds()))


# --- what is served -----------------------------------------------------------------------------------------


@cache
def _asset(name: str) -> str:
    return (_PAGE_FOLDER / name).read_text(encoding="utf-8")


def _style(look: Look) -> str:
    """The colours are in the file, not in the page: so the page needs no inline style."""
    return f":root {{ --accent: {look.colour}; --on-accent: {look.text_colour}; }}\n{_asset('chat.css')}"


def _script(look: Look) -> str:
    return _asset("chat.js")


def _fingerprint(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()[:16]


_FILES: Mapping[str, tuple[Callable[[Look], str], str]] = {
    "chat.css": (_style, "text/css; charset=utf-8"),
    "chat.js": (_script, "text/javascript; charset=utf-8"),
}


def _file(request: Request, look: Look, name: str) -> Response:
    """The page names it together with its fingerprint, so it is kept for good: a changed one has another."""
    make, content_type = _FILES[name]
    content = make(look)
    is_current = request.query.get("v") == _fingerprint(content)
    kept = f"public, max-age={FOREVER_SECONDS}, immutable" if is_current else "no-cache"
    return Response(200, content, content_type, {"cache-control": kept, "x-content-type-options": "nosniff"})


def _embed(look: Look) -> Response:
    shown = {"title": look.title, "colour": look.colour, "textColour": look.text_colour}
    content = _asset("embed.js").replace('"{{chat}}"', json.dumps(shown))
    kept = f"public, max-age={EMBED_CACHE_SECONDS}"
    headers = {"cache-control": kept, "x-content-type-options": "nosniff"}
    return Response(200, content, "text/javascript; charset=utf-8", headers)


def _page(request: Request, account: Account, look: Look) -> Response:
    # Relative to the page's own address, which ends in the channel's id: right below any prefix.
    base = "" if request.path.endswith("/") else f"{account.channel_id}/"
    values = {
        "title": html.escape(look.title),
        "initial": html.escape(look.title[0].upper()),
        "greeting": html.escape(look.greeting),
        "suggestions": "".join(_suggestion_button(each) for each in look.suggestions),
        "text_limit": str(TEXT_LIMIT),
        "chat_css": f"{base}chat.css?v={_fingerprint(_style(look))}",
        "chat_js": f"{base}chat.js?v={_fingerprint(_script(look))}",
    }
    content = re.sub(r"\{\{(\w+)\}\}", lambda place: values[place[1]], _asset("page.html"))
    return Response(200, content, "text/html; charset=utf-8", _page_headers(look))


def _suggestion_button(question: str) -> str:
    return f'<button type="button" class="suggestion" dir="auto">{html.escape(question)}</button>'


def _page_headers(look: Look) -> dict[str, str]:
    policy = [
        "default-src 'none'",
        *("script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self' data:"),
        *("base-uri 'none'", "form-action 'none'"),
        " ".join(["frame-ancestors 'self'", *look.allowed_origins]),
    ]
    return {
        "cache-control": "no-cache",
        "content-security-policy": "; ".join(policy),
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }


def _messages(request: Request, account: Account, view: ContactView) -> Response:
    contact = _contact(request, account)
    after = request.query.get("after", "0")
    if not _MESSAGE_NUMBER.fullmatch(after):
        raise BadRequest(400, "`after` must be the id of a message.")
    shown = [_shown(message) for message in view.messages(contact, int(after))]
    content = {"messages": shown, "typing": view.is_answer_due(contact)}
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff", **_cors(request, account)}
    return Response.of_json(content, headers=headers)


def _shown(message: ShownMessage) -> dict[str, Any]:
    return {
        "id": message.id,
        "mine": message.mine,
        "text": message.text,
        "at": message.at.isoformat(),
        "client_id": message.client_id if message.mine else "",
        "choices": list(message.choices),
    }


def _preflight(request: Request, account: Account) -> Response:
    headers = {
        "access-control-allow-methods": "GET, POST",
        "access-control-allow-headers": "authorization, content-type",
        "access-control-max-age": "600",
    }
    return Response(204, headers={**headers, **_cors(request, account)})


class WebChat(Defaults):
    """A chat on the organization's site, or on a page of its own, which sees in the ledger what is stored and
    whether an answer is due."""

    name: ClassVar[str] = "webchat"
    label: ClassVar[str] = "Web chat"
    fields: ClassVar[Sequence[Field]] = ()
    options: ClassVar[Sequence[Field]] = (
        Field("title", "Title", "What the chat is called, usually your organization.", required=False),
        Field("greeting", "Greeting", "The first words a visitor reads.", required=False),
        Field("colour", "Colour", "Of the header and the buttons, like #0f766e.", required=False),
        Field(
            "suggestions",
            "Suggested questions",
            "Up to 4, one a line: a visitor sends one with a click.",
            required=False,
            shape="list",
        ),
        Field(
            "allowed_origins",
            "Allowed sites",
            "Where the chat may be embedded, one a line, like https://www.example.com.",
            required=False,
            shape="list",
        ),
    )
    pages: ClassVar[Mapping[str, str]] = {"page": "", "script": "embed.js"}
    text_limit: ClassVar[int] = TEXT_LIMIT
    admits_anybody: ClassVar[bool] = True

    def verify(self, request: Request, account: Account) -> None:
        _contact(request, account)

    def parse(self, request: Request, account: Account) -> Sequence[Inbound]:
        """One message. The sender is our own page or somebody's program: whatever else it sends is refused
        with a sentence, for nothing would come of storing it."""
        contact, content = _contact(request, account), _json(request)
        client_id, text = payloads.text(content, "id"), payloads.find(content, "text")
        if not _CLIENT_ID.fullmatch(client_id):
            raise BadRequest(400, "`id` must be 1 to 64 letters, digits, dashes or underscores.")
        if not isinstance(text, str):
            raise BadRequest(400, "`text` must be a string.")
        if len(text) > TEXT_LIMIT:
            raise BadRequest(413, f"A message may have {TEXT_LIMIT} characters; this one has {len(text)}.")
        sender = Sender(contact, f"Visitor {contact[:6]}", _language(request))
        kind = "button" if payloads.find(content, "choice") is True else "text"
        payload = request.body.decode("utf-8", "replace")
        written_at, below = _written_at(content, timezone.now()), payloads.integer(content, "below")
        return [
            InboundMessage(
                sender,
                f"{contact}:{client_id}",
                kind,
                text,
                written_at,
                payload,
                below_reference="" if below is None else str(below),
            )
        ]

    def acknowledge(self, request: Request, account: Account) -> Response:
        headers = {"cache-control": "no-store", **_cors(request, account)}
        return Response.of_json({"status": "accepted"}, 202, headers)

    def refuse(self, request: Request, account: Account, error: BadRequest) -> Response:
        return Response.of_error(error, {"cache-control": "no-store", **_cors(request, account)})

    def serve(self, request: Request, account: Account, subpath: str, view: ContactView) -> Response:
        if request.method == "OPTIONS":
            return _preflight(request, account)
        if request.method not in ("GET", "HEAD"):
            raise BadRequest(405, "Use GET, or POST to the channel's own address.")
        if subpath == "messages":
            return _messages(request, account, view)
        look = Look.of(account.options)
        if subpath in _FILES:
            return _file(request, look, subpath)
        if subpath == "embed.js":
            return _embed(look)
        if subpath:
            raise BadRequest(404, "There is nothing here.")
        return _page(request, account, look)

    def send(
        self,
        account: Account,
        contact: str,
        text: str,
        reference: str,
        choices: Sequence[str] = (),
        *,
        is_late: bool = False,
    ) -> str:
        """Nothing leaves the hub: the page reads the ledger, where the message stands."""
        return f"sent:{reference}"

    def split(self, text: str, choices: Sequence[str] = ()) -> Sequence[str]:
        return texts.split(text, self.text_limit)

    def fetch_media(self, account: Account, media: Media, limit_bytes: int) -> FetchedMedia:
        raise MediaRefused("The chat page sends no files.")

    def identify(self, account: Account) -> Health:
        return Health("")

    def register(self, account: Account, webhook_url: str) -> Health:
        return self.check(account, webhook_url)

    def check(self, account: Account, webhook_url: str) -> Health:
        return Health(webhook_url, Look.of(account.options).problems, delivers_here=True)

    def sample(self, account: Account, address: str, text: str) -> Sample:
        """By a visitor with a key that no browser has."""
        headers = {
            "content-type": "application/json",
            "authorization": f"Bearer {secrets.token_urlsafe(32)}",
        }
        body = json.dumps({"id": secrets.token_hex(16), "text": text}).encode()
        request = Request("POST", f"/{self.name}/{account.channel_id}", headers=headers, body=body)
        return Sample(_contact(request, account), request)
