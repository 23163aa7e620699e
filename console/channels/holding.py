"""What waits while a channel is broken."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Min

from console.channels.models import Channel
from console.conversations.models import Message, Turn


@dataclass(frozen=True)
class Held:
    """What waits for the repair of a channel. `since`: when the platform first refused to send, where that is
    known. `messages` are those that belong to none of the `turns`, like what staff wrote."""

    since: datetime | None
    turns: int
    messages: int


def held(channel: Channel) -> Held | None:
    """What waits for the repair of `channel`; None for one that the hub has not paused."""
    if not channel.is_held:
        return None
    turns = Turn.objects.filter(conversation__contact__channel=channel, state__in=Turn.UNSETTLED)
    messages = Message.objects.filter(
        channel=channel, direction=Message.Direction.OUT, state=Message.State.PENDING
    )
    return Held(_broken_since(channel), turns.count(), messages.exclude(turn__in=turns).count())


def _broken_since(channel: Channel) -> datetime | None:
    """A refused message keeps the platform's reason, which is the channel's too."""
    refused = Message.objects.filter(
        channel=channel, direction=Message.Direction.OUT, error=channel.status_reason
    )
    if channel.resumed_at:
        refused = refused.filter(sending_at__gt=channel.resumed_at)
    first: datetime | None = refused.aggregate(first=Min("sending_at"))["first"]
    return first or channel.alerted_at
