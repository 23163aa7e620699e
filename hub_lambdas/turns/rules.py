"""What is due for a turn at a moment."""

import re
import uuid
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
    TellContact,
    Wait,
    Withdraw,
)
from hub_lambdas.turns.facts import (
    FILE_KINDS,
    Asked,
    Bot,
    Late,
    Owner,
    Part,
    Policy,
    RequestState,
    SendState,
    State,
    Turn,
    Written,
)
from hub_lambdas.turns.handover import Match, find
from hub_lambdas.turns.reasons import Reason

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


def hand_over(
    turn: Turn, reason: Reason, now: datetime, *, detail: str = "", draft_of: uuid.UUID | None = None
) -> Settle:
    """Give the turn to staff."""
    news = _news_of_staff(turn, now)
    return Settle(
        State.HANDED_OVER,
        reason,
        tell_contact=news is not None,
        back_at=news.back_at if news else None,
        detail=detail,
        draft_of=draft_of,
    )


def _news_of_staff(turn: Turn, now: datetime) -> TellContact | None:
    """What the contact hears of staff having the turn: when the conversation leaves the bot, with a later
    turn where they could not be told then, and once in each time that staff are away. Nothing where an answer
    may have arrived, or nothing can, or the contact is to get none."""
    policy, may_have_arrived = turn.policy, any(part.may_have_arrived for part in turn.parts)
    if may_have_arrived or turn.is_unreachable or policy.cannot_send or policy.declines or not policy.speaks:
        return None
    back_at = _back_at(turn, now)
    is_news = turn.owner is Owner.BOT or turn.is_untold or back_at is not None
    return TellContact(back_at) if is_news else None


def _back_at(turn: Turn, now: datetime) -> datetime | None:
    """When staff are back, if they are away, and the contact has not heard of them since they left, nor is
    about to."""
    hours, heard_at = turn.policy.hours, turn.heard_of_staff_at
    is_wanted = turn.policy.says_when_back and not turn.staff_came
    if hours is None or not is_wanted or hours.is_open(now):
        return None
    return None if heard_at and heard_at >= hours.closed_since(now) else hours.opens_at(now)


def decide(turn: Turn, now: datetime) -> list[Action]:
    """What is due for `turn` at `now`, in order. Empty when it has its outcome (unless its answer turns out
    not to have arrived, or its contact has yet to hear that staff have it), while a part of its answer is
    being sent, and while it waits for the repair of its channel."""
    if turn.is_settled:
        return _correct(turn, now)
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


def _correct(turn: Turn, now: datetime) -> list[Action]:
    """What a platform took it may report as undelivered later: then whoever counts as answered is not, and
    whoever may have had an answer has none. And the member who was to write to the contact may have left that
    to all of them without a word: then the contact hears it from the hub."""
    if turn.state is State.ANSWERED:
        is_lost = any(part.state is SendState.FAILED for part in turn.parts)
        return [hand_over(turn, Reason.DELIVERY_FAILED, now)] if is_lost else []
    is_waiting = turn.state is State.HANDED_OVER and turn.is_untold and not turn.is_overtaken
    news = _news_of_staff(turn, now) if is_waiting else None
    return [news] if news else []


def _continue_sending(turn: Turn, now: datetime) -> list[Action]:
    """An answer on its way is finished, or given to staff where the platform did not take all of it."""
    states = [part.state for part in turn.parts]
    if SendState.FAILED in states:
        return [Cancel(), hand_over(turn, Reason.DELIVERY_FAILED, now)]
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
        draft_of = pending.request_id if obstacle is Reason.DRAFTED else None
        return [Cancel(), hand_over(turn, obstacle, now, draft_of=draft_of)]
    return [Deliver(pending.id, doubts=sum(part.unknown_attempts for part in turn.parts))]


