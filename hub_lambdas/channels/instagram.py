"""Instagram professional accounts that log in with Instagram (Instagram API with Instagram Login:
developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login)."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import quote

from django.conf import settings

from hub_lambdas.channels import messaging, meta, payloads, subscriptions
from hub_lambdas.channels import text as texts
from hub_lambdas.channels.base import (
    Account,
    CredentialRejected,
    FetchedMedia,
    Field,
    Health,
    Inbound,
    Media,
    ReplyWindow,
    Sample,
    Sender,
    SendRejected,
    Validity,
)
from hub_lambdas.http import Request
from hub_lambdas.sentences import stored

SUBSCRIBED_FIELDS = ("messages", "messaging_postbacks", "messaging_seen", "message_reactions")
"""Echoes come with `messages`. Which fields arrive is set in the app; an account is subscribed or is not."""

LIFE = "access_token_life"
"""The credential in which the hub keeps what it knows of `access_token`."""
LIFETIME_SECONDS = 60 * 86400
RENEWABLE_AFTER_SECONDS = 25 * 3600

_CODES = meta.Codes(
    later={2, 4, 17, 32, 613, 1200, 80002, 80006},
    broken={190},
    gone={551, 1545041, 2018001, 2534014},
    never={2018278, 2534022},  # outside the window
    unclear={1},
)
GRAPH = meta.Graph("Instagram", _CODES, lambda: settings.INSTAGRAM_API_URL)
APP_GRAPH = replace(GRAPH, host=lambda: settings.GRAPH_API_URL)
"""Where Meta apps are asked for: their tokens are none of Instagram's."""
OBJECT = "instagram"


def _address(entry: Any, event: Any) -> str:
    """By the account's side of the event: Meta's test entries have the id "0"."""
    side = "sender" if messaging.is_echo(event) else "recipient"
    own_id = messaging.read_id(payloads.find(event, side, "id"))
    return own_id or messaging.read_id(payloads.find(entry, "id"))


def _owner(token: str) -> tuple[str, str]:
    """The account's id, as webhooks have it (`/me` has another under "id"), and its name. Raises
    ChannelError."""
    owner = GRAPH.call(token, "GET", "me", query={"fields": "user_id,username"})
    user_id = messaging.read_id(payloads.find(owner, "user_id"))
    if not user_id:
        raise SendRejected(
            "Instagram does not say whose token this is: enter that of a professional account."
        )
    return user_id, f"@{payloads.text(owner, 'username')}"


def _account_problems(token: str) -> list[str]:
    """Whether the account delivers to an app at all, and its messages."""
    listed = payloads.find(GRAPH.call(token, "GET", "me/subscribed_apps"), "data")
    if not isinstance(listed, list) or not listed:
        return ["The account delivers nothing to the hub: save the channel again."]
    fields = payloads.find(listed[0], "subscribed_fields")
    if isinstance(fields, list) and subscriptions.MESSAGES not in fields:
        return ["The account leaves out its messages: save the channel again."]
    return []


def _app_problems(subscription: subscriptions.Subscription | None, webhook_url: str) -> list[str]:
    """Whether the app delivers to the hub, as far as Meta tells."""
    if subscription is None:
        return []
    if not subscription.leads_to(webhook_url):
        return ["The Meta app delivers to another address: enter the hub's webhook in it again."]
    return [] if subscription.has_messages else [subscriptions.NOT_SUBSCRIBED]


# --- how long a token goes ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Life:
    """What the hub knows of the stored token, kept beside it: Instagram says when a token ends only where it
    renews it. `digest`: of which token; what is known of another does not count. `seen_at`: when the hub saw
    it first; `renewed_until`: when it ends. Both in seconds since 1970, None where nobody knows."""

    digest: str = ""
    seen_at: float | None = None
    renewed_until: float | None = None

    @classmethod
    def of(cls, account: Account) -> "_Life":
        known = account.credentials.get(LIFE)
        if payloads.text(known, "digest") != _digest(account):
            return cls()
        seen_at, until = payloads.find(known, "seen_at"), payloads.find(known, "renewed_until")
        return cls(_digest(account), seen_at, until)

    def as_json(self) -> dict[str, Any]:
        return {"digest": self.digest, "seen_at": self.seen_at, "renewed_until": self.renewed_until}

    @property
    def ends_at(self) -> datetime | None:
        """At the latest: one whose age is not known was made when it was seen first, or before."""
        if self.renewed_until is not None:
            return datetime.fromtimestamp(self.renewed_until, UTC)
        return None if self.seen_at is None else datetime.fromtimestamp(self.seen_at + LIFETIME_SECONDS, UTC)

    def is_due(self, now: float) -> bool:
        """Instagram renews no token of less than a day."""
        if self.renewed_until is not None:
            return meta.ends_soon(Validity(self.ends_at), now)
        return self.seen_at is None or now - self.seen_at >= RENEWABLE_AFTER_SECONDS


def _digest(account: Account) -> str:
    return payloads.digest(meta.token(account).encode())


def _refresh(account: Account, now: float) -> Mapping[str, Any]:
    """The renewed token, and until when it lives
    (developers.facebook.com/docs/instagram-platform/reference/refresh_access_token). Raises ChannelError."""
    token = meta.token(account)
    query = {"grant_type": "ig_refresh_token", "access_token": token}
    answer = GRAPH.call(token, "GET", "refresh_access_token", query=query, has_version=False)
    renewed, seconds = payloads.text(answer, "access_token"), payloads.integer(answer, "expires_in")
    if not renewed or not seconds or seconds < 0:
        raise SendRejected("Instagram answered without a token.")
    changed = replace(account, credentials={**account.credentials, "access_token": renewed})
    life = _Life(_digest(changed), now, now + seconds)
    return {"access_token": renewed, LIFE: life.as_json()}


