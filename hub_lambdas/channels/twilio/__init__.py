"""SMS and WhatsApp over Twilio (twilio.com/docs/messaging; webhooks: twilio.com/docs/usage/webhooks).

Twilio posts forms. What became of a message of ours it posts to the address that we give with the message:
that address carries our reference. What it puts nowhere is the time at which a contact wrote.
"""

from collections.abc import Sequence
from typing import ClassVar

from django.conf import settings

from hub_lambdas.channels.base import (
    A_DAY,
    Account,
    FetchedMedia,
    Field,
    Health,
    Inbound,
    Media,
    ReplyWindow,
    Sample,
)
from hub_lambdas.channels.defaults import Defaults
from hub_lambdas.channels.twilio import connecting, receiving, sending, signing
from hub_lambdas.channels.twilio.api import credential
from hub_lambdas.channels.twilio.sample import sample
from hub_lambdas.http import Request, Response


class Twilio(Defaults):
    """A phone number, WhatsApp sender or messaging service, one channel each."""

    name: ClassVar[str] = "twilio"
    label: ClassVar[str] = "Twilio (SMS, WhatsApp)"
    fields: ClassVar[Sequence[Field]] = (
        Field("account_sid", "Account SID", "On the first page of the Twilio console; it begins with AC."),
        Field("auth_token", "Auth token", "Beside the account SID.", secret=True),
        Field(
            "sender",
            "Number",
            "Who writes: a number of the account like +14155550100, a WhatsApp sender like "
            "whatsapp:+14155550100, or a messaging service by its SID, which begins with MG.",
        ),
    )
    text_limit: ClassVar[int] = 1600
    reconciles: ClassVar[bool] = True
    numbers_choices: ClassVar[bool] = True
    """An SMS has no buttons, and WhatsApp's are templates here, which Meta has to approve first."""

    def verify(self, request: Request, account: Account) -> None:
        signing.verify(request, credential(account, "auth_token"))

    def parse(self, request: Request, account: Account) -> Sequence[Inbound]:
        return receiving.parse(request)

    def acknowledge(self, request: Request, account: Account) -> Response:
        """TwiML that says nothing: Twilio would send the contact whatever text stood here."""
        return Response(200, "<Response/>", "text/xml")

    def reply_window(self, account: Account, contact: str) -> ReplyWindow | None:
        """WhatsApp's is the same through Twilio; an SMS has none."""
        return A_DAY if contact.startswith("whatsapp:") else None

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
        receipts_url = f"{settings.WEBHOOK_URL}/{self.name}/{account.channel_id}"
        return sending.send(account, contact, text, reference, choices, receipts_url)

    def split(self, text: str, choices: Sequence[str] = ()) -> Sequence[str]:
        return sending.split(text, choices, self.text_limit)

    def fetch_media(self, account: Account, media: Media, limit_bytes: int) -> FetchedMedia:
        return sending.fetch(account, media, limit_bytes)

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
