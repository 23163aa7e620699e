"""Outbound messages that no handler could send: what becomes of them, and how a replay takes that back.

Whatever kept the handlers from it may be over soon, so the sweep puts them on the queue again for a time. An
answer is not among them: its turn is handed over, and it never leaves.
"""

import json
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from console.conversations.models import Message
from hub_lambdas import actions, sending, staff
from hub_lambdas.sentences import stored

TRIED_FOR = timedelta(hours=1)
"""How long the sweep goes on with a message that has become a dead letter, since its channel was repaired."""
GIVEN_UP = stored("The hub failed to send it each time: it is among the dead letters.")


def give_up(body: str) -> None:
    """Let the message of a dead letter, if it has been tried for long, count as failed, which staff see, and
    its contact wait for staff where it was from them or told of them. What has left, or may have, is left
    alone. Call it in a transaction."""
    message = _find(body, Message.State.PENDING)
    if message is None or timezone.now() < _tried_since(message) + TRIED_FOR:
        return
    is_reply = message.purpose == Message.Purpose.STAFF
    if not is_reply and sending.is_overtaken(message):
        message.state = Message.State.CANCELLED
    else:
        message.state, message.error = Message.State.FAILED, GIVEN_UP
    message.save(update_fields=["state", "error"])
    is_for_staff = is_reply or message.purpose == Message.Purpose.FALLBACK
    if message.state == Message.State.FAILED and is_for_staff:
        actions.await_staff(message.conversation, message.stored_at)


def _tried_since(message: Message) -> datetime:
    resumed_at = message.channel.resumed_at
    return max(message.stored_at, resumed_at) if resumed_at else message.stored_at


def revive(body: str) -> None:
    """Let the message of a dead letter be sent after all, if it was given up. Call it in a transaction."""
    message = _find(body, Message.State.FAILED)
    if message is None or message.error != GIVEN_UP:
        return
    message.state, message.error = Message.State.PENDING, ""
    message.save(update_fields=["state", "error"])
    is_reply = message.purpose == Message.Purpose.STAFF
    if is_reply and message.conversation.waiting_since == message.stored_at:
        staff.note_answer(message.conversation_id, Q(pk__gt=message.pk))


def _find(body: str, state: Message.State) -> Message | None:
    """The message that a body names, if it is in this state, with its conversation locked."""
    try:
        named = int(json.loads(body)["message"])
    except (ValueError, TypeError, KeyError):
        return None
    unsent = Message.objects.filter(
        pk=named, direction=Message.Direction.OUT, state=state, conversation__contact__erased_at=None
    ).exclude(purpose=Message.Purpose.ANSWER)
    conversation_id = unsent.values_list("conversation_id", flat=True).first()
    if conversation_id is None:
        return None
    conversation = actions.lock_conversation(conversation_id)
    message = unsent.first()
    if message is not None:
        message.conversation = conversation
    return message
