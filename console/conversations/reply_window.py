"""Until when the platform takes what staff write, in a sentence for them."""

from dataclasses import dataclass

from django.utils import timezone
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from console.conversations.models import Conversation
from console.template_filters import length, moment
from hub_lambdas import reply_window as rule
from hub_lambdas.channels import KINDS


@dataclass(frozen=True)
class ReplyWindow:
    """Whether the platform takes a message of staff now, and what to tell them of it."""

    is_open: bool
    sentence: str


def reply_window(conversation: Conversation) -> ReplyWindow | None:
    """The window of a conversation that has its `written_at`; None where the platform has none."""
    lengths = rule.lengths_of(conversation)
    if lengths is None:
        return None
    window = rule.Window(lengths, conversation.written_at)
    now, label = timezone.now(), KINDS[conversation.contact.channel.kind].label
    ends_at = window.ends_at(is_by_staff=True)
    if ends_at is None:
        never = _("%(platform)s takes no message before the contact has written.")
        return ReplyWindow(False, never % {"platform": label})
    is_today = localtime(ends_at).date() == localtime(now).date()
    facts = {"platform": label, "until": moment(ends_at, "CLOCK" if is_today else "DAY_MOMENT")}
    if not window.is_open(now, is_by_staff=True):
        closed = _("The window closed at %(until)s: %(platform)s takes no message until they write again.")
        return ReplyWindow(False, closed % facts)
    if window.is_late(now):
        answer = _("You can answer until %(until)s (%(left)s left); the bot cannot any more.")
    else:
        answer = _("You can answer until %(until)s (%(left)s left).")
    return ReplyWindow(True, answer % {**facts, "left": length(ends_at - now)})
