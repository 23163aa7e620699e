"""Slack apps that answer direct messages (Events API and Web API: docs.slack.dev).

A contact is a direct-message channel between one person and the app ("D…"): it is where answers go, and all
that some events name. Slack does not let an app register its own webhook: an admin pastes the address there.
"""

from collections.abc import Sequence
from typing import ClassVar

from hub_lambdas.channels.base import (
    Account,
    FetchedMedia,
    Field,
    Health,
    Inbound,
    Media,
    Sample,
    Sender,
    SendRejected,
)
from hub_lambdas.channels.defaults import Defaults
from hub_lambdas.channels.slack import connecting, receiving, sending, signing
from hub_lambdas.channels.slack.sample import sample
from hub_lambdas.http import Request, Response


class Slack(Defaults):
    """An app in a workspace, one channel each."""

    name: ClassVar[str] = "slack"
    label: ClassVar[str] = "Slack"
    fields: ClassVar[Sequence[Field]] = (
        Field(
            "bot_token",
            "Bot token",
            "On the app's page at api.slack.com, under OAuth & Permissions; it begins with xoxb-.",
            secret=True,
        ),
        Field("signing_secret", "Signing secret", "There, under Basic Information.", secret=True),
    )
    text_limit: ClassVar[int] = 4000
    reconciles: ClassVar[bool] = True
    names_contacts: ClassVar[bool] = False

    def verify(self, request: Request, account: Account) -> None:
        signing.verify(request, account)

    def parse(self, request: Request, account: Account) -> Sequence[Inbound]:
        return receiving.parse(request.body)

    def acknowledge(self, request: Request, account: Account) -> Response:
        return Response(200, receiving.challenge(request.body))

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

    def split(self, text: str, choices: Sequence[str] = ()) -> Sequence[str]:
        return sending.split(text, self.text_limit)

    def fetch_media(self, account: Account, media: Media, limit_bytes: int) -> FetchedMedia:
        return sending.fetch(account, media, limit_bytes)

    def look_up(self, account: Account, contact: str) -> Sender | None:
        return sending.look_up(account, contact)

    def identify(self, account: Account) -> Health:
        return connecting.identify(account)

    def register(self, account: Account, webhook_url: str) -> Health:
        """An admin enters the address: Slack lets no app do that by its token."""
        return connecting.identify(account)

    def check(self, account: Account, webhook_url: str) -> Health:
        return connecting.check(account)

    def unregister(self, account: Account, webhook_url: str) -> None:
        raise SendRejected("Remove the app from the Slack workspace: no app can do that by its token.")

    def sample(self, account: Account, address: str, text: str) -> Sample:
        team = address.partition(":")[0]
        return sample(f"/{self.name}/{account.channel_id}", account, team, text)
