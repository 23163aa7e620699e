"""What is known of a turn: the snapshot that `rules.decide` looks at."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from hub_lambdas.turns.handover import Rules
from hub_lambdas.turns.hours import Hours
from hub_lambdas.turns.reasons import Reason


class State(StrEnum):
    OPEN = "open"
    ASKED = "asked"
    ANSWERED = "answered"
    HANDED_OVER = "handed_over"
    DECLINED = "declined"


class Owner(StrEnum):
    BOT = "bot"
    STAFF = "staff"


class Bot(StrEnum):
    """What the LLM's answers are for on a channel: contacts, or staff to approve; or it is not asked."""

    ANSWERS = "answers"
    DRAFTS = "drafts"
    SILENT = "silent"


class RequestState(StrEnum):
    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


FILE_KINDS = frozenset(
    {"image", "photo", "voice", "audio", "video", "video_note", "animation", "sticker", "document", "file"}
)
"""Kinds of messages that are a file, in the platforms' words."""


class Late(StrEnum):
    """What becomes of a message that reached the hub long after it was written."""

    ANSWER = "answer"
    APOLOGIZE = "apologize"
    HAND_OVER = "hand_over"


class SendState(StrEnum):
    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"


NO_RULES = Rules(asks_for_person=False)


@dataclass(frozen=True)
class Policy:
    """The organization's settings, and its channel's state, that bear on a turn."""

    burst_window: timedelta
    handover_after: timedelta
    has_holding_line: bool = True
    late_after: timedelta = timedelta(minutes=10)
    late: Late = Late.APOLOGIZE
    explains_files: bool = False
    """Whether who sends files without a word is told what the bot can read: else staff get every file."""
    sends_again: bool = False
    """Whether an answer whose fate nobody can tell is rather sent twice than handed over."""
    declines: Reason | None = None
    """Why this organization's, channel's or contact's turns are not answered at all, if so."""
    cannot_send: bool = False
    """Whether a person paused the channel: what the LLM would say could not be sent."""
    is_held: bool = False
    """Whether the hub paused the channel until its credential is repaired: the turn waits for that."""
    resumed_at: datetime | None = None
    """When the channel was repaired last: the contact's time runs from there."""
    bot: Bot = Bot.ANSWERS
    tells_contacts: bool = True
    """Where the LLM does not answer contacts: whether these hear that staff will."""
    hours: Hours | None = None
    """When staff are there; None: always."""
    answers_after_hours: bool = True
    """Whether the LLM answers while staff are away: else they get what is written then."""
    says_when_back: bool = False
    """Whether a contact whom staff get while they are away is told when they are back."""
    rules: Rules = NO_RULES
    """What is for staff before the LLM is asked."""
    handover_after_turns: int | None = None
    """After so many answers in a row staff get the conversation; None: never for that."""
    reconciles: bool = False
    """Whether the platform reports what it took, so that an unknown fate may still become known."""

    @property
    def speaks(self) -> bool:
        """Whether contacts are sent the holding line and the fallback."""
        return self.bot is Bot.ANSWERS or self.tells_contacts


@dataclass(frozen=True)
class Written:
    """A message of the contact. `kind` "text" and "button" are for the LLM; of an "unsent" one, which the
    contact took back, nothing is left. `written_at`: by the platform's clock, where it tells."""

    id: int
    kind: str
    text: str
    received_at: datetime
    edited_at: datetime | None = None
    written_at: datetime | None = None

    @property
    def changed_at(self) -> datetime:
        return max(self.received_at, self.edited_at or self.received_at)


@dataclass(frozen=True)
class Asked:
    """A request to the LLM. It answers the messages up to `last_message_id` as they stood at `asked_at`.
    `objection`: why its text is not to be sent, if so."""

    id: uuid.UUID
    last_message_id: int
    state: RequestState
    asked_at: datetime
    text: str = ""
    error_code: str = ""
    objection: str = ""


@dataclass(frozen=True)
class Part:
    """One piece of the answer on its way to the contact (long answers have several), made from a request's
    reply. `unknown_attempts`: after how many of its attempts the platform did not say whether it took it.
    `attempted_at`: when the last attempt was made."""

    id: int
    request_id: uuid.UUID
    state: SendState
    unknown_attempts: int = 0
    attempted_at: datetime | None = None

    @property
    def may_have_arrived(self) -> bool:
        """Not so where the platform definitely did not take it, or says that it could not deliver it."""
        is_on_its_way = self.state not in (SendState.PENDING, SendState.FAILED)
        return is_on_its_way or self.unknown_attempts > 0


@dataclass(frozen=True)
class Turn:
    """Snapshot of a turn. Messages, requests and parts are in order; cancelled parts are left out.
    `is_sealed`: its answer started on its way: later messages belong to the next turn, and its requests,
    which are left out then, are of no use any more. `is_held_off`: its
    organization has as many requests at the LLM as one may have. `over_limit`: the limit that it exceeds.
    `is_overtaken`: the contact was sent something after its answer, or, where staff got it without one, after
    its messages. `is_untold`: its conversation is staff's,
    nobody of them has taken it up, and the contact does not know. `is_unreachable`: the platform says that
    nothing reaches the contact. `heard_of_staff_at`: when they were last told that staff have what they
    wrote, or heard from staff; looked for only while these are away. `is_assigned`: a member answers.
    `staff_came`: somebody took the conversation over since the turn began. `bot_turns`: how many turns the
    LLM has answered since staff had the conversation, a day back at most."""

    state: State
    owner: Owner
    policy: Policy
    messages: Sequence[Written]
    requests: Sequence[Asked] = ()
    parts: Sequence[Part] = ()
    is_sealed: bool = False
    holding_line_sent: bool = False
    is_held_off: bool = False
    over_limit: Reason | None = None
    is_overtaken: bool = False
    is_untold: bool = False
    is_unreachable: bool = False
    heard_of_staff_at: datetime | None = None
    is_assigned: bool = False
    staff_came: bool = False
    bot_turns: int = 0

    @property
    def is_settled(self) -> bool:
        return self.state not in (State.OPEN, State.ASKED)

    @property
    def is_for_staff(self) -> bool:
        """Whether the LLM keeps out of it. Where it writes drafts, it does so until somebody takes over."""
        drafts = self.policy.bot is Bot.DRAFTS and not (self.is_assigned or self.staff_came)
        return self.owner is Owner.STAFF and not drafts

    @property
    def changed_at(self) -> datetime:
        return max(message.changed_at for message in self.messages)

    @property
    def waits_since(self) -> datetime:
        """From when on the contact's time runs."""
        resumed_at = self.policy.resumed_at
        return max(self.changed_at, resumed_at) if resumed_at else self.changed_at

    @property
    def limit_at(self) -> datetime:
        """When staff get it, if it is not answered by then."""
        return self.waits_since + self.policy.handover_after

    @property
    def window_ends_at(self) -> datetime:
        """When its burst window ends."""
        return self.changed_at + self.policy.burst_window

    def is_late(self, now: datetime) -> bool:
        """Whether its last message was written too long ago to be answered as if nothing had happened."""
        last = self.messages[-1]
        return now - (last.written_at or last.received_at) > self.policy.late_after

    def is_fresh(self, request: Asked) -> bool:
        """Whether a request answers the turn as it stands."""
        newest = self.messages[-1].id
        edited = (message.edited_at for message in self.messages if message.edited_at)
        return request.last_message_id == newest and all(at <= request.asked_at for at in edited)
