"""What is due for a turn at a moment."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from hub_lambdas.turns.actions import (
    Action,
    Answer,
    Ask,
    Cancel,
    Deliver,
    HoldTheLine,
    SendAgain,
    Settle,
    Wait,
    Withdraw,
)
from hub_lambdas.turns.facts import (
    FILE_KINDS,
    Asked,
    Late,
    Owner,
    Part,
    Policy,
    Reason,
    RequestState,
    SendState,
    State,
    Turn,
    Written,
)

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
    if all(message.kind == "unsent" for message in turn.messages):
        return Settle(State.DECLINED, Reason.UNSENT)
    if any(not _is_for_bot(message, policy) for message in turn.messages):
        return hand_over(turn, Reason.NOT_TEXT)
    if policy.late is Late.HAND_OVER and turn.is_late(now):
        return hand_over(turn, Reason.LATE)
    if policy.is_held:
        is_too_long = now >= turn.changed_at + HOLD_AT_MOST
        return hand_over(turn, Reason.CHANNEL_HELD) if is_too_long else None
    if now >= turn.limit_at:
        return hand_over(turn, Reason.NO_ANSWER_IN_TIME)
    return None


def _is_for_bot(message: Written, policy: Policy) -> bool:
    is_known = message.kind in ("text", "button", "unsent")
    return is_known or (policy.explains_files and message.kind in FILE_KINDS)


def _decline_wordless(turn: Turn) -> Settle:
    """Nothing in it can be read."""
    if any(message.kind in FILE_KINDS for message in turn.messages):
        return Settle(State.DECLINED, Reason.FILES_ONLY, tell_contact=True)
    return hand_over(turn, Reason.EMPTY)


def _work_towards_answer(turn: Turn, now: datetime) -> list[Action]:
    if now < turn.window_ends_at:
        return [*_take_back(turn), Wait(turn.window_ends_at), *_hold_the_line(turn, now)]
    if not any(message.text.strip() for message in turn.messages):
        return [*_take_back(turn), _decline_wordless(turn)]
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
