"""What a contact of the web chat may read of their own conversation."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from console.channels.models import Channel
from console.conversations.models import Message, Turn
from hub_lambdas.channels.base import ShownMessage

MAX_MESSAGES = 200
LATE_SECONDS = 15
"""A message becomes visible when it is sent, maybe after one with a higher id: those just sent are always
shown."""


class LedgerView:
    """A `ContactView` of one channel, read from the ledger."""

    def __init__(self, channel_id: uuid.UUID) -> None:
        self._channel_id = channel_id

    def messages(self, contact: str, after: int) -> Sequence[ShownMessage]:
        just_sent = Q(sent_at__gt=timezone.now() - timedelta(seconds=LATE_SECONDS))
        newest = (
            Message.objects.filter(
                Q(pk__gt=after) | just_sent,
                channel_id=self._channel_id,
                conversation__contact__platform_id=contact,
                state__in=[Message.State.RECEIVED, Message.State.SENT],
            )
            .order_by("-id")
            .only("id", "direction", "text", "choices", "received_at", "sent_at", "platform_id")[
                :MAX_MESSAGES
            ]
        )
        return [_shown(message) for message in reversed(newest)]

    def is_answer_due(self, contact: str) -> bool:
        return Turn.objects.filter(
            state__in=Turn.UNSETTLED,
            conversation__assignee=None,  # else a member answers
            conversation__contact__channel_id=self._channel_id,
            conversation__contact__channel__bot=Channel.Bot.ANSWERS,
            conversation__contact__platform_id=contact,
        ).exists()


def _shown(message: Message) -> ShownMessage:
    at: datetime | None = message.received_at or message.sent_at
    assert at is not None, "a visible message was received or sent"
    return ShownMessage(
        id=message.pk,
        mine=message.direction == Message.Direction.IN,
        text=message.text,
        at=at,
        client_id=(message.platform_id or "").rpartition(":")[2],
        choices=message.choices,
    )
