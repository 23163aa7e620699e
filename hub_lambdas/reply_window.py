"""Until when a platform takes what is written to a contact."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max, OuterRef, Subquery
from django.db.models.functions import Least

from console.conversations.models import Conversation, Message
from hub_lambdas.accounts import account
from hub_lambdas.channels import KINDS
from hub_lambdas.channels.base import ReplyWindow


@dataclass(frozen=True)
class Window:
    """The window of a conversation. `written_at`: when the contact wrote last; before they have written at
    all, the platform takes nothing."""

    lengths: ReplyWindow
    written_at: datetime | None

    def ends_at(self, is_by_staff: bool) -> datetime | None:
        return self.written_at and self.written_at + (self.lengths.staff if is_by_staff else self.lengths.bot)

    def is_open(self, now: datetime, is_by_staff: bool) -> bool:
        ends_at = self.ends_at(is_by_staff)
        return ends_at is not None and now < ends_at

    def is_late(self, now: datetime) -> bool:
        """Whether the platform takes only what people write."""
        return self.is_open(now, is_by_staff=True) and not self.is_open(now, is_by_staff=False)


_WRITTEN = Message.objects.filter(direction=Message.Direction.IN)
_AT = Max(Least("platform_at", "received_at"))
WRITTEN_AT = Subquery(
    _WRITTEN.filter(conversation=OuterRef("pk"))
    .order_by()
    .values("conversation")
    .annotate(at=_AT)
    .values("at")
)
"""Of a conversation: when its contact wrote last, by the platform's clock where that tells the time. One
that was delivered late left less of the window."""


def of(conversation: Conversation) -> Window | None:
    """The window of a conversation; None where the platform has none."""
    lengths = lengths_of(conversation)
    if lengths is None:
        return None
    return Window(lengths, _WRITTEN.filter(conversation=conversation).aggregate(at=_AT)["at"])


def lengths_of(conversation: Conversation) -> ReplyWindow | None:
    """How long the platform takes what is written to the contact; None where that never ends."""
    contact = conversation.contact
    kind = KINDS.get(contact.channel.kind)
    return kind.reply_window(account(contact.channel), contact.platform_id) if kind else None