def _obstacle_to_sending(turn: Turn, pending: Part, now: datetime) -> Reason | None:
    """Why a part is not to leave any more. The rest of an answer that began to leave follows whatever the
    limit, the owner and the channel's bot, unless something later came between: it would read as a part of
    that."""
    if turn.is_overtaken:
        return Reason.DELIVERY_UNKNOWN
    if pending.unknown_attempts:
        return None if _may_repeat(turn, now) else Reason.DELIVERY_UNKNOWN
    if any(part.state is SendState.SENT for part in turn.parts):
        return None
    if turn.owner is Owner.STAFF:
        return Reason.STAFF_OWNS
    if turn.policy.bot is not Bot.ANSWERS:
        return Reason.DRAFTED if turn.policy.bot is Bot.DRAFTS else Reason.BOT_OFF
    return Reason.NO_ANSWER_IN_TIME if now >= turn.limit_at else None


def _resolve_unknown(turn: Turn, part: Part, now: datetime) -> list[Action]:
    """The platform may say later what it took. Where it does not, the organization's choice decides."""
    report_by = (part.attempted_at or turn.changed_at) + RECONCILE_WITHIN
    if turn.policy.reconciles and now < report_by:
        return [Wait(report_by)]
    if part.unknown_attempts < MAX_BLIND_ATTEMPTS and not turn.policy.is_held and _may_repeat(turn, now):
        return [SendAgain(part.id)]
    return [Cancel(), hand_over(turn, Reason.DELIVERY_UNKNOWN, now)]


def _may_repeat(turn: Turn, now: datetime) -> bool:
    """Whether what may have arrived is sent once more. The hand-over limit is none here: it was kept if the
    first attempt arrived, and whoever may have got nothing is better served late than never."""
    is_the_bots = turn.owner is Owner.BOT and turn.policy.bot is Bot.ANSWERS
    return turn.policy.sends_again and is_the_bots and not turn.is_overtaken and not turn.is_late(now)


def _hold(turn: Turn, now: datetime) -> list[Action]:
    """The rest of an answer waits for the repair of its channel, but not for ever."""
    if now < turn.changed_at + HOLD_AT_MOST:
        return []
    return [Cancel(), hand_over(turn, Reason.CHANNEL_HELD, now)]


def _obstacle(turn: Turn, now: datetime) -> Settle | None:
    """Why the LLM is not to answer this turn, whatever it may say."""
    policy = turn.policy
    if policy.declines:
        return Settle(State.DECLINED, policy.declines)
    if turn.is_for_staff:
        return hand_over(turn, Reason.STAFF_OWNS, now)
    if policy.cannot_send:
        return hand_over(turn, Reason.CHANNEL_PAUSED, now)
    if policy.bot is Bot.SILENT:
        return hand_over(turn, Reason.BOT_OFF, now)
    if turn.over_limit:
        return _decline(turn, turn.over_limit, now)
    if all(message.kind == "unsent" for message in turn.messages):
        return Settle(State.DECLINED, Reason.UNSENT)
    if any(not _is_for_bot(message, policy) for message in turn.messages):
        return hand_over(turn, Reason.NOT_TEXT, now)
    if policy.late is Late.HAND_OVER and turn.is_late(now):
        return hand_over(turn, Reason.LATE, now)
    if policy.is_held:
        is_too_long = now >= turn.changed_at + HOLD_AT_MOST
        return hand_over(turn, Reason.CHANNEL_HELD, now) if is_too_long else None
    if now >= turn.limit_at:
        return hand_over(turn, Reason.NO_ANSWER_IN_TIME, now)
    return None


def _is_for_bot(message: Written, policy: Policy) -> bool:
    is_known = message.kind in ("text", "button", "unsent")
    return is_known or (policy.explains_files and message.kind in FILE_KINDS)


def _decline(turn: Turn, reason: Reason, now: datetime) -> Settle:
    """The contact is told why; where staff have the conversation, they get the turn all the same."""
    if turn.owner is Owner.STAFF:
        return hand_over(turn, reason, now)
    return Settle(State.DECLINED, reason, tell_contact=True)


def _decline_wordless(turn: Turn, now: datetime) -> Settle:
    """Nothing in it can be read."""
    if any(message.kind in FILE_KINDS for message in turn.messages):
        return _decline(turn, Reason.FILES_ONLY, now)
    return hand_over(turn, Reason.EMPTY, now)


