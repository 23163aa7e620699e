"""Until when a platform takes what staff write, in a sentence for them."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max
from django.db.models.functions import Least
from django.utils import timezone

from console.conversations.models import Conversation, Message
from console.template_filters import length
from hub_lambdas.channels import KINDS


@dataclass(frozen=True)
class ReplyWindow:
    """Whether the platform takes a message now, and what to tell staff of it."""

    is_open: bool
    sentence: str


def reply_window(conversation: Conversation, now: datetime | None = None) -> ReplyWindow | None:
    """The window of a conversation; None where the platform has none. It runs from the contact's last message
    by the platform's clock, where that tells the time: one that was delivered late left less of it."""
    kind = KINDS.get(conversation.contact.channel.kind)
    if kind is None or kind.reply_window is None:
        return None
    now = now or timezone.now()
    written = Message.objects.filter(conversation=conversation, direction=Message.Direction.IN)
    last_at: datetime | None = written.aggregate(at=Max(Least("platform_at", "received_at")))["at"]
    if last_at is None:
        return ReplyWindow(False, f"{kind.label} takes no message before the contact has written.")
    ends_at = last_at + kind.reply_window
    until = f"{ends_at:%H:%M} UTC" if ends_at.date() == now.date() else f"{ends_at:%-d %B, %H:%M} UTC"
    if now < ends_at:
        return ReplyWindow(True, f"You can answer until {until} ({length(ends_at - now)} left).")
    return ReplyWindow(
        False,
        f"The window closed at {until}: {kind.label} takes no message until they write again.",
    )
