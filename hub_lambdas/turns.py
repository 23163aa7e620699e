"""The heart of the hub: what is due for a turn. Pure: no clock, no database, no network.

A turn is what a contact wrote in one go, and it ends in exactly one outcome. `decide` looks at everything
that is known of it and says what to do now. It may be asked at any time and any number of times: by a
wake-up, a reply, the moment of sending, the sweep.
"""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

MAX_REQUESTS_PER_MESSAGE = 2
HANDOVER_MARK = "STAFF"
"""What the LLM writes instead of an answer when a person should give it."""


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


class SendState(StrEnum):
    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Reason(StrEnum):
    """Why a turn was handed over or declined."""

    STAFF_OWNS = "staff_owns"
    NOT_TEXT = "not_text"
    EMPTY = "empty"
    TOO_LONG = "too_long"
    LLM_FAILED = "llm_failed"
    NO_ANSWER = "no_answer"
    NOT_KNOWN = "not_known"
    NO_ANSWER_IN_TIME = "no_answer_in_time"
    DELIVERY_FAILED = "delivery_failed"
    DELIVERY_UNKNOWN = "delivery_unknown"
    DEAD_LETTER = "dead_letter"
    ORGANIZATION_RETIRED = "organization_retired"
    CHANNEL_RETIRED = "channel_retired"
    CHANNEL_PAUSED = "channel_paused"


# --- what is known of a turn --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Policy:
    """The organization's settings that bear on a turn."""

    burst_window: timedelta
    handover_after: timedelta
    declines: Reason | None = None
    """Why this organization's or channel's turns are not answered at all, if so."""
    cannot_send: bool = False
    """Whether the channel is paused: what the LLM would say could not be sent."""


@dataclass(frozen=True)
class Written:
    """A message of the contact. `kind` "text" and "button" are for the LLM."""

    id: int
    kind: str
    text: str
    received_at: datetime
    edited_at: datetime | None = None

    @property
    def changed_at(self) -> datetime:
        return max(self.received_at, self.edited_at or self.received_at)


@dataclass(frozen=True)
class Asked:
    """A request to the LLM. It answers the messages up to `last_message_id` as they stood at `asked_at`."""

    id: uuid.UUID
    last_message_id: int
    state: RequestState
    asked_at: datetime
    text: str = ""
    error_code: str = ""


@dataclass(frozen=True)
class Part:
    """One piece of the answer on its way to the contact (long answers have several), made from a request's
    reply."""

    id: int
    request_id: uuid.UUID
    state: SendState


@dataclass(frozen=True)
class Turn:
    """Snapshot of a turn. Messages, requests and parts are in order; cancelled parts are left out.
    `is_sealed`: its answer started on its way, so that later messages belong to the next turn."""

    state: State
    owner: Owner
    policy: Policy
    messages: Sequence[Written]
    requests: Sequence[Asked] = ()
    parts: Sequence[Part] = ()
    is_sealed: bool = False

    @property
    def is_settled(self) -> bool:
        return self.state not in (State.OPEN, State.ASKED)

    @property
    def changed_at(self) -> datetime:
        return max(message.changed_at for message in self.messages)

    def is_fresh(self, request: Asked) -> bool:
        """Whether a request answers the turn as it stands."""
        newest = self.messages[-1].id
        edited = (message.edited_at for message in self.messages if message.edited_at)
        return request.last_message_id == newest and all(at <= request.asked_at for at in edited)


# --- what is due --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wait:
    """Look again at `until`, unless something happens before."""

    until: datetime


@dataclass(frozen=True)
class Ask:
    """Ask the LLM."""


@dataclass(frozen=True)
class Answer:
    """Make the reply to this request the answer, and put it on its way."""

    request_id: uuid.UUID


@dataclass(frozen=True)
class Deliver:
    """Call the platform with this part now."""

    part_id: int


@dataclass(frozen=True)
class Cancel:
    """Take back the parts that have not left."""


@dataclass(frozen=True)
class Settle:
    """The outcome is known. `tell_contact`: the contact is sent the organization's fallback text."""

    outcome: State
    reason: Reason | None = None
    tell_contact: bool = False


Action = Wait | Ask | Answer | Deliver | Cancel | Settle


