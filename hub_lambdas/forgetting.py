"""Takes what somebody took back out of dead letters too, which keep what was on the queues."""

import json
import uuid
from dataclasses import replace
from datetime import datetime

from django.db.models import Q

from console.conversations.models import DeadLetter, Message, PlatformEvent
from hub_lambdas import inbox, queues
from hub_lambdas.channels.base import Echo, Inbound, InboundEdit, InboundMessage

_UNREADABLE = (ArithmeticError, LookupError, RecursionError, TypeError, ValueError)


def unsend_id(message_platform_id: str) -> str:
    """Under which the ledger knows that a message was taken back, whether it was here before or not."""
    return f"unsend:{message_platform_id}"[:200]


def forget_letters(channel_id: uuid.UUID, message_platform_id: str) -> None:
    """Empty the dead letters that hold a message which was taken back, or an edit of it. Replayed,
    they are what the message is now: one that was taken back."""
    named = Q(body__contains=_as_written(message_platform_id))
    of_channel = Q(body__contains=_as_written(str(channel_id)))
    for letter in DeadLetter.objects.filter(named, of_channel, queue=queues.INBOUND).select_for_update():
        found = _decoded(letter)
        if found and found[0] == channel_id and _message_in(found[2]) == message_platform_id:
            _empty(letter, *found)


def forget_late(letter: DeadLetter) -> None:
    """The same for a dead letter that came after its message was taken back."""
    found = _decoded(letter) if letter.queue == queues.INBOUND else None
    id_ = _message_in(found[2]) if found else ""
    if found and id_:
        taken_back = PlatformEvent.objects.filter(channel_id=found[0], platform_id=unsend_id(id_))
        if taken_back.exists():
            _empty(letter, *found)


def forget_requests(message: Message) -> None:
    """Cut the text of a message that its contact took back out of dead questions to the LLM: of its turn, and
    of later ones, whose history it was part of."""
    written = message.text.strip()
    dead = DeadLetter.objects.filter(
        queue=queues.LLM_REQUESTS, turn__conversation=message.conversation_id, turn__gte=message.turn_id or 0
    )
    for letter in dead.select_for_update(of=("self",)) if written else ():
        body = json.loads(letter.body)
        for said in body.get("messages", []):
            said["content"] = said["content"].replace(written, "")
        letter.body = queues.encode(body)
        letter.save(update_fields=["body"])


def _decoded(letter: DeadLetter) -> tuple[uuid.UUID, datetime, Inbound] | None:
    try:
        return inbox.decode(json.loads(letter.body))
    except _UNREADABLE:
        return None  # nothing that the hub wrote


def _message_in(inbound: Inbound) -> str:
    """The id of the message whose text stands in `inbound`."""
    match inbound:
        case InboundMessage() | Echo():
            return inbound.platform_id
        case InboundEdit():
            return inbound.message_platform_id
    return ""


def _empty(letter: DeadLetter, channel_id: uuid.UUID, received_at: datetime, inbound: Inbound) -> None:
    match inbound:
        case InboundMessage():
            inbound = replace(inbound, kind="unsent", text="", payload="", media=())
        case InboundEdit() | Echo():
            inbound = replace(inbound, text="", payload="")
    letter.body = queues.encode(inbox.encode(channel_id, received_at, inbound))
    letter.save(update_fields=["body"])


def _as_written(value: str) -> str:
    """How a value stands in a body."""
    return json.dumps(value)
