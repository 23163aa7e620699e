"""What a kind does where its platform asks for nothing special: the parts of `base.Kind` that many leave as
they are."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from hub_lambdas.channels.base import Account, ContactView, Field, Inbound, ReplyWindow, Sender
from hub_lambdas.http import BadRequest, Request, Response


class Defaults:
    """For kinds to begin with."""

    options: ClassVar[Sequence[Field]] = ()
    pages: ClassVar[Mapping[str, str]] = {}
    shows_typing: ClassVar[bool] = False
    reconciles: ClassVar[bool] = False
    names_contacts: ClassVar[bool] = True
    numbers_choices: ClassVar[bool] = False
    admits_anybody: ClassVar[bool] = False

    def shared_account(self) -> Account | None:
        return None

    def acknowledge(self, request: Request, account: Account) -> Response:
        return Response()

    def refuse(self, request: Request, account: Account, error: BadRequest) -> Response:
        return Response.of_error(error)

    def after_storing(self, account: Account, inbound: Inbound) -> None:
        """Nothing is expected."""

    def serve(self, request: Request, account: Account, subpath: str, view: ContactView) -> Response:
        return Response(404)

    def reply_window(self, account: Account, contact: str) -> ReplyWindow | None:
        return None

    def show_typing(self, account: Account, contact: str, message_id: str) -> None:
        """There is no sign for it."""

    def look_up(self, account: Account, contact: str) -> Sender | None:
        """Each message has told."""
        return None

    def new_secrets(self) -> Mapping[str, str]:
        return {}

    def unregister(self, account: Account, webhook_url: str) -> None:
        """The platform knows no address of the hub's."""

    def renew(self, account: Account) -> Mapping[str, Any] | None:
        """The credential has no end."""
        return None
