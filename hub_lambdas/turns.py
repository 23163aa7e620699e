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

HOLDING_AFTER = timedelta(seconds=4)
"""Without an answer by then, counted from the contact's last message, the holding line goes out."""
RECONCILE_WITHIN = timedelta(seconds=30)
"""How long a platform that reports what it took is given to do so after a call that it did not answer."""
HOLD_AT_MOST = timedelta(hours=24)
"""How long a turn waits for the repair of its channel before staff get it."""
MAX_REQUESTS_PER_MESSAGE = 2
MAX_BLIND_ATTEMPTS = 2
"""How often an answer of unknown fate is sent at most, where the organization rather sends it twice."""
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
    CANCELLED = "cancelled"


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


# --- what is known of a turn --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Policy:
    """The organization's settings, and its channel's state, that bear on a turn."""

    burst_window: timedelta
    handover_after: timedelta
    has_holding_line: bool = True
    late_after: timedelta = timedelta(minutes=10)
    late: Late = Late.APOLOGIZE
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
    """A message of the contact. `kind` "text" and "button" are for the LLM. `written_at`: by the platform's
    clock, where it tells."""

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
    `is_sealed`: its answer started on its way: later messages belong to the next turn. `is_held_off`: its
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


# --- what is due --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wait:
    """Look again at `until`, unless something happens before."""

    until: datetime


@dataclass(frozen=True)
class Ask:
    """Ask the LLM."""


@dataclass(frozen=True)
class Withdraw:
    """Cancel this request to the LLM: nobody wants its answer any more."""

    request_id: uuid.UUID


@dataclass(frozen=True)
class HoldTheLine:
    """Send the holding line."""


@dataclass(frozen=True)
class Answer:
    """Make the reply to this request the answer, and put it on its way. `apologize`: for coming late."""

    request_id: uuid.UUID
    apologize: bool = False


@dataclass(frozen=True)
class Deliver:
    """Call the platform with this part now. `doubts`: how many attempts on its answer had an unknown fate;
    what the queue was given before them may have been taken off it in vain."""

    part_id: int
    doubts: int = 0


@dataclass(frozen=True)
class SendAgain:
    """Put this part, whose fate is unknown, on its way once more."""

    part_id: int


@dataclass(frozen=True)
class Cancel:
    """Take back the parts that have not left."""


@dataclass(frozen=True)
class Settle:
    """The outcome is known. `tell_contact`: the contact is sent the text that the organization has for it."""

    outcome: State
    reason: Reason | None = None
    tell_contact: bool = False


Action = Wait | Ask | Withdraw | HoldTheLine | Answer | Deliver | SendAgain | Cancel | Settle


def hand_over(turn: Turn, reason: Reason) -> Settle:
    """Give the turn to staff. The contact is told once, when the conversation leaves the bot, and not where
    an answer may have arrived or cannot arrive."""
    may_have_left = any(part.may_have_left for part in turn.parts)
    told = turn.owner is Owner.BOT and not may_have_left and not turn.policy.cannot_send
    return Settle(State.HANDED_OVER, reason, tell_contact=told)


def decide(turn: Turn, now: datetime) -> list[Action]:
    """What is due for `turn` at `now`, in order. Empty when it has its outcome, while a part of its answer is
    being sent, and while it waits for the repair of its channel."""
    if turn.is_settled:
        return []
    if turn.is_sealed:
        return _continue_sending(turn, now)
    obstacle = _obstacle(turn, now)
    if obstacle:
        return [*_take_back(turn), obstacle]
    if turn.policy.is_held:
        return _take_back(turn)
    return [*_withdraw_stale(turn), *_work_towards_answer(turn, now)]


def asks_for_staff(text: str) -> bool:
    """Whether the LLM wrote that a person should answer."""
    return re.search(rf"\b{HANDOVER_MARK}\b", text) is not None


def is_holding_line_due(turn: Turn) -> bool:
    """Whether the holding line may still leave: not when the answer itself is about to, or nobody waits."""
    return not (turn.is_settled or turn.is_sealed or turn.parts or turn.owner is Owner.STAFF)


def _continue_sending(turn: Turn, now: datetime) -> list[Action]:
    """An answer on its way is finished, or given to staff where the platform did not take all of it."""
    states = [part.state for part in turn.parts]
    if SendState.FAILED in states:
        return [Cancel(), hand_over(turn, Reason.DELIVERY_FAILED)]
    if SendState.UNKNOWN in states:
        return _resolve_unknown(turn, turn.parts[states.index(SendState.UNKNOWN)], now)
    if SendState.SENDING in states:
        return []
    if turn.policy.is_held:
        return _hold(turn, now)
    pending = next((part for part in turn.parts if part.state is SendState.PENDING), None)
    if pending is None:
        return [Settle(State.ANSWERED)]
    if obstacle := _obstacle_to_sending(turn, pending, now):
        return [Cancel(), hand_over(turn, obstacle)]
    return [Deliver(pending.id, doubts=sum(part.unknown_attempts for part in turn.parts))]


def _obstacle_to_sending(turn: Turn, pending: Part, now: datetime) -> Reason | None:
    """Why a part is not to leave any more. The rest of an answer that began to leave follows whatever the
    limit and the owner, unless something later came between: it would read as a part of that."""
    if turn.is_overtaken:
        return Reason.DELIVERY_UNKNOWN
    if pending.unknown_attempts:
        return None if _may_repeat(turn, now) else Reason.DELIVERY_UNKNOWN
    if any(part.state is SendState.SENT for part in turn.parts):
        return None
    if turn.owner is Owner.STAFF:
        return Reason.STAFF_OWNS
    return Reason.NO_ANSWER_IN_TIME if now >= turn.limit_at else None


