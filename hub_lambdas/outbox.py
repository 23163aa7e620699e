"""What goes out to contacts: recorded as messages first, and queued once the rows are there to be read."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from botocore.exceptions import BotoCoreError, ClientError
from django.db import transaction

from console.conversations.models import Contact, Conversation, Message, Turn
from console.organizations.models import Translation
from console.prompts import variables
from hub_lambdas import moments, queues, record
from hub_lambdas.channels import KINDS
from hub_lambdas.turns.reasons import LIMITS_OF_ALL

log = logging.getLogger(__name__)

LIMIT_TOLD_EVERY = timedelta(days=1)


def after_commit(send: Callable[[], None]) -> None:
    """Queue something once the rows that it speaks of are there to be read. When the queue does not take it,
    the record that is being handled comes again; where there is none (somebody pressed a button), the sweep
    sends it."""
    transaction.on_commit(partial(_send, send))


def _send(send: Callable[[], None]) -> None:
    try:
        send()
    except (BotoCoreError, ClientError):
        log.exception("a queue did not take a message")
        record.fail()


def queue_delivery(message: Message, occasion: str = "") -> None:
    """Put an outbound message on its way. The queue drops what it was given before: name an `occasion` to
    send one again that may have been taken off the queue in vain."""
    key = f"message-{message.pk}-{message.attempts}{occasion and '-'}{occasion}"
    after_commit(partial(queues.deliver, message.conversation_id, message.pk, key))


def send(
    conversation: Conversation,
    purpose: Message.Purpose,
    text: str,
    offered: Sequence[str] = (),
    **fields: object,
) -> list[Message]:
    """Record a text as outbound messages, one per piece that the platform takes, and put the first on its
    way. `offered`: the choices that go with the last of them."""
    channel = conversation.contact.channel
    pieces = KINDS[channel.kind].split(text, offered)
    outbound = [
        Message(
            conversation=conversation,
            channel=channel,
            direction=Message.Direction.OUT,
            purpose=purpose,
            part=number,
            text=piece,
            choices=list(offered) if number == len(pieces) - 1 else [],
            state=Message.State.PENDING,
            **fields,
        )
        for number, piece in enumerate(pieces)
    ]
    for part in Message.objects.bulk_create(outbound):
        queue_delivery(part)
    return outbound


def tell(turn: Turn, purpose: Message.Purpose, text: Translation.Purpose) -> None:
    """Send the contact one of the organization's own texts, in their language, unless it is switched off."""
    said = turn.organization.text(text, turn.conversation.contact.language)
    if said:
        turn.message_rows += send(turn.conversation, purpose, said, turn=turn)


def tell_of_staff(turn: Turn, back_at: datetime | None, now: datetime) -> None:
    """Say that staff have the turn, and when they are `back_at`, where they are away."""
    if back_at is None:
        tell(turn, Message.Purpose.FALLBACK, Translation.Purpose.FALLBACK)
    else:
        _tell_when_back(turn, back_at, now)


def _tell_when_back(turn: Turn, back_at: datetime, now: datetime) -> None:
    """The away text takes the fallback's place."""
    organization, hours = turn.organization, turn.organization.hours
    language, text = organization.said(Translation.Purpose.AWAY_TEXT, turn.conversation.contact.language)
    back = moments.say(back_at.astimezone(hours.zone) if hours else back_at, now, language)
    said = variables.fill(text, {"back": back})
    turn.message_rows += send(turn.conversation, Message.Purpose.FALLBACK, said, turn=turn)


def tell_of_limit(turn: Turn, now: datetime) -> None:
    """Once a day: a line for each message over a limit would be the flood's echo."""
    contact = turn.conversation.contact
    if contact.limit_told_at is None or contact.limit_told_at < now - LIMIT_TOLD_EVERY:
        Contact.objects.filter(pk=contact.pk).update(limit_told_at=now)
        is_theirs = turn.reason not in LIMITS_OF_ALL
        text = Translation.Purpose.LIMIT_LINE if is_theirs else Translation.Purpose.BUSY_LINE
        tell(turn, Message.Purpose.LIMIT, text)