class Instagram(meta.MetaKind):
    """An Instagram professional account, one channel each."""

    name: ClassVar[str] = "instagram"
    label: ClassVar[str] = "Instagram"
    fields: ClassVar[Sequence[Field]] = (
        Field(
            "access_token",
            "Access token",
            "In the Meta app: Instagram, API setup with Instagram login, Generate token.",
            secret=True,
        ),
        Field(
            "app_secret",
            "Instagram app secret",
            "Only for a Meta app of your own: Instagram, API setup, Instagram app secret.",
            secret=True,
            required=False,
        ),
        Field(
            "verify_token",
            "Verify token",
            "Only for a Meta app of your own: any words, the same that you enter there beside the webhook.",
            secret=True,
            required=False,
        ),
    )
    options: ClassVar[Sequence[Field]] = (messaging.HUMAN_AGENT,)
    text_limit: ClassVar[int] = 1000
    names_contacts: ClassVar[bool] = False

    def verify(self, request: Request, account: Account) -> None:
        shared = (settings.META_APP_SECRET, settings.META_INSTAGRAM_SECRET)
        meta.verify(request, meta.app_secrets(account, *shared))

    def parse(self, request: Request, account: Account) -> Sequence[Inbound]:
        return messaging.parse(request, account, _address)

    def reply_window(self, account: Account, contact: str) -> ReplyWindow | None:
        return messaging.reply_window(account)

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
        """Instagram documents no field that would come back with the echo: it is known by its text."""
        message = {"text": text, **messaging.quick_replies(choices, reference)}
        content = {"recipient": {"id": contact}, "message": message}
        send = messaging.send_late if is_late else messaging.send
        return send(GRAPH, meta.token(account), content, reference)

    def show_typing(self, account: Account, contact: str, message_id: str) -> None:
        messaging.act(GRAPH, meta.token(account), contact, "typing_on")

    def split(self, text: str, choices: Sequence[str] = ()) -> Sequence[str]:
        """1000 bytes, and not characters: an emoji takes 4 and more."""
        return texts.split(text, self.text_limit, texts.utf8_bytes)

    def fetch_media(self, account: Account, media: Media, limit_bytes: int) -> FetchedMedia:
        return messaging.fetch(GRAPH, media, limit_bytes)

    def look_up(self, account: Account, contact: str) -> Sender | None:
        """Instagram may withhold who somebody is (errors 230 and 9010)."""
        person = GRAPH.call(
            meta.token(account), "GET", quote(contact, safe=""), query={"fields": "name,username"}
        )
        username = payloads.line(person, "username")
        name = payloads.line(person, "name") or (f"@{username}" if username else "")
        return Sender(contact, name) if name else None

    def identify(self, account: Account) -> Health:
        id_, name = _owner(meta.token(account))
        return Health(name, address=id_)

    def register(self, account: Account, webhook_url: str) -> Health:
        token = meta.token(account)
        id_, name = _owner(token)
        subscription = {"subscribed_fields": ",".join(SUBSCRIBED_FIELDS)}
        GRAPH.call(token, "POST", "me/subscribed_apps", query=subscription)
        return Health(name, (), id_)

    def check(self, account: Account, webhook_url: str) -> Health:
        token = meta.token(account)
        id_, name = _owner(token)
        subscription = next(iter(subscriptions.find(APP_GRAPH, account, OBJECT) or ()), None)
        undelivered = [
            *meta.asked_beside(lambda: _account_problems(token)),
            *_app_problems(subscription, webhook_url),
        ]
        validity = Validity(_Life.of(account).ends_at)
        problems = [*undelivered, *meta.expiry_problems(validity)]
        is_known = bool(subscription or undelivered)
        return Health(
            name,
            problems,
            id_,
            validity=validity,
            delivers_here=not undelivered if is_known else None,
            is_by_hand=bool(meta.app_secrets(account)),
        )

    def unregister(self, account: Account, webhook_url: str) -> None:
        GRAPH.call(meta.token(account), "DELETE", "me/subscribed_apps")

    def renew(self, account: Account) -> Mapping[str, Any] | None:
        """A token lives for 60 days and is renewed from its second day on, which also tells when it ends."""
        life, now = _Life.of(account), time.time()
        if not life.is_due(now):
            return None
        try:
            return _refresh(account, now)
        except (CredentialRejected, SendRejected) as error:
            if life.seen_at is None:  # perhaps made today: too early, and nothing is wrong
                return {LIFE: _Life(digest=_digest(account), seen_at=now).as_json()}
            until = f"{life.ends_at:%d %B %Y}"
            raise SendRejected(
                stored(
                    "The access token ends on %(until)s at the latest and was not renewed: make a new "
                    "one and enter it here. %(error)s",
                    until=until,
                    error=error,
                )
            ) from error

    def sample(self, account: Account, address: str, text: str) -> Sample:
        secrets = meta.app_secrets(account, settings.META_INSTAGRAM_SECRET, settings.META_APP_SECRET)
        return messaging.sample(f"/{self.name}/{account.channel_id}", OBJECT, address, text, secrets)
