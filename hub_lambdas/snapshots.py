"""From ledger rows to the snapshot that `decide` looks at."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from console.channels.models import Channel
from console.conversations.models import LlmRequest, Message, Turn
from console.organizations.models import MediaPolicy, UnknownDelivery
from hub_lambdas import limits, turns
from hub_lambdas.channels import KINDS

LEFT = (Message.State.SENDING, Message.State.SENT, Message.State.UNKNOWN)


def snapshot(turn: Turn, now: datetime) -> turns.Turn:
    """Everything known of `turn`. Take it under the conversation's lock: what it says must not change
    meanwhile."""
    messages = turn.message_rows
    answer = _standing(messages, Message.Purpose.ANSWER)
    known = turns.Turn(
        state=turns.State(turn.state),
        owner=turns.Owner(turn.conversation.owner),
        policy=_policy(turn),
        messages=[_written(message) for message in messages if message.direction == Message.Direction.IN],
        requests=[] if turn.sealed_at else [_asked(request) for request in turn.request_rows],
        parts=[_part(message) for message in answer],
        is_sealed=turn.sealed_at is not None,
        holding_line_sent=bool(_standing(messages, Message.Purpose.HOLDING)),
        is_overtaken=_is_overtaken(turn, answer),
    )
    # Limits are for turns that the LLM is to be asked about now: nothing is counted for the others.
    if (
        known.is_sealed
        or now < known.window_ends_at
        or any(known.is_fresh(request) for request in known.requests)
    ):
        return known
    used = limits.used(turn, now)
    return replace(known, is_held_off=used.is_held_off, over_limit=used.over_limit)


def _standing(messages: list[Message], purpose: Message.Purpose) -> list[Message]:
    """Those of a purpose that were not taken back."""
    return [
        message
        for message in messages
        if message.purpose == purpose and message.state != Message.State.CANCELLED
    ]


def _is_overtaken(turn: Turn, answer: Sequence[Message]) -> bool:
    """Whether something that was written later has left, or may have. Asked only where that is possible: the
    queue keeps the order of what leaves at once."""
    states = {part.state for part in answer}
    is_begun = {Message.State.SENT, Message.State.PENDING} <= states
    if not is_begun and not any(part.unknown_attempts for part in answer):
        return False
    later = Message.objects.filter(conversation=turn.conversation_id, pk__gt=answer[0].pk)
    return later.exclude(turn=turn).filter(state__in=LEFT).exists()


def _policy(turn: Turn) -> turns.Policy:
    organization, contact = turn.organization, turn.conversation.contact
    channel = contact.channel
    declines = None
    if not organization.is_active:
        declines = turns.Reason.ORGANIZATION_RETIRED
    elif channel.status == Channel.Status.RETIRED:
        declines = turns.Reason.CHANNEL_RETIRED
    elif contact.is_blocked:
        declines = turns.Reason.CONTACT_BLOCKED
    return turns.Policy(
        burst_window=timedelta(seconds=organization.burst_window_seconds),
        handover_after=timedelta(seconds=organization.handover_after_seconds),
        has_holding_line=bool(organization.holding_line),
        late_after=timedelta(minutes=organization.late_after_minutes),
        late=turns.Late(organization.late_policy),
        explains_files=organization.media_policy == MediaPolicy.EXPLAIN,
        sends_again=organization.unknown_delivery == UnknownDelivery.SEND_AGAIN,
        declines=declines,
        cannot_send=channel.status == Channel.Status.PAUSED and not channel.is_held,
        is_held=channel.is_held,
        resumed_at=channel.resumed_at,
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
