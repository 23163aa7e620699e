"""Telegram bots (Bot API: core.telegram.org/bots/api).

Texts go out without `parse_mode`, as they are: so Telegram parses nothing, and its "can't parse entities"
cannot occur.
"""

import secrets
from collections.abc import Mapping, Sequence
from typing import ClassVar

from hub_lambdas.channels import text as texts
from hub_lambdas.channels.base import Account, FetchedMedia, Field, Health, Inbound, Media, Sample
from hub_lambdas.channels.defaults import Defaults
from hub_lambdas.channels.telegram import connecting, receiving, sending, signing
from hub_lambdas.channels.telegram.sample import sample
from hub_lambdas.http import Request, Response


class Telegram(Defaults):
    """A bot, one channel each. Whoever has started it hears from it until they block it."""

    name: ClassVar[str] = "telegram"
    label: ClassVar[str] = "Telegram"
    fields: ClassVar[Sequence[Field]] = (
        Field(
            "bot_token",
            "Bot token",
            "Write /newbot to @BotFather in Telegram, choose a name, and copy the token that it gives you.",
            secret=True,
        ),
    )
    text_limit: ClassVar[int] = 4096
    shows_typing: ClassVar[bool] = True

    def verify(self, request: Request, account: Account) -> None:
        signing.verify(request, account)

    def parse(self, request: Request, account: Account) -> Sequence[Inbound]:
        return receiving.parse(request)

    def acknowledge(self, request: Request, account: Account) -> Response:
        """Empty: Telegram would carry out a `method` that it finds in a JSON body."""
        return Response()

    def after_storing(self, account: Account, inbound: Inbound) -> None:
        if query_id := receiving.query_id(inbound):
            sending.end_wait(account, query_id)

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
        return sending.send(account, contact, text, reference, choices)

    def show_typing(self, account: Account, contact: str, message_id: str) -> None:
        sending.show_typing(account, contact)

    def split(self, text: str, choices: Sequence[str] = ()) -> Sequence[str]:
        """Telegram says "4096 characters" and counts UTF-16 code units elsewhere: the stricter of the two."""
        return texts.split(text, self.text_limit, texts.utf16_units)

    def fetch_media(self, account: Account, media: Media, limit_bytes: int) -> FetchedMedia:
        return sending.fetch(account, media, limit_bytes)

    def new_secrets(self) -> Mapping[str, str]:
        return {"webhook_secret": secrets.token_urlsafe(32)}

    def identify(self, account: Account) -> Health:
        return connecting.identify(account)

    def register(self, account: Account, webhook_url: str) -> Health:
        return connecting.register(account, webhook_url)

    def check(self, account: Account, webhook_url: str) -> Health:
        return connecting.check(account, webhook_url)

    def unregister(self, account: Account, webhook_url: str) -> None:
        connecting.unregister(account, webhook_url)

    def sample(self, account: Account, address: str, text: str) -> Sample:
        return sample(f"/{self.name}/{account.channel_id}", account, text)
