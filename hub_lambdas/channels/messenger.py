"""Facebook pages in Messenger (Messenger Platform: developers.facebook.com/docs/messenger-platform)."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

from django.conf import settings

from hub_lambdas.channels import messaging, meta, payloads, subscriptions
from hub_lambdas.channels import text as texts
from hub_lambdas.channels.base import (
    Account,
    FetchedMedia,
    Field,
    Health,
    Inbound,
    Media,
    ReplyWindow,
    Sample,
    Sender,
    SendRejected,
)
from hub_lambdas.http import Request
from hub_lambdas.sentences import stored

OBJECT = "page"
SUBSCRIBED_FIELDS = (
    *("messages", "messaging_postbacks", "message_echoes", "message_reactions"),
    *("message_reads", "message_deliveries", "message_edits"),
)

PERMISSIONS = ("pages_messaging", "pages_manage_metadata")

# Source: developers.facebook.com/docs/messenger-platform/error-codes.
_CODES = meta.Codes(
    later={2, 4, 17, 32, 613, 1200, 80006},
    broken={10, 190},
    gone={551, 1545041, 2018001, 2018108},
    never={2018065, 2018278},  # outside the window, which comes under code 10
    unclear={1},  # also said of messages that were sent ("Received invalid JSON reply")
)
GRAPH = meta.Graph("Messenger", _CODES, lambda: settings.GRAPH_API_URL)


def _address(entry: Any, event: Any) -> str:
    return messaging.read_id(payloads.find(entry, "id"))


def _page(token: str) -> tuple[str, str]:
    """Id and name of the page that the token is for. Raises ChannelError."""
    page = GRAPH.call(token, "GET", "me", query={"fields": "id,name"})
    page_id = messaging.read_id(payloads.find(page, "id"))
    if not page_id:
        raise SendRejected("Meta does not say whose token this is: enter the access token of a page.")
    return page_id, payloads.text(page, "name")


def _has_own_app(account: Account) -> bool:
    return bool(meta.app_secrets(account))


def _page_problems(account: Account, token: str, page_id: str) -> list[str]:
    """Whether the page still delivers to the app."""
    own_apps = messaging.app_ids(account)
    listed = payloads.find(GRAPH.call(token, "GET", f"{page_id}/subscribed_apps"), "data")
    apps = [
        app
        for app in (listed if isinstance(listed, list) else [])
        if not own_apps or messaging.read_id(payloads.find(app, "id")) in own_apps
    ]
    if not apps:
        return [stored("The page delivers no messages to the hub: save the channel again.")]
    fields = payloads.find(apps[0], "subscribed_fields")
    missing = [name for name in SUBSCRIBED_FIELDS if isinstance(fields, list) and name not in fields]
    return (
        [stored("The page leaves out %(missing)s: save the channel again.", missing=", ".join(missing))]
        if missing
        else []
    )


def _app_problems(account: Account, webhook_url: str) -> list[str]:
    """Whether the app still delivers to the hub: to the address of any of its channels, or to the one that
    serves all."""
    found = subscriptions.find(GRAPH, account, OBJECT)
    if found is None:
        return []
    if not found:
        return [
            stored("The Meta app delivers nothing of pages: enter the webhook in the app, product Messenger.")
        ]
    if not found[0].leads_to(webhook_url):
        return [stored("The Meta app delivers to another address: enter the hub's webhook in it again.")]
    return [] if found[0].has_messages else [subscriptions.NOT_SUBSCRIBED]


class Messenger(meta.MetaKind):
    """A Facebook page, one channel each."""

    name: ClassVar[str] = "messenger"
    label: ClassVar[str] = "Messenger"
    fields: ClassVar[Sequence[Field]] = (
        Field(
            "access_token",
            "Page access token",
            "In the Meta app: Messenger, API settings, Generate access tokens: the token of your page.",
            secret=True,
        ),
        Field(
            "app_id",
            "App id",
            "Only where the organization has a Meta app of its own.",
            required=False,
        ),
        Field(
            "app_secret",
            "App secret",
            "Only for a Meta app of your own: App settings, Basic, App secret.",
            secret=True,
            required=False,
        ),
    )
    options: ClassVar[Sequence[Field]] = (messaging.HUMAN_AGENT,)
    text_limit: ClassVar[int] = 2000
    names_contacts: ClassVar[bool] = False

    def verify(self, request: Request, account: Account) -> None:
        meta.verify(request, meta.app_secrets(account, settings.META_APP_SECRET))

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
        message = {
            "text": text,
            "metadata": meta.marked(reference),
            **messaging.quick_replies(choices, reference),
        }
        content = {"recipient": {"id": contact}, "messaging_type": "RESPONSE", "message": message}
        send = messaging.send_late if is_late else messaging.send
        return send(GRAPH, meta.token(account), content, reference)

    def show_typing(self, account: Account, contact: str, message_id: str) -> None:
        token = meta.token(account)
        for action in ("mark_seen", "typing_on"):
            messaging.act(GRAPH, token, contact, action)

    def split(self, text: str, choices: Sequence[str] = ()) -> Sequence[str]:
        """Meta says "2000 characters" and does not say which: UTF-16 code units are the stricter reading."""
        return texts.split(text, self.text_limit, texts.utf16_units)

    def fetch_media(self, account: Account, media: Media, limit_bytes: int) -> FetchedMedia:
        return messaging.fetch(GRAPH, media, limit_bytes)

    def look_up(self, account: Account, contact: str) -> Sender | None:
        """Meta may withhold a name: from who never agreed to it, say."""
        person = GRAPH.call(
            meta.token(account), "GET", quote(contact, safe=""), query={"fields": "first_name,last_name"}
        )
        name = " ".join(
            filter(None, (payloads.line(person, "first_name"), payloads.line(person, "last_name")))
        )
        return Sender(contact, name) if name else None

    def identify(self, account: Account) -> Health:
        page_id, name = _page(meta.token(account))
        return Health(name, address=page_id)

    def register(self, account: Account, webhook_url: str) -> Health:
        token = meta.token(account)
        page_id, name = _page(token)
        subscription = {"subscribed_fields": ",".join(SUBSCRIBED_FIELDS)}
        GRAPH.call(token, "POST", f"{page_id}/subscribed_apps", query=subscription)
        if _has_own_app(account) and meta.app_token(account):
            subscriptions.subscribe(GRAPH, account, OBJECT, SUBSCRIBED_FIELDS, webhook_url)
        return Health(name, (), page_id)

    def check(self, account: Account, webhook_url: str) -> Health:
        token = meta.token(account)
        page_id, name = _page(token)
        validity, token_problems = meta.inspect_token(GRAPH, account, PERMISSIONS)
        undelivered = [
            *meta.asked_beside(lambda: _page_problems(account, token, page_id)),
            *_app_problems(account, webhook_url),
        ]
        problems = [*token_problems, *undelivered]
        is_by_hand = _has_own_app(account) and not meta.app_token(account)
        return Health(
            name,
            problems,
            page_id,
            validity=validity,
            delivers_here=None if is_by_hand and not undelivered else not undelivered,
            is_by_hand=is_by_hand,
        )

    def unregister(self, account: Account, webhook_url: str) -> None:
        """Of the app that the token belongs to alone."""
        token = meta.token(account)
        GRAPH.call(token, "DELETE", f"{_page(token)[0]}/subscribed_apps")

    def renew(self, account: Account) -> Mapping[str, Any] | None:
        """The token of a page may have no end; one of an hour is exchanged where Meta does that."""
        return meta.exchange(GRAPH, account, _page)

    def sample(self, account: Account, address: str, text: str) -> Sample:
        secrets = meta.app_secrets(account, settings.META_APP_SECRET)
        return messaging.sample(f"/{self.name}/{account.channel_id}", OBJECT, address, text, secrets)
