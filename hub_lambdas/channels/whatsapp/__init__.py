"""WhatsApp Cloud API (developers.facebook.com/documentation/business-messaging/whatsapp).

A contact is known by their business-scoped user id (BSUID) where WhatsApp tells it, else by their phone
number; where it tells both, the number is an alias.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.conf import settings

from hub_lambdas.channels import meta
from hub_lambdas.channels import text as texts
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
from hub_lambdas.channels.whatsapp import connecting, receiving, sending
from hub_lambdas.channels.whatsapp.sample import sample
from hub_lambdas.http import Request


class WhatsApp(meta.MetaKind):
    """A business phone number, one channel each."""

    name: ClassVar[str] = "whatsapp"
    label: ClassVar[str] = "WhatsApp"
    fields: ClassVar[Sequence[Field]] = (
        Field(
            "access_token",
            "Access token",
            "The permanent token of a system user, with the permissions whatsapp_business_messaging and "
            "whatsapp_business_management.",
            secret=True,
        ),
        Field("phone_number_id", "Phone number id", "Not the number itself: Meta shows its id below it."),
        Field("waba_id", "WhatsApp Business account id", "Meta shows it beside the phone number id."),
        Field(
            "app_id",
            "App id",
            "Only where you use a Meta app of your own: with it the hub sees when the token ends.",
            required=False,
        ),
        Field(
            "app_secret",
            "App secret",
            "Only where you use a Meta app of your own (App settings → Basic). Empty for the hub's app.",
            secret=True,
            required=False,
        ),
    )
    text_limit: ClassVar[int] = 4096

    def verify(self, request: Request, account: Account) -> None:
        meta.verify(request, meta.app_secrets(account, settings.META_APP_SECRET))

    def parse(self, request: Request, account: Account) -> Sequence[Inbound]:
        return receiving.parse(request)

    def reply_window(self, account: Account, contact: str) -> ReplyWindow | None:
        return A_DAY

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
        sending.show_typing(account, message_id)

    def split(self, text: str, choices: Sequence[str] = ()) -> Sequence[str]:
        """WhatsApp says "4096 characters" and not how it counts them: the stricter of two ways."""
        return texts.split(text, self.text_limit, texts.utf16_units)

    def fetch_media(self, account: Account, media: Media, limit_bytes: int) -> FetchedMedia:
        return sending.fetch(account, media, limit_bytes)

    def identify(self, account: Account) -> Health:
        return connecting.identify(account)

    def register(self, account: Account, webhook_url: str) -> Health:
        return connecting.register(account, webhook_url)

    def check(self, account: Account, webhook_url: str) -> Health:
        return connecting.check(account, webhook_url)

    def unregister(self, account: Account, webhook_url: str) -> None:
        connecting.unregister(account)

    def renew(self, account: Account) -> Mapping[str, Any] | None:
        return connecting.renew(account)

    def sample(self, account: Account, address: str, text: str) -> Sample:
        return sample(f"/{self.name}/{account.channel_id}", account, text)
