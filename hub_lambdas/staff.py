"""What staff do to a conversation, under the same lock and by the same rules as the handlers."""

from django.db import transaction

from console.conversations.models import Conversation, Message, Turn
from console.organizations.models import User
from hub_lambdas import actions


@transaction.atomic
def take_over(conversation_id: int, user: User) -> None:
    """Make `user` the one who answers. An answer that has not left yet never will."""
    conversation = actions.lock_conversation(conversation_id)
    conversation.owner, conversation.assignee = Conversation.Owner.STAFF, user
    conversation.save(update_fields=["owner", "assignee"])
    for turn_id in conversation.turns.filter(state__in=Turn.UNSETTLED).values_list("pk", flat=True):
        actions.advance(turn_id)


@transaction.atomic
def return_to_bot(conversation_id: int) -> None:
    """Let the bot answer what comes next."""
    conversation = actions.lock_conversation(conversation_id)
    conversation.owner, conversation.assignee = Conversation.Owner.BOT, None
    conversation.save(update_fields=["owner", "assignee"])


@transaction.atomic
def reply(conversation_id: int, user: User, text: str) -> list[Message]:
    """Send `text` to the contact in the name of `user`, who takes the conversation over with it."""
    take_over(conversation_id, user)
    conversation = Conversation.objects.select_related("contact__channel").get(pk=conversation_id)
    return actions.send(conversation, Message.Purpose.STAFF, text, author=user)
