"""What WhatsApp, Messenger and Instagram share: the webhook's handshake and signature, and the Graph API.

Source of the rules: developers.facebook.com/docs/graph-api/webhooks/getting-started and
/docs/graph-api/guides/error-handling.
"""

import hashlib
import hmac
import json
import logging
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.conf import settings

from hub_lambdas.channels import payloads
from hub_lambdas.channels.base import (
    SHARED,
    Account,
    ChannelError,
    ContactView,
    CredentialRejected,
    Inbound,
    SendRefused,
    SendRejected,
    SendUnknown,
    SignatureError,
    Unread,
    Validity,
)
from hub_lambdas.channels.client import CLIENT, READ_TIMEOUT_SECONDS, Answer
from hub_lambdas.channels.defaults import Defaults
from hub_lambdas.faults import describe
from hub_lambdas.http import Request, Response
from hub_lambdas.sentences import stored

log = logging.getLogger(__name__)

SIGNATURE_HEADER = "x-hub-signature-256"
EXPIRY_WARNING_DAYS = 10
RENEWAL_DAYS = 30
SHORT_LIVED_DAYS = 2
REFERENCE_PREFIX = "channels-hub:"

# --- the webhook --------------------------------------------------------------------------------------------


def shared_account() -> Account | None:
    """The hub's own Meta app, where it is set up."""
    if not settings.META_APP_SECRET or not settings.META_VERIFY_TOKEN:
        return None
    return Account(SHARED, {"verify_token": settings.META_VERIFY_TOKEN})


def verify(request: Request, secrets: Collection[str]) -> None:
    """Raise SignatureError unless one of the app `secrets` signed the raw body."""
    given = request.headers.get(SIGNATURE_HEADER, "")
    known = [secret for secret in secrets if secret]
    if not known:
        raise SignatureError("There is no app secret: enter it in the channel or set HUB_META_APP_SECRET.")
    if not any(
        hmac.compare_digest(given.encode("utf-8", "surrogatepass"), _signature(request.body, secret))
        for secret in known
    ):
        raise SignatureError("The signature is missing or wrong.")


def _signature(body: bytes, secret: str) -> bytes:
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}".encode()


def signed(path: str, body: object, secrets: Collection[str]) -> Request:
    """A webhook as Meta posts it, signed with the first of the app `secrets` that is known. Raises
    SignatureError where none is."""
    content, secret = json.dumps(body).encode(), next(filter(None, secrets), "")
    if not secret:
        raise SignatureError("There is no app secret: enter it in the channel or set HUB_META_APP_SECRET.")
    headers = {"content-type": "application/json", SIGNATURE_HEADER: _signature(content, secret).decode()}
    return Request("POST", path, headers=headers, body=content)


def app_secrets(account: Account, *shared: str) -> list[str]:
    """The secret of the organization's own app, or else those of the hub's."""
    own = account.credentials.get("app_secret")
    return [own] if isinstance(own, str) and own else [*shared]


def shake_hands(request: Request, account: Account) -> Response:
    """Answer the GET by which Meta asks whether the address is meant: with its challenge, to whoever knows
    the verify token."""
    token = account.credentials.get("verify_token")
    given = request.query.get("hub.verify_token", "")
    is_known = isinstance(token, str) and token and hmac.compare_digest(given.encode(), token.encode())
    if request.method != "GET" or request.query.get("hub.mode") != "subscribe" or not is_known:
        return Response(403)
    return Response(200, request.query.get("hub.challenge", ""))


def entries(body: Any) -> Iterator[Any]:
    """The entries of a webhook, as far as it has any."""
    return iter(each if isinstance(each := payloads.find(body, "entry"), list) else [])


def read_each(
    items: Iterator[tuple[str, Any, Mapping[str, Any]]], read: Callable[[str, Any], Sequence[Inbound]]
) -> Iterator[Inbound]:
    """What `read` makes of (address, item, a webhook that holds this item alone). One in which it stumbles
    becomes Unread, and its neighbours are read all the same."""
    for address, item, alone in items:
        try:
            yield from read(address, item)
        except Exception as error:
            # Its kind and place only: the text may quote what a contact wrote.
            log.error("an item of a webhook was not understood: %s", describe(error))
            content = json.dumps(alone)
            yield Unread(f"unread:{payloads.digest(content.encode())}", content, address=address)