def hand_over(turn: Turn, reason: Reason) -> Settle:
    """Give the turn to staff. The contact is told once, when the conversation leaves the bot, and not where
    an answer may have arrived or cannot arrive."""
    left = any(part.state is not SendState.PENDING for part in turn.parts)
    told = turn.owner is Owner.BOT and not left and not turn.policy.cannot_send
    return Settle(State.HANDED_OVER, reason, tell_contact=told)


def decide(turn: Turn, now: datetime) -> list[Action]:
    """What is due for `turn` at `now`, in order. Empty when it has its outcome."""
    if turn.is_settled:
        return []
    if turn.is_sealed:
        return _continue_sending(turn, now)
    obstacle = _obstacle(turn, now)
    if obstacle:
        return [*_take_back(turn), obstacle]
    return _work_towards_answer(turn, now)


def _continue_sending(turn: Turn, now: datetime) -> list[Action]:
    """An answer on its way is finished, or given to staff where the platform did not take all of it."""
    states = [part.state for part in turn.parts]
    if SendState.FAILED in states:
        return [Cancel(), hand_over(turn, Reason.DELIVERY_FAILED)]
    if SendState.UNKNOWN in states:
        return [Cancel(), hand_over(turn, Reason.DELIVERY_UNKNOWN)]
    if SendState.SENDING in states:
        return []
    if SendState.SENT not in states:
        if turn.owner is Owner.STAFF:
            return [Cancel(), hand_over(turn, Reason.STAFF_OWNS)]
        if now >= turn.changed_at + turn.policy.handover_after:
            return [Cancel(), hand_over(turn, Reason.NO_ANSWER_IN_TIME)]
    for part in turn.parts:
        if part.state is SendState.PENDING:
            return [Deliver(part.id)]
    return [Settle(State.ANSWERED)]


def _obstacle(turn: Turn, now: datetime) -> Settle | None:
    """Why the LLM is not to answer this turn, whatever it may say."""
    if turn.policy.declines:
        return Settle(State.DECLINED, turn.policy.declines)
    if turn.owner is Owner.STAFF:
        return hand_over(turn, Reason.STAFF_OWNS)
    if turn.policy.cannot_send:
        return hand_over(turn, Reason.CHANNEL_PAUSED)
    if any(message.kind not in ("text", "button") for message in turn.messages):
        return hand_over(turn, Reason.NOT_TEXT)
    if now >= turn.changed_at + turn.policy.handover_after:
        return hand_over(turn, Reason.NO_ANSWER_IN_TIME)
    return None


def _work_towards_answer(turn: Turn, now: datetime) -> list[Action]:
    settled_at = turn.changed_at + turn.policy.burst_window
    if now < settled_at:
        return [*_take_back(turn), Wait(settled_at)]
    if not any(message.text.strip() for message in turn.messages):
        return [hand_over(turn, Reason.EMPTY)]
    limit = Wait(turn.changed_at + turn.policy.handover_after)
    requests = [request for request in turn.requests if turn.is_fresh(request)]
    if not requests:
        return [*_take_back(turn), Ask(), limit]
    latest = requests[-1]
    if latest.state is RequestState.PENDING:
        return [limit]
    if latest.state is RequestState.COMPLETED:
        return _use_reply(turn, latest)
    if latest.error_code == "context_length_exceeded":
        return [hand_over(turn, Reason.TOO_LONG)]
    if len(requests) < MAX_REQUESTS_PER_MESSAGE:
        return [Ask(), limit]
    return [hand_over(turn, Reason.LLM_FAILED)]


def _use_reply(turn: Turn, request: Asked) -> list[Action]:
    if not request.text.strip():
        return [hand_over(turn, Reason.NO_ANSWER)]
    if re.search(rf"\b{HANDOVER_MARK}\b", request.text):
        return [hand_over(turn, Reason.NOT_KNOWN)]
    if not turn.parts:
        return [Answer(request.id)]
    if turn.parts[0].request_id != request.id:
        return [Cancel(), Answer(request.id)]
    return [Deliver(turn.parts[0].id)]


def _take_back(turn: Turn) -> list[Action]:
    return [Cancel()] if turn.parts else []
