"""Blocking a contact, under the same lock and by the same rules as the handlers."""

from django.db import transaction

from console.conversations.models import Contact, Turn
from hub_lambdas import actions


@transaction.atomic
def block(conversation_id: int) -> None:
    """Have the contact's turns declined: those that are open, and those to come."""
    conversation = actions.lock_conversation(conversation_id)
    Contact.objects.filter(pk=conversation.contact_id).update(is_blocked=True)
    for turn_id in conversation.turns.filter(state__in=Turn.UNSETTLED).values_list("pk", flat=True):
        actions.advance(turn_id)


@transaction.atomic
def unblock(conversation_id: int) -> None:
    """Have what the contact writes from now on answered again."""
    conversation = actions.lock_conversation(conversation_id)
    Contact.objects.filter(pk=conversation.contact_id).update(is_blocked=False)
