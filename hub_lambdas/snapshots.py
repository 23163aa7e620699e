"""From ledger rows to the snapshot that `decide` looks at."""

import uuid
from datetime import datetime, timedelta

from console.channels.models import Channel
from console.conversations.models import Message, Turn
from hub_lambdas import turns


def snapshot(turn: Turn) -> turns.Turn:
    """Everything known of `turn`. Take it under the conversation's lock: what it says must not change
    meanwhile."""
    messages = list(turn.messages.order_by("id"))
    return turns.Turn(
        state=turns.State(turn.state),
        owner=turns.Owner(turn.conversation.owner),
        policy=_policy(turn),
        messages=[
            turns.Written(message.pk, message.kind, message.text, _received_at(message), message.edited_at)
            for message in messages
            if message.direction == Message.Direction.IN
        ],
        requests=[
            turns.Asked(
                id=request.id,
                last_message_id=request.last_message_id,
                state=turns.RequestState(request.state),
                asked_at=request.asked_at,
                text=request.text,
                error_code=request.error_code,
            )
            for request in turn.requests.order_by("asked_at")
        ],
        parts=[
            turns.Part(message.pk, _request_of(message), turns.SendState(message.state))
            for message in messages
            if message.purpose == Message.Purpose.ANSWER and message.state != Message.State.CANCELLED
        ],
        is_sealed=turn.sealed_at is not None,
    )


def _policy(turn: Turn) -> turns.Policy:
    organization = turn.organization
    declines = None
    if not organization.is_active:
        declines = turns.Reason.ORGANIZATION_RETIRED
    elif turn.conversation.contact.channel.status == Channel.Status.RETIRED:
        declines = turns.Reason.CHANNEL_RETIRED
    return turns.Policy(
        burst_window=timedelta(seconds=organization.burst_window_seconds),
        handover_after=timedelta(seconds=organization.handover_after_seconds),
        declines=declines,
        cannot_send=turn.conversation.contact.channel.status == Channel.Status.PAUSED,
    )


def _received_at(message: Message) -> datetime:
    assert message.received_at is not None, "inbound messages carry the time of their webhook"
    return message.received_at


def _request_of(part: Message) -> uuid.UUID:
    assert part.request_id is not None, "parts of an answer carry their request"
    return part.request_id
