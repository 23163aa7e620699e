"""What a channel kind is: how its webhooks are verified and parsed, and how its messages are sent.

A kind knows its platform and nothing of the database: it sees an `Account` (one connected channel) and
returns plain values. One file or folder per kind; `hub_lambdas.channels` lists them.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Literal, Protocol

from hub_lambdas.http import BadRequest, Request, Response

# --- errors -------------------------------------------------------------------------------------------------


class ChannelError(Exception):
    """Something a platform said, or failed to say. The message is a sentence for staff, with no secret."""


class SignatureError(ChannelError):
    """A webhook without a valid signature or secret: nothing of it is read further."""


class SendRefused(ChannelError):
    """The platform certainly did not take the message: safe to try again after `retry_after_seconds`, and
    not before `growth` ** n seconds where it is the n-th time."""

    def __init__(self, message: str, retry_after_seconds: float = 1.0, *, growth: float = 2.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.growth = growth


class SendRejected(ChannelError):
    """The platform will never take this message. `contact_gone`: the contact cannot be reached any more."""

    def __init__(self, message: str, *, contact_gone: bool = False) -> None:
        super().__init__(message)
        self.contact_gone = contact_gone


class ContactMoved(ChannelError):
    """The contact has another id at the platform now; the message was not taken."""

    def __init__(self, message: str, platform_id: str) -> None:
        super().__init__(message)
        self.platform_id = platform_id


class CredentialRejected(ChannelError):
    """The platform does not accept the channel's credential: the channel pauses until it is repaired."""


class SendUnknown(ChannelError):
    """No answer came: the platform may or may not have taken the message. Never retried blindly."""


class MediaRefused(ChannelError):
    """The hub does not keep this file: it is too large, of a kind that it does not keep, or elsewhere than a
    platform's file may be."""


class MediaGone(ChannelError):
    """The platform does not give this file out any more, and never will."""


# --- what comes in ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sender:
    """The contact that a webhook speaks of, as the platform knows them. `alias`: another id that it may use
    for the same contact (WhatsApp's phone number beside its user id): either leads to them."""

    platform_id: str
    name: str = ""
    language: str = ""
    alias: str = ""


@dataclass(frozen=True)
class Media:
    """A file that a message carries, as the platform tells of it. `reference`: the platform's id of it, or
    its address there, which somebody may have forged. `size_bytes` is None where the platform names none."""

    reference: str
    media_type: str = ""
    name: str = ""
    size_bytes: int | None = None


@dataclass(frozen=True)
class FetchedMedia:
    """A file's content. `media_type`: what its server calls it, "" where it does not say."""

    content: bytes = field(repr=False)
    media_type: str = ""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing in a webhook. `address`: the platform's id of the account that it is for, where one webhook
    may serve several; "" for the channel that was called. `parent`: for what is about several accounts, the
    platform's id of what they belong to (WhatsApp's business account)."""

    address: str = ""
    parent: str = ""


@dataclass(frozen=True)
class InboundMessage(Item):
    """A message from a contact. `platform_id` is unique within the channel. `kind` "text" and "button" are
    for the LLM, any other (photo, voice, sticker, location, …) for staff. `payload` is the platform's
    JSON. `text` of a message with `media` is its caption. A pressed button stood below the message of ours
    that the platform calls `below_platform_id`, or that `send` was given `below_reference` for; both are
    empty where the platform does not say."""

    sender: Sender
    platform_id: str
    kind: str
    text: str
    platform_at: datetime | None
    payload: str
    media: Sequence[Media] = ()
    below_platform_id: str = ""
    below_reference: str = ""
    type: Literal["message"] = "message"


@dataclass(frozen=True)
class InboundEdit(Item):
    """The text of the message `message_platform_id` was changed, by the contact (`sender`) or by a person who
    wrote to them in the platform's own app."""

    sender: Sender
    platform_id: str
    message_platform_id: str
    text: str
    payload: str
    type: Literal["edit"] = "edit"


@dataclass(frozen=True)
class InboundUnsend(Item):
    """The message `message_platform_id` was taken back, by the contact (`sender`) or by a person who wrote to
    them in the platform's own app: its text is not kept."""

    sender: Sender
    platform_id: str
    message_platform_id: str
    payload: str
    type: Literal["unsend"] = "unsend"


@dataclass(frozen=True)
class OtherEvent(Item):
    """Anything else: stored and not answered. `kind` says what it is, or why it is ignored. `reachable` is
    False when the contact blocked the bot and True when they are back. `moved_from`: the id that the contact
    (`sender`) had before."""

    platform_id: str
    kind: str
    payload: str
    sender: Sender | None = None
    reachable: bool | None = None
    moved_from: str = ""
    type: Literal["other"] = "other"


@dataclass(frozen=True)
class Echo(Item):
    """A message to the contact (`sender`), as the platform reports it. `is_ours`: the hub's own app sent it,
    and not a person in the platform's inbox; None where the platform does not say. `reference`: what `send`
    was given, where the platform returns it. `platform_id` is the message's."""

    sender: Sender
    platform_id: str
    text: str
    is_ours: bool | None
    payload: str
    reference: str = ""
    type: Literal["echo"] = "echo"


