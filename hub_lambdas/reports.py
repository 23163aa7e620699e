"""What a platform reports of messages to a contact: its word settles an attempt that it did not answer.

A report may come before the call that sent the message has returned, when nobody knows yet whose it is. The
event that was stored of it says enough to find it then (`catch_up`). Both sides hold the conversation's lock,
so one of them always sees what the other wrote.
"""

from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from console.channels.models import Channel
from console.conversations.models import Contact, Conversation, Message, PlatformEvent
from console.exact_text import printable
from hub_lambdas import actions, staff
from hub_lambdas.channels.base import Echo, Reached, Receipt, Sender

AWAITED = Q(state__in=[Message.State.SENDING, Message.State.UNKNOWN]) | Q(
    state=Message.State.PENDING, unknown_attempts__gt=0
)
"""Messages that a platform's report settles: also one that is on its way once more."""


def note_echo(conversation: Conversation, received_at: datetime, echo: Echo) -> None:
    """Our own message has arrived, or a person has answered in the platform's inbox and thereby taken the
    conversation over. The caller holds the conversation's lock."""
    if echo.is_ours is not False:
        message = _awaited(conversation, echo.reference, echo.text)
        if message is not None:
            _settle(message, received_at, echo.platform_id, "")
        if message is not None or echo.is_ours:
            return
    if Message.objects.filter(channel=conversation.contact.channel, platform_id=echo.platform_id).exists():
        return
    by_hand = Message.objects.create(
        conversation=conversation,
        channel=conversation.contact.channel,
        direction=Message.Direction.OUT,
        purpose=Message.Purpose.STAFF,
        text=echo.text,
        platform_id=echo.platform_id,
        state=Message.State.SENT,
        sent_at=received_at,
    )
    catch_up(by_hand)
    staff.take_over(conversation.pk, None)
    staff.note_answer(conversation.pk, Q(received_at__gt=received_at))


def said(receipt: Receipt) -> dict[str, Any]:
    """What the stored event of a receipt says of which message."""
    is_named = bool(receipt.message_platform_id)
    return {
        "message_platform_id": receipt.message_platform_id[:200],
        "until": None if is_named else receipt.until,
        "reached": "" if receipt.failure else receipt.reached.value,
        "failure": printable(receipt.failure)[:300],
    }


def note_receipt(channel: Channel, received_at: datetime, receipt: Receipt) -> None:
    """A message of ours has arrived, or never will; with `until`, all up to then have arrived."""
    locked = _lock_conversation_with(channel, receipt.sender) if receipt.sender else None
    sent = Message.objects.filter(channel=channel, direction=Message.Direction.OUT)
    if receipt.until and receipt.sender:
        # By when the attempt began: the platform dates a message before its answer has come back to us.
        to_contact = sent.filter(conversation__contact__platform_id=receipt.sender.platform_id)
        _advance(to_contact.filter(state=Message.State.SENT, sending_at__lte=receipt.until), receipt.reached)
        return
    found = sent.filter(pk=receipt.reference) if receipt.reference.isdecimal() else sent.none()
    message = found.first() or sent.filter(platform_id=receipt.message_platform_id).first()
    if message is None:
        return
    if message.conversation_id != locked:
        actions.lock_conversation(message.conversation_id)
        message.refresh_from_db()
    if receipt.contact_gone:
        _note_gone(message)
    receipted = receipt.message_platform_id
    if Message.objects.filter(AWAITED, pk=message.pk).exists():
        _settle(message, received_at, receipted, receipt.failure)
    elif receipt.failure and message.state == Message.State.SENT and message.platform_id == receipted:
        _undo(message, received_at, receipt.failure)  # and not an attempt before the one that arrived
    if not receipt.failure:
        _advance(sent.filter(pk=message.pk, state=Message.State.SENT), receipt.reached)


