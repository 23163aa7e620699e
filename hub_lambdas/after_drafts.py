"""Conversations of a channel whose bot wrote drafts, and answers contacts now.

Whom no member took up the bot answers from their next message on. A draft that waits from before goes on
waiting for staff, and its contact with it: the bot would not answer what was written then. So does the
contact whose draft was sent and did not arrive.
"""

from datetime import datetime

from console.channels.models import Channel
from console.conversations.models import Conversation, Message
from hub_lambdas import waits
from hub_lambdas.turns.reasons import Reason


def is_the_bots(conversation: Conversation) -> bool:
    """Whether staff have a conversation for nothing but drafts, sent or waiting, and the bot answers there
    now. The channel comes with the conversation's contact."""
    is_unclaimed = conversation.owner == Conversation.Owner.STAFF and conversation.assignee_id is None
    if not is_unclaimed or conversation.contact.channel.bot != Channel.Bot.ANSWERS:
        return False
    taken = list(waits.of(conversation).values_list("reason", "settled_at"))
    if {reason for reason, _ in taken} != {Reason.DRAFTED}:
        return False
    return not _is_taken_up_elsewhere(conversation, max(at for _, at in taken if at))


def _is_taken_up_elsewhere(conversation: Conversation, since: datetime) -> bool:
    """Whether what staff wrote last they wrote in the platform's own inbox, and not as a draft."""
    written = conversation.messages.filter(purpose=Message.Purpose.STAFF, stored_at__gte=since)
    newest = written.order_by("-pk").first()
    return newest is not None and newest.author_id is None