class Reached(StrEnum):
    """How far a message of ours has come, as the platform reports it."""

    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"


@dataclass(frozen=True)
class Receipt(Item):
    """What became of a message of ours, by its `message_platform_id` or by the `reference` of `send`; or,
    with `until`, of all that `sender` was sent up to then. `failure`: why the platform did not deliver it,
    empty when it did. `contact_gone`: because the contact cannot be reached any more."""

    platform_id: str
    message_platform_id: str
    payload: str
    reference: str = ""
    failure: str = ""
    sender: Sender | None = None
    reached: Reached = Reached.DELIVERED
    until: datetime | None = None
    contact_gone: bool = False
    type: Literal["receipt"] = "receipt"


@dataclass(frozen=True)
class Unread(Item):
    """A whole webhook in which the kind stumbled. It is read again where it is stored: what never can be read
    ends as a dead letter, which staff are told of and which a later release may read. `kind`: whose webhook
    it is, where it came to the hub's own app and nobody can tell for which channel."""

    platform_id: str
    payload: str
    kind: str = ""
    sender: None = None
    type: Literal["unread"] = "unread"


Inbound = InboundMessage | InboundEdit | InboundUnsend | Echo | Receipt | OtherEvent | Unread


# --- what goes out ------------------------------------------------------------------------------------------

MAX_CHOICES = 10
"""That go with one message: WhatsApp's list has no more rows (Messenger and Instagram take 13)."""
CHOICE_LIMIT = 20
"""UTF-16 code units of one: the titles of WhatsApp's, Messenger's and Instagram's buttons. They are at most
60 bytes of UTF-8; Telegram's buttons carry 64."""


# --- a connected channel ------------------------------------------------------------------------------------


SHARED = uuid.UUID(int=0)
"""In place of a channel's id: the hub's own app at a platform, which speaks for the channels of many."""