def _resolve_unknown(turn: Turn, part: Part, now: datetime) -> list[Action]:
    """The platform may say later what it took. Where it does not, the organization's choice decides."""
    report_by = (part.attempted_at or turn.changed_at) + RECONCILE_WITHIN
    if turn.policy.reconciles and now < report_by:
        return [Wait(report_by)]
    if part.unknown_attempts < MAX_BLIND_ATTEMPTS and not turn.policy.is_held and _may_repeat(turn, now):
        return [SendAgain(part.id)]
    return [Cancel(), hand_over(turn, Reason.DELIVERY_UNKNOWN)]


def _may_repeat(turn: Turn, now: datetime) -> bool:
    """Whether what may have arrived is sent once more. The hand-over limit is none here: it was kept if the
    first attempt arrived, and whoever may have got nothing is better served late than never."""
    wanted = turn.policy.sends_again and turn.owner is Owner.BOT
    return wanted and not turn.is_overtaken and not turn.is_late(now)


def _hold(turn: Turn, now: datetime) -> list[Action]:
    """The rest of an answer waits for the repair of its channel, but not for ever."""
    if now < turn.changed_at + HOLD_AT_MOST:
        return []
    return [Cancel(), hand_over(turn, Reason.CHANNEL_HELD)]


def _obstacle(turn: Turn, now: datetime) -> Settle | None:
    """Why the LLM is not to answer this turn, whatever it may say."""
    policy = turn.policy
    if policy.declines:
        return Settle(State.DECLINED, policy.declines)
    if turn.owner is Owner.STAFF:
        return hand_over(turn, Reason.STAFF_OWNS)
    if policy.cannot_send:
        return hand_over(turn, Reason.CHANNEL_PAUSED)
    if turn.over_limit:
        return Settle(State.DECLINED, turn.over_limit, tell_contact=True)
    if any(message.kind not in ("text", "button") for message in turn.messages):
        return hand_over(turn, Reason.NOT_TEXT)
    if policy.late is Late.HAND_OVER and turn.is_late(now):
        return hand_over(turn, Reason.LATE)
    if policy.is_held:
        is_too_long = now >= turn.changed_at + HOLD_AT_MOST
        return hand_over(turn, Reason.CHANNEL_HELD) if is_too_long else None
    if now >= turn.limit_at:
        return hand_over(turn, Reason.NO_ANSWER_IN_TIME)
    return None


def _work_towards_answer(turn: Turn, now: datetime) -> list[Action]:
    if now < turn.window_ends_at:
        return [*_take_back(turn), Wait(turn.window_ends_at), *_hold_the_line(turn, now)]
    if not any(message.text.strip() for message in turn.messages):
        return [hand_over(turn, Reason.EMPTY)]
    requests = [request for request in turn.requests if turn.is_fresh(request)]
    if not requests:
        return [*_take_back(turn), *_ask(turn, now)]
    latest = requests[-1]
    if latest.state is RequestState.PENDING:
        return _await_reply(turn, now)
    if latest.state is RequestState.COMPLETED and latest.text.strip():
        return _use_reply(turn, requests, now)
    if latest.error_code == "context_length_exceeded":
        return [hand_over(turn, Reason.TOO_LONG)]
    if len(requests) < MAX_REQUESTS_PER_MESSAGE:
        return _ask(turn, now)
    failed = latest.state is not RequestState.COMPLETED
    return [hand_over(turn, Reason.LLM_FAILED if failed else Reason.NO_ANSWER)]


def _ask(turn: Turn, now: datetime) -> list[Action]:
    """Held off, it is looked at again when another request of its organization is done."""
    asking: list[Action] = [] if turn.is_held_off else [Ask()]
    return [*asking, *_await_reply(turn, now)]


def _await_reply(turn: Turn, now: datetime) -> list[Action]:
    return [*_hold_the_line(turn, now), Wait(turn.limit_at)]


def _hold_the_line(turn: Turn, now: datetime) -> list[Action]:
    if turn.holding_line_sent or not turn.policy.has_holding_line:
        return []
    due_at = turn.waits_since + HOLDING_AFTER
    if now < due_at:
        return [Wait(due_at)]
    return [HoldTheLine()] if now >= turn.window_ends_at else []


def _use_reply(turn: Turn, requests: Sequence[Asked], now: datetime) -> list[Action]:
    latest = requests[-1]
    if asks_for_staff(latest.text):
        return [hand_over(turn, Reason.NOT_KNOWN)]
    if latest.objection:
        if len(requests) < MAX_REQUESTS_PER_MESSAGE:
            return _ask(turn, now)
        return [hand_over(turn, Reason.NOT_GROUNDED)]
    if turn.parts and turn.parts[0].request_id == latest.id:
        return [Deliver(turn.parts[0].id)]
    apologize = turn.policy.late is Late.APOLOGIZE and turn.is_late(now)
    return [*_take_back(turn), Answer(latest.id, apologize)]


def _withdraw_stale(turn: Turn) -> list[Action]:
    return [
        Withdraw(request.id)
        for request in turn.requests
        if request.state is RequestState.PENDING and not turn.is_fresh(request)
    ]


def _take_back(turn: Turn) -> list[Action]:
    return [Cancel()] if turn.parts else []