def catch_up(message: Message) -> None:
    """Apply what the platform reported of a message before anybody knew that it is the one that was just
    sent. The caller holds the conversation's lock, and looks at the turn afterwards."""
    about = Q(message_platform_id=message.platform_id)
    if message.sending_at:
        contact = message.conversation.contact.platform_id
        about |= Q(contact_platform_id=contact, until__gte=message.sending_at)
    early = PlatformEvent.objects.filter(about, channel=message.channel_id, kind="receipt")
    for reached, failure in early.values_list("reached", "failure"):
        if failure:
            message.state, message.error = Message.State.FAILED, failure
            message.save(update_fields=["state", "error"])
        else:
            _advance(Message.objects.filter(pk=message.pk), Reached(reached))


def _lock_conversation_with(channel: Channel, contact: Sender) -> int | None:
    """The id of a contact's conversation, which is locked from here on; None where there is none."""
    either = Q(contact__platform_id=contact.platform_id) | Q(contact__alias=contact.platform_id)
    theirs = Conversation.objects.filter(either, contact__channel=channel).order_by("-pk")
    found = theirs.select_for_update(of=("self",)).first()
    return found.pk if found else None


def _advance(messages: QuerySet[Message], reached: Reached) -> None:
    """Receipts come in any order: none takes back what a later one said."""
    order = [*Reached]
    before = ["", *(each.value for each in order[: order.index(reached)])]
    messages.filter(reached__in=before).update(reached=reached.value)


def _undo(message: Message, at: datetime, failure: str) -> None:
    """The platform took a message and could not deliver it after all."""
    message.state, message.error = Message.State.FAILED, failure[:300]
    message.save(update_fields=["state", "error"])
    if message.purpose == Message.Purpose.STAFF:
        actions.await_staff(actions.lock_conversation(message.conversation_id), at)
    if message.purpose == Message.Purpose.ANSWER:
        _reconsider(message)


def _reconsider(answer: Message) -> None:
    if answer.turn_id is not None:
        actions.decide_anew(actions.load_turn(answer.turn_id), timezone.now())


def _note_gone(message: Message) -> None:
    """Nothing reaches its contact any more, unless they have written since."""
    conversation = message.conversation
    since = conversation.messages.filter(direction=Message.Direction.IN, pk__gt=message.pk)
    if not since.exists():
        Contact.objects.filter(pk=conversation.contact_id).update(is_unreachable=True)


def _awaited(conversation: Conversation, reference: str, text: str) -> Message | None:
    """The attempt that an echo confirms: by its reference, else the oldest of the same text, whatever the
    space around it, which platforms trim."""
    awaited = conversation.messages.filter(AWAITED, direction=Message.Direction.OUT)
    if reference:
        return awaited.filter(pk=reference).first() if reference.isdecimal() else None
    same = (message for message in awaited.order_by("id") if message.text.strip() == text.strip())
    return next(same, None)


def _settle(message: Message, at: datetime, platform_id: str, failure: str) -> None:
    if failure and message.state != Message.State.SENDING:
        message.unknown_attempts -= 1  # else the report may be of an attempt before this one
    message.state = Message.State.FAILED if failure else Message.State.SENT
    message.platform_id, message.error = platform_id, failure[:300]
    message.sent_at = None if failure else at
    message.save(update_fields=["state", "platform_id", "error", "sent_at", "unknown_attempts"])
    if not failure:
        catch_up(message)
    if message.purpose == Message.Purpose.STAFF:
        _settle_reply(message)
    elif message.purpose == Message.Purpose.ANSWER:
        _reconsider(message)


def _settle_reply(message: Message) -> None:
    """While nobody knew whether a reply arrived, its contact waited since it was written; where they have
    waited longer, it was no answer to that."""
    conversation = actions.lock_conversation(message.conversation_id)
    if message.state == Message.State.FAILED:
        actions.await_staff(conversation, message.stored_at)
    elif conversation.waiting_since == message.stored_at:
        staff.note_answer(conversation.pk, Q(pk__gt=message.pk))