def _work_towards_answer(turn: Turn, now: datetime) -> list[Action]:
    if now < turn.window_ends_at:
        return [*_take_back(turn), Wait(turn.window_ends_at), *_hold_the_line(turn, now)]
    requests = [request for request in turn.requests if turn.is_fresh(request)]
    if not requests and (rule := _rule_for_staff(turn)):
        return [*_take_back(turn), hand_over(turn, rule.reason, now, detail=rule.detail)]
    if not any(message.text.strip() for message in turn.messages):
        return [*_take_back(turn), _decline_wordless(turn, now)]
    if not requests:
        return [*_take_back(turn), *_ask(turn, now)]
    latest = requests[-1]
    if latest.state is RequestState.PENDING:
        return _await_reply(turn, now)
    if latest.state is RequestState.COMPLETED and latest.text.strip():
        return _use_reply(turn, requests, now)
    if latest.error_code == "context_length_exceeded":
        return _give_up(turn, Reason.TOO_LONG, now)
    if len(requests) < MAX_REQUESTS_PER_MESSAGE:
        return _ask(turn, now)
    failed = latest.state is not RequestState.COMPLETED
    return _give_up(turn, Reason.LLM_FAILED if failed else Reason.NO_ANSWER, now)


def _rule_for_staff(turn: Turn) -> Match | None:
    """The rule by which staff get the turn before the LLM is asked, if one does. Who wrote while staff were
    there is answered."""
    policy = turn.policy
    if found := find(policy.rules, [message.text for message in turn.messages]):
        return found
    if policy.handover_after_turns is not None and turn.bot_turns >= policy.handover_after_turns:
        return Match(Reason.BOT_TURNS)
    if policy.hours and not policy.answers_after_hours and not policy.hours.is_open(turn.changed_at):
        return Match(Reason.AFTER_HOURS)
    return None


def _ask(turn: Turn, now: datetime) -> list[Action]:
    """Held off, it is looked at again when another request of its organization is done."""
    asking: list[Action] = [] if turn.is_held_off else [Ask()]
    return [*asking, *_await_reply(turn, now)]


def _await_reply(turn: Turn, now: datetime) -> list[Action]:
    return [*_hold_the_line(turn, now), Wait(turn.limit_at)]


def _hold_the_line(turn: Turn, now: datetime) -> list[Action]:
    is_wanted = turn.policy.has_holding_line and turn.policy.speaks and turn.owner is Owner.BOT
    if turn.holding_line_sent or not is_wanted:
        return []
    due_at = turn.waits_since + HOLDING_AFTER
    if now < due_at:
        return [Wait(due_at)]
    return [HoldTheLine()] if now >= turn.window_ends_at else []


def _use_reply(turn: Turn, requests: Sequence[Asked], now: datetime) -> list[Action]:
    latest = requests[-1]
    if asks_for_staff(latest.text):
        return _give_up(turn, Reason.NOT_KNOWN, now)
    if latest.objection:
        if len(requests) < MAX_REQUESTS_PER_MESSAGE:
            return _ask(turn, now)
        return _give_up(turn, Reason.NOT_GROUNDED, now)
    if turn.policy.bot is Bot.DRAFTS:
        return [*_take_back(turn), hand_over(turn, Reason.DRAFTED, now, draft_of=latest.id)]
    if turn.parts and turn.parts[0].request_id == latest.id:
        return [Deliver(turn.parts[0].id)]
    apologize = turn.policy.late is Late.APOLOGIZE and turn.is_late(now)
    return [*_take_back(turn), Answer(latest.id, apologize)]


def _give_up(turn: Turn, reason: Reason, now: datetime) -> list[Action]:
    """The LLM will not answer this: an answer of before that has not left is no answer either."""
    return [*_take_back(turn), hand_over(turn, reason, now)]


def _withdraw_stale(turn: Turn) -> list[Action]:
    return [
        Withdraw(request.id)
        for request in turn.requests
        if request.state is RequestState.PENDING and not turn.is_fresh(request)
    ]


def _take_back(turn: Turn) -> list[Action]:
    return [Cancel()] if turn.parts else []
