"""From ledger rows to the snapshot that `decide` looks at."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from console.channels.models import Channel
from console.conversations.models import Conversation, LlmRequest, Message, Turn
from console.organizations.models import MediaPolicy, UnknownDelivery
from console.organizations.policies import AfterHours
from hub_lambdas import after_drafts, limits, turns
from hub_lambdas.channels import KINDS

BOT_TURNS_WITHIN = timedelta(days=1)
"""Who writes again after longer begins anew."""
LEFT = (Message.State.SENDING, Message.State.SENT, Message.State.UNKNOWN)
_OF_STAFF = (Message.Purpose.FALLBACK, Message.Purpose.STAFF)
"""What tells a contact of staff."""


def snapshot(turn: Turn, now: datetime) -> turns.Turn:
    """Everything known of `turn`. Take it under the conversation's lock: what it says must not change
    meanwhile."""
    messages = turn.message_rows
    answer = _standing(messages, Message.Purpose.ANSWER)
    policy = _policy(turn)
    known = turns.Turn(
        state=turns.State(turn.state),
        owner=_owner(turn.conversation),
        policy=policy,
        messages=[_written(message) for message in messages if message.direction == Message.Direction.IN],
        requests=[] if turn.sealed_at else [_asked(request) for request in turn.request_rows],
        parts=[_part(message) for message in answer],
        is_sealed=turn.sealed_at is not None,
        holding_line_sent=bool(_standing(messages, Message.Purpose.HOLDING)),
        is_overtaken=_is_overtaken(turn, answer),
        is_untold=_is_untold(turn),
        is_unreachable=turn.conversation.contact.is_unreachable,
        is_assigned=turn.conversation.assignee_id is not None,
        staff_came=_staff_came(turn),
        heard_of_staff_at=_heard_of_staff_at(turn, policy, now),
    )
    # Limits are for turns that the LLM is to be asked about now: nothing is counted for the others.
    if (
        known.is_settled
        or known.is_sealed
        or now < known.window_ends_at
        or any(known.is_fresh(request) for request in known.requests)
    ):
        return known
    used = limits.used(turn, now)
    bot_turns = _bot_turns(turn, now) if policy.handover_after_turns else 0
    return replace(known, is_held_off=used.is_held_off, over_limit=used.over_limit, bot_turns=bot_turns)


def _owner(conversation: Conversation) -> turns.Owner:
    """Who is to answer what comes now, whatever else still waits for staff."""
    is_the_bots = after_drafts.is_the_bots(conversation)
    return turns.Owner.BOT if is_the_bots else turns.Owner(conversation.owner)


def _standing(messages: list[Message], purpose: Message.Purpose) -> list[Message]:
    """Those of a purpose that were not taken back."""
    return [
        message
        for message in messages
        if message.purpose == purpose and message.state != Message.State.CANCELLED
    ]


def _is_overtaken(turn: Turn, answer: Sequence[Message]) -> bool:
    """Whether something that was written later has left, or may have. Asked only where that is possible, for
    the queue keeps the order of what leaves at once: of an answer that is interrupted, and of a hand-over
    whose contact may have to be told late."""
    states = {part.state for part in answer}
    is_begun = {Message.State.SENT, Message.State.PENDING} <= states
    is_silent = turn.state == Turn.State.HANDED_OVER and not answer
    if not (is_begun or is_silent or any(part.unknown_attempts for part in answer)):
        return False
    newest = answer[0] if answer else turn.message_rows[-1]
    later = Message.objects.filter(conversation=turn.conversation_id, pk__gt=newest.pk)
    return later.exclude(turn=turn).filter(state__in=LEFT).exists()


def _is_untold(turn: Turn) -> bool:
    """Whether the last that staff's contact may have heard is the bot's answer, or nothing."""
    conversation = turn.conversation
    is_taken_up = conversation.owner == Conversation.Owner.BOT or conversation.assignee_id is not None
    if is_taken_up or _standing(turn.message_rows, Message.Purpose.FALLBACK):
        return False
    said = Message.objects.filter(conversation=conversation, purpose__in=(Message.Purpose.ANSWER, *_OF_STAFF))
    heard = said.exclude(state__in=(Message.State.CANCELLED, Message.State.FAILED)).order_by("-id")
    return heard.values_list("purpose", flat=True).first() not in _OF_STAFF


def _staff_came(turn: Turn) -> bool:
    conversation = turn.conversation
    since = conversation.owned_since
    is_since = since is not None and since > turn.first_message_at
    return conversation.owner == Conversation.Owner.STAFF and is_since


def _bot_turns(turn: Turn, now: datetime) -> int:
    since = max(now - BOT_TURNS_WITHIN, turn.conversation.owned_since or turn.conversation.created_at)
    answered = Turn.objects.filter(conversation=turn.conversation_id, state=Turn.State.ANSWERED)
    return answered.filter(settled_at__gt=since).count()


def _heard_of_staff_at(turn: Turn, policy: turns.Policy, now: datetime) -> datetime | None:
    if policy.hours is None or policy.hours.is_open(now):
        return None
    said = Message.objects.filter(conversation=turn.conversation_id, purpose__in=_OF_STAFF)
    newest = said.exclude(state=Message.State.CANCELLED).order_by("-id")
    return newest.values_list("stored_at", flat=True).first()


def _policy(turn: Turn) -> turns.Policy:
    organization, contact = turn.organization, turn.conversation.contact
    channel = contact.channel
    declines = None
    if not organization.is_active:
        declines = turns.Reason.ORGANIZATION_RETIRED
    elif channel.status == Channel.Status.RETIRED:
        declines = turns.Reason.CHANNEL_RETIRED
    elif contact.erased_at is not None:
        declines = turns.Reason.CONTACT_ERASED
    elif contact.is_blocked:
        declines = turns.Reason.CONTACT_BLOCKED
    return turns.Policy(
        burst_window=timedelta(seconds=organization.burst_window_seconds),
        handover_after=timedelta(seconds=organization.handover_after_seconds),
        has_holding_line=bool(organization.holding_line),
        late_after=timedelta(minutes=organization.late_after_minutes),
        late=turns.Late(organization.late_policy),
        bot=turns.Bot(channel.bot),
        tells_contacts=channel.tells_contacts,
        explains_files=channel.bot == Channel.Bot.ANSWERS
        and organization.media_policy == MediaPolicy.EXPLAIN,
        sends_again=organization.unknown_delivery == UnknownDelivery.SEND_AGAIN,
        declines=declines,
        cannot_send=channel.status == Channel.Status.PAUSED and not channel.is_held,
        is_held=channel.is_held,
        resumed_at=channel.resumed_at,
        hours=organization.hours,
        answers_after_hours=organization.after_hours == AfterHours.ANSWER,
        says_when_back=bool(organization.away_text),
        rules=organization.rules,
        handover_after_turns=organization.handover_after_turns,
        reconciles=KINDS[channel.kind].reconciles,
    )


def _written(message: Message) -> turns.Written:
    assert message.received_at is not None, "inbound messages carry the time of their webhook"
    return turns.Written(
        id=message.pk,
        kind=message.kind,
        text=message.text,
        received_at=message.received_at,
        edited_at=message.edited_at,
        written_at=message.platform_at,
    )


def _asked(request: LlmRequest) -> turns.Asked:
    return turns.Asked(
        id=request.id,
        last_message_id=request.last_message_id,
        state=turns.RequestState(request.state),
        asked_at=request.asked_at,
        text=request.text,
        error_code=request.error_code,
        objection=request.objection,
    )


def _part(message: Message) -> turns.Part:
    return turns.Part(
        id=message.pk,
        request_id=_request_of(message),
        state=turns.SendState(message.state),
        unknown_attempts=message.unknown_attempts,
        attempted_at=message.sending_at,
    )


def _request_of(part: Message) -> uuid.UUID:
    assert part.request_id is not None, "parts of an answer carry their request"
    return part.request_id
