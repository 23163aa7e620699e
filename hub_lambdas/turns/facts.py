"""What is known of a turn: the snapshot that `rules.decide` looks at."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class State(StrEnum):
    OPEN = "open"
    ASKED = "asked"
    ANSWERED = "answered"
    HANDED_OVER = "handed_over"
    DECLINED = "declined"


class Owner(StrEnum):
    BOT = "bot"
    STAFF = "staff"


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


class Reason(StrEnum):
    """Why a turn was handed over or declined."""

    STAFF_OWNS = "staff_owns"
    UNSENT = "unsent"
    FILES_ONLY = "files_only"
    NOT_TEXT = "not_text"
    EMPTY = "empty"
    TOO_LONG = "too_long"
    LLM_FAILED = "llm_failed"
    NO_ANSWER = "no_answer"
    NOT_KNOWN = "not_known"
    NOT_GROUNDED = "not_grounded"
    LATE = "late"
    NO_ANSWER_IN_TIME = "no_answer_in_time"
    DELIVERY_FAILED = "delivery_failed"
    DELIVERY_UNKNOWN = "delivery_unknown"
    DEAD_LETTER = "dead_letter"
    ORGANIZATION_RETIRED = "organization_retired"
    CHANNEL_RETIRED = "channel_retired"
    CHANNEL_PAUSED = "channel_paused"
    CHANNEL_HELD = "channel_held"
    CONTACT_BLOCKED = "contact_blocked"
    CONTACT_RATE = "contact_rate"
    CONTACT_QUOTA = "contact_quota"
    ORGANIZATION_RATE = "organization_rate"
    ORGANIZATION_QUOTA = "organization_quota"


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
    reconciles: bool = False
    """Whether the platform reports what it took, so that an unknown fate may still become known."""


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
    def may_have_left(self) -> bool:
        return self.state is not SendState.PENDING or self.unknown_attempts > 0


@dataclass(frozen=True)
class Turn:
    """Snapshot of a turn. Messages, requests and parts are in order; cancelled parts are left out.
    `is_sealed`: its answer started on its way: later messages belong to the next turn, and its requests,
    which are left out then, are of no use any more. `is_held_off`: its
    organization has as many requests at the LLM as one may have. `over_limit`: the limit that it exceeds.
    `is_overtaken`: the contact was sent something after its answer."""

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

    @property
    def is_settled(self) -> bool:
        return self.state not in (State.OPEN, State.ASKED)

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
