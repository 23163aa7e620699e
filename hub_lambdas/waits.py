"""Which hand-overs a contact waits for: those of what they wrote since `Conversation.waiting_since`; and the
newest, for where a reply has failed they wait since that for what they wrote before."""

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from console.conversations.models import Conversation, Turn


def handed_over() -> QuerySet[Turn]:
    """All that staff have, or had."""
    return Turn.objects.filter(state=Turn.State.HANDED_OVER)


def is_newest_or_since() -> Q:
    """Of a hand-over: whether it belongs to its conversation's wait, where there is one. Where nobody waits
    it is the newest alone."""
    later = handed_over().filter(conversation=OuterRef("conversation"), pk__gt=OuterRef("pk"))
    return Q(last_message_at__gte=F("conversation__waiting_since")) | Q(~Exists(later))


def of(conversation: Conversation) -> QuerySet[Turn]:
    """The hand-overs that the contact waits for; where they wait for none, the newest there was."""
    return handed_over().filter(is_newest_or_since(), conversation=conversation).order_by("pk")
