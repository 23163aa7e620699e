"""Conversations of a channel whose bot wrote drafts, and answers contacts now.

Whom no member took up the bot answers from their next message on. A draft that waits from before goes on
waiting for staff, and its contact with it: the bot would not answer what was written then.
"""

from console.channels.models import Channel
from console.conversations.models import Conversation, Message, Turn
from hub_lambdas.turns.reasons import Reason


def is_the_bots(conversation: Conversation) -> bool:
    """Whether staff have a conversation for nothing but drafts, sent or waiting, and the bot answers there
    now. The channel comes with the conversation's contact."""
    is_unclaimed = conversation.owner == Conversation.Owner.STAFF and conversation.assignee_id is None
    if not is_unclaimed or conversation.contact.channel.bot != Channel.Bot.ANSWERS:
        return False
    handed_over = conversation.turns.filter(state=Turn.State.HANDED_OVER).order_by("-pk")
    reasons = handed_over.values_list("reason", flat=True)
    if conversation.waiting_since is None:
        return reasons.first() == Reason.DRAFTED and not _is_taken_up_elsewhere(conversation)
    waiting = reasons.filter(last_message_at__gte=conversation.waiting_since)
    return set(waiting) == {Reason.DRAFTED}


def _is_taken_up_elsewhere(conversation: Conversation) -> bool:
    """Whether what staff wrote last they wrote in the platform's own inbox, and not as a draft."""
    newest = conversation.messages.filter(purpose=Message.Purpose.STAFF).order_by("-pk").first()
    return newest is not None and newest.author_id is None