@dataclass(frozen=True)
class Account:
    """One channel as its kind sees it."""

    channel_id: uuid.UUID
    credentials: Mapping[str, Any] = field(repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Field:
    """One thing an org admin enters to connect a channel. Secret ones are encrypted and never shown again. A
    list is entered one item a line; a switch is off (and not stored) until somebody turns it on."""

    name: str
    label: str
    help_text: str = ""
    secret: bool = False
    required: bool = True
    shape: Literal["text", "list", "switch"] = "text"


@dataclass(frozen=True)
class Validity:
    """How far a channel's credential goes, as the platform says. `ends_at`: when it ends at the latest; None
    where it does not end (`is_endless`), or nobody knows. `missing_permissions`: None where nobody knows."""

    ends_at: datetime | None = None
    is_endless: bool = False
    missing_permissions: Sequence[str] | None = None


@dataclass(frozen=True)
class Health:
    """What the platform says of a channel: the account's own name, what is wrong (empty = nothing), and the
    `address` by which its webhooks name the account, where one webhook may serve several, and the `parent` by
    which they name all that belong to the same. `delivers_here`: whether what contacts write is delivered to
    the hub; None where nobody knows. `is_by_hand`: somebody has to enter the channel's address at the
    platform, which neither takes it from the hub nor tells what was entered."""

    account: str
    problems: Sequence[str] = ()
    address: str = ""
    parent: str = ""
    validity: Validity = Validity()
    delivers_here: bool | None = None
    is_by_hand: bool = False


@dataclass(frozen=True)
class ReplyWindow:
    """How long after a contact's last message a platform takes what the bot writes, and what people write."""

    bot: timedelta
    staff: timedelta


A_DAY = ReplyWindow(bot=timedelta(hours=24), staff=timedelta(hours=24))
"""Meta's rule, for WhatsApp over Twilio too."""


SAMPLE_NAME = "Test message"


@dataclass(frozen=True)
class Sample:
    """A message that nobody wrote, as the platform would deliver it to the channel's own address. `contact`:
    whom it seems to be from, by an id that is nobody's at the platform and another each time."""

    contact: str
    request: Request


@dataclass(frozen=True)
class ShownMessage:
    """One message of a conversation as a contact may see it. `mine`: the contact wrote it. `id` grows with
    time. `choices`: what may be answered with a click."""

    id: int
    mine: bool
    text: str
    at: datetime
    client_id: str
    choices: Sequence[str] = ()


class ContactView(Protocol):
    """What a contact may read of their own conversation (only the hub's own web chat needs it)."""

    def messages(self, contact: str, after: int) -> Sequence[ShownMessage]:
        """The contact's messages with an id above `after`, oldest first; empty for an unknown contact."""

    def is_answer_due(self, contact: str) -> bool:
        """Whether an answer by the bot is being prepared."""


class Kind(Protocol):
    """A channel kind. Implementations are stateless; `hub_lambdas.channels.client` shares connections."""

    name: ClassVar[str]
    label: ClassVar[str]
    fields: ClassVar[Sequence[Field]]
    """The credentials."""
    options: ClassVar[Sequence[Field]]
    """What may be set besides them."""
    pages: ClassVar[Mapping[str, str]]
    """What people open below the channel's address, by what it is: {"page": "", "script": "embed.js"}."""
    text_limit: ClassVar[int]
    shows_typing: ClassVar[bool]
    """Whether `show_typing` has an effect at the platform."""
    reconciles: ClassVar[bool]
    """Whether the platform reports what it took (as Echo or Receipt), also after a call that it did not
    answer."""
    names_contacts: ClassVar[bool]
    """Whether webhooks say who a contact is, as far as the platform tells: where not, `look_up` may."""
    numbers_choices: ClassVar[bool]
    """Whether choices are numbered lines, for want of buttons: then a bare number is a choice too."""
    admits_anybody: ClassVar[bool]
    """Whether a new contact needs no account anywhere (only in the hub's own chat): then those from one
    address are limited."""

    def shared_account(self) -> Account | None:
        """The app that the hub itself has at the platform, for the webhook that serves every organization's
        channels; None where the platform knows no such thing, or it is not set up."""

    def verify(self, request: Request, account: Account) -> None:
        """Raise SignatureError unless the request certainly comes from the platform. Fails closed."""

    def parse(self, request: Request, account: Account) -> Sequence[Inbound]:
        """Everything in one webhook, each item apart: an unknown shape becomes OtherEvent, one that cannot be
        read Unread, and neither keeps its neighbours from being read. BadRequest only in the hub's own chat,
        for what its page does not send; what else is raised makes the whole an Unread, as a body that is no
        JSON does. Only the body of `request` counts."""

    def acknowledge(self, request: Request, account: Account) -> Response:
        """The answer the platform wants once everything is queued."""

    def refuse(self, request: Request, account: Account, error: BadRequest) -> Response:
        """The answer to a request that cannot be served."""

    def after_storing(self, account: Account, inbound: Inbound) -> None:
        """A courtesy that the platform expects once `inbound` is in the ledger (ending the wait of a pressed
        button, say); may be done twice or not at all. Raises ChannelError."""

    def serve(self, request: Request, account: Account, subpath: str, view: ContactView) -> Response:
        """Answer a GET or OPTIONS below the channel's address (a handshake, a page); 404 where nothing is."""

    def reply_window(self, account: Account, contact: str) -> ReplyWindow | None:
        """How long the platform takes answers to `contact`; None for as long as one likes."""

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
        """Send one piece that `split` made; returns the platform's id for it. `reference` is our own id of
        the message. `choices`: at most MAX_CHOICES different texts of at most CHOICE_LIMIT that the contact
        may answer with; a tap comes back as an InboundMessage of kind "button" with that text. `is_late`: a
        person wrote it, and only from people the platform takes it now (see `reply_window`). Raises
        SendRefused, SendRejected, ContactMoved, CredentialRejected or SendUnknown."""

    def show_typing(self, account: Account, contact: str, message_id: str) -> None:
        """Show the contact that their message (by the platform's id) was read and an answer is being written,
        where the platform can. Raises ChannelError."""

    def split(self, text: str, choices: Sequence[str] = ()) -> Sequence[str]:
        """`text` in pieces the platform takes, the last of them together with `choices`."""

    def fetch_media(self, account: Account, media: Media, limit_bytes: int) -> FetchedMedia:
        """The file that a message carries. Raises MediaRefused where it is larger than `limit_bytes` or in a
        place that no platform's file is in, MediaGone where the platform has it no more, and another
        ChannelError where it may come a second time."""

    def look_up(self, account: Account, contact: str) -> Sender | None:
        """Who a contact is; None where the platform does not tell, or has told it with their message. Raises
        ChannelError."""

    def new_secrets(self) -> Mapping[str, str]:
        """Credentials the hub makes itself when a channel is created (a webhook secret, say)."""

    def identify(self, account: Account) -> Health:
        """Ask the platform whose account it is, and change nothing there. Its `address` is claimed for the
        channel before `register` is called. Raises ChannelError."""

    def register(self, account: Account, webhook_url: str) -> Health:
        """Point the platform's webhooks at `webhook_url` and say whose account it is. Raises ChannelError."""

    def check(self, account: Account, webhook_url: str) -> Health:
        """Ask the platform whether the credential is valid and the webhook still registered. Raises
        ChannelError."""

    def unregister(self, account: Account, webhook_url: str) -> None:
        """Have the platform deliver nothing for this account to `webhook_url` any more; what it delivers
        elsewhere stays. Where one subscription is several channels' (Health.parent), the caller sees to it
        that none of them needs it. Raises ChannelError."""

    def renew(self, account: Account) -> Mapping[str, Any] | None:
        """Credentials to be stored in place of those that end before long; None where there is nothing to do,
        or the platform has no such thing. Called when a channel is connected, and once a day. Raises
        ChannelError."""

    def sample(self, account: Account, address: str, text: str) -> Sample:
        """A message for the account that webhooks name by `address`, signed so that `verify` takes it. Raises
        ChannelError where something for that is not stored."""