def moment(milliseconds: Any) -> datetime | None:
    """Meta's time stamps in milliseconds (Messenger, Instagram); None for an absurd one."""
    whole = payloads.whole(milliseconds)
    if whole is None:
        return None
    second = payloads.moment({"at": whole // 1000}, "at")
    return second and second + timedelta(milliseconds=whole % 1000)


class MetaKind(Defaults):
    """What a kind of Meta's does like the others: its webhook, its receipts."""

    shows_typing: ClassVar[bool] = True
    reconciles: ClassVar[bool] = True

    def shared_account(self) -> Account | None:
        return shared_account()

    def serve(self, request: Request, account: Account, subpath: str, view: ContactView) -> Response:
        return Response(404) if subpath else shake_hands(request, account)

    def new_secrets(self) -> Mapping[str, str]:
        return {"verify_token": secrets.token_urlsafe(32)}


# --- the Graph API ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Codes:
    """What the error codes of one product mean. `later`: not taken, it may be in a moment. `broken`: the
    credential is not accepted. `gone`: this contact cannot be reached any more. `unclear`: it may have been
    taken. Any other: never. A subcode in `broken`, `gone` or `never` says more than its code.
    `later_seconds` and `later_growth`: how long to wait, where it is not a second and twice that."""

    later: Collection[int]
    broken: Collection[int]
    gone: Collection[int] = ()
    never: Collection[int] = ()
    unclear: Collection[int] = ()
    later_seconds: Mapping[int, float] = field(default_factory=dict)
    later_growth: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """The Graph API of one product: its name in sentences, its address, what its errors mean."""

    name: str
    codes: Codes
    host: Callable[[], str]

    def call(
        self,
        token: str,
        method: str,
        path: str,
        content: object = None,
        *,
        query: Mapping[str, str] | None = None,
        timeout_seconds: float = READ_TIMEOUT_SECONDS,
        has_version: bool = True,
    ) -> Any:
        """Call `path` ("123/messages") and return the JSON that it answers. Raises ChannelError; where nobody
        can tell whether a message was taken, SendUnknown."""
        versioned = f"{settings.GRAPH_VERSION}/{path}" if has_version else path
        url = f"{self.host()}/{versioned}{'?' + urlencode(query) if query else ''}"
        headers = {"authorization": f"Bearer {token}"}
        answer = CLIENT.call(
            self.name, method, url, content=content, headers=headers, read_timeout_seconds=timeout_seconds
        )
        if 200 <= answer.status < 300 and answer.content is not None:
            return answer.content
        raise self._error(answer)

    def _error(self, answer: Answer) -> ChannelError:
        """Only the API's own JSON proves that a request was refused: a gateway in front of it cannot tell
        whether it was carried out."""
        code = payloads.integer(answer.content, "error", "code")
        if code is None:
            return SendUnknown(
                stored(
                    "%(name)s answered with status %(status)s and no clear result.",
                    name=self.name,
                    status=answer.status,
                )
            )
        subcode = payloads.integer(answer.content, "error", "error_subcode")
        said = f"{self.name}: {sentence(payloads.find(answer.content, 'error'))}"
        if subcode in self.codes.gone or subcode in self.codes.never:
            return SendRejected(said, contact_gone=subcode in self.codes.gone)
        if code in self.codes.unclear:
            return SendUnknown(said)
        if code in self.codes.broken or subcode in self.codes.broken or 200 <= code <= 299:
            return CredentialRejected(said)
        if code in self.codes.later or answer.status == 429 or answer.status >= 500:
            seconds = answer.retry_after_seconds or self.codes.later_seconds.get(code, 1.0)
            return SendRefused(said, seconds, growth=self.codes.later_growth.get(code, 2.0))
        return SendRejected(said, contact_gone=code in self.codes.gone)


def marked(reference: str) -> str:
    """A reference of the hub's as Meta is given it: other programs may send for the same account."""
    return f"{REFERENCE_PREFIX}{reference}"


def our_reference(returned: str) -> str:
    """The reference in what Meta gives back; "" where it is somebody else's."""
    return returned.removeprefix(REFERENCE_PREFIX)[:40] if returned.startswith(REFERENCE_PREFIX) else ""


def sentence(error: Any) -> str:
    """What an error of the API says, with its code. Only characters that can be shown and stored."""
    said = payloads.text(error, "error_data", "details") or payloads.text(error, "message")
    said = said or payloads.text(error, "title")
    shown = "".join(each for each in " ".join(said.split()) if each.isprintable())[:200]
    code, subcode = payloads.integer(error, "code"), payloads.integer(error, "error_subcode")
    number = f" (error {code}{f'/{subcode}' if subcode else ''})" if code is not None else ""
    return f"{shown.rstrip('.') or 'no reason given'}{number}."


def token(account: Account, name: str = "access_token") -> str:
    """The stored access token. Raises CredentialRejected where there is none that could be one."""
    found = account.credentials.get(name)
    stripped = found.strip() if isinstance(found, str) else ""
    if not stripped.isascii() or not stripped.isprintable() or len(stripped.split()) != 1:
        raise CredentialRejected("No usable access token is stored: enter it in the channel.")
    return stripped


def app_token(account: Account) -> str:
    """The token of the app that a channel's access token is of: the organization's own, or else the hub's.
    Empty where its id or its secret is not known."""
    own_id, own_secret = (account.credentials.get(name) for name in ("app_id", "app_secret"))
    id_, secret = (
        (own_id, own_secret) if own_id or own_secret else (settings.META_APP_ID, settings.META_APP_SECRET)
    )
    if not isinstance(id_, str) or not isinstance(secret, str) or not secret.isascii():
        return ""
    return f"{id_}|{secret}" if id_.isascii() and id_.isdecimal() and secret.isprintable() and secret else ""


def is_of_hub(app_token: str) -> bool:
    """Whether it is the token of the hub's own app."""
    return app_token == f"{settings.META_APP_ID}|{settings.META_APP_SECRET}"


def asked_beside(ask: Callable[[], list[str]]) -> list[str]:
    """The problems that a question finds which sending needs no answer to. That the credential has no right
    for it is one of them, and no reason to pause the channel."""
    try:
        return ask()
    except CredentialRejected as error:
        return [stored("Not all could be checked. %(error)s", error=error)]


# --- how long an access token goes --------------------------------------------------------------------------


def inspect_token(
    graph: Graph, account: Account, needed: Collection[str], now: float | None = None
) -> tuple[Validity, list[str]]:
    """How far the access token of a channel goes, and what is wrong with it in sentences for an org admin:
    `needed` are the permissions that it must have. Asked with the token of its app, and where that is not
    known with itself, which Meta allows to tokens of the app's developers only. Raises ChannelError."""
    asking = app_token(account)
    try:
        query = {"input_token": token(account)}
        answer = graph.call(asking or token(account), "GET", "debug_token", query=query)
    except (CredentialRejected, SendRejected) as error:
        if not asking:
            return Validity(), []
        if not isinstance(error, CredentialRejected):
            raise
        if is_of_hub(asking):
            log.error("the hub's Meta app is refused: check HUB_META_APP_ID and HUB_META_APP_SECRET")
            return Validity(), []
        return Validity(), [stored("The app's id and secret could not be checked. %(error)s", error=error)]
    said = payloads.find(answer, "data")
    if payloads.find(said, "is_valid") is not True:
        return Validity(), [
            stored("The access token is not valid any more: make a new one and enter it here.")
        ]
    validity = _validity(said, needed)
    return validity, [*_permission_problems(validity), *expiry_problems(validity, now)]


def _validity(said: Any, needed: Collection[str]) -> Validity:
    seconds, scopes = payloads.integer(said, "expires_at"), payloads.find(said, "scopes")
    missing = [name for name in needed if name not in scopes] if isinstance(scopes, list) else None
    return Validity(payloads.moment(said, "expires_at"), seconds == 0, missing)


def _permission_problems(validity: Validity) -> list[str]:
    missing = ", ".join(validity.missing_permissions or ())
    return (
        [stored("The access token lacks the permission %(missing)s: make one that has it.", missing=missing)]
        if missing
        else []
    )


def expiry_problems(validity: Validity, now: float | None = None) -> list[str]:
    """That a token ends before long, with the hour where it is a matter of hours."""
    days = _days_left(validity, now)
    if validity.ends_at is None or days is None or days >= EXPIRY_WARNING_DAYS:
        return []
    until = validity.ends_at.strftime("%d %B %Y" if days > SHORT_LIVED_DAYS else "%d %B %Y at %H:%M UTC")
    return [
        stored("The access token ends on %(until)s: make a new one before, and enter it here.", until=until)
    ]


def ends_soon(validity: Validity, now: float | None = None) -> bool:
    """Whether it is time to have a token renewed: long before it ends, for that may take several days."""
    days = _days_left(validity, now)
    return days is not None and days < RENEWAL_DAYS


def _end(validity: Validity) -> float:
    return validity.ends_at.timestamp() if validity.ends_at else 0.0


def _days_left(validity: Validity, now: float | None) -> float | None:
    if validity.ends_at is None:
        return None
    return (validity.ends_at.timestamp() - (time.time() if now is None else now)) / 86400


def exchange(graph: Graph, account: Account, owner: Callable[[str], object]) -> Mapping[str, str] | None:
    """A longer-lived access token in place of one that ends soon, like those of an hour or a day that Meta's
    pages offer first (developers.facebook.com/docs/facebook-login/guides/access-tokens/get-long-lived). None
    where the app's id and secret are not known, or Meta gives none that lives longer and belongs to the same
    `owner`: that it ends is for the check to say. Raises ChannelError."""
    app_id, _, secret = app_token(account).partition("|")
    if not secret:
        return None
    validity, _ = inspect_token(graph, account, ())
    if not ends_soon(validity):
        return None
    query = {
        "grant_type": "fb_exchange_token",
        "client_id": app_id,
        "client_secret": secret,
        "fb_exchange_token": token(account),
    }
    try:
        answer = graph.call(app_token(account), "GET", "oauth/access_token", query=query)
        changed = {"access_token": payloads.text(answer, "access_token")}
        longer, _ = inspect_token(graph, replace(account, credentials={**account.credentials, **changed}), ())
        is_longer = longer.is_endless or _end(longer) > _end(validity)
        is_of_owner = owner(changed["access_token"]) == owner(token(account))
    except (CredentialRejected, SendRejected) as error:
        log.warning("an access token of channel %s was not exchanged: %s", account.channel_id, error)
        return None
    return changed if is_longer and is_of_owner else None
