"""Instagram professional accounts that log in with Instagram (Instagram API with Instagram Login:
developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login)."""

from collections.abc import Sequence
from typing import Any, ClassVar
from urllib.parse import quote

from django.conf import settings

from hub_lambdas.channels import messaging, meta, payloads
from hub_lambdas.channels import text as texts
from hub_lambdas.channels.base import (
    Account,
    FetchedMedia,
    Field,
    Health,
    Inbound,
    Media,
    Sender,
    SendRejected,
)
from hub_lambdas.http import Request

SUBSCRIBED_FIELDS = ("messages", "messaging_postbacks", "messaging_seen", "message_reactions")
"""Echoes come with `messages`. Which fields arrive is set in the app; an account is subscribed or is not."""

_CODES = meta.Codes(
    later={2, 4, 17, 32, 613, 1200, 80002, 80006},
    broken={190},
    gone={551, 1545041, 2018001, 2534014},
    never={2018278, 2534022},  # outside the window
    unclear={1},
)
GRAPH = meta.Graph("Instagram", _CODES, lambda: settings.INSTAGRAM_API_URL)


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


def _subscription_problems(token: str) -> list[str]:
    is_subscribed = payloads.find(GRAPH.call(token, "GET", "me/subscribed_apps"), "data")
    return [] if is_subscribed else ["The account delivers nothing to the hub: save the channel again."]


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
    text_limit: ClassVar[int] = 1000
    names_contacts: ClassVar[bool] = False

    def verify(self, request: Request, account: Account) -> None:
        shared = (settings.META_APP_SECRET, settings.META_INSTAGRAM_SECRET)
        meta.verify(request, meta.app_secrets(account, *shared))

    def parse(self, request: Request, account: Account) -> Sequence[Inbound]:
        return messaging.parse(request, account, _address)

    def send(
        self, account: Account, contact: str, text: str, reference: str, choices: Sequence[str] = ()
    ) -> str:
        """Instagram documents no field that would come back with the echo: it is known by its text."""
        message = {"text": text, **messaging.quick_replies(choices)}
        content = {"recipient": {"id": contact}, "message": message}
        return messaging.sent_id(GRAPH.call(meta.token(account), "POST", "me/messages", content), reference)

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
        return Health(name, meta.asked_beside(lambda: _subscription_problems(token)), id_)
