"""Sends one recorded message: the attempt is written down first, then the platform is called, then what it
said.

So whatever dies in between, the ledger knows that an attempt was made, and a message whose fate is unknown
is never sent again blindly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone

from console.channels.models import Channel
from console.conversations.models import Contact, Message, Turn
from console.exact_text import printable
from hub_lambdas import actions, reply_window, reports, turns
from hub_lambdas.accounts import account
from hub_lambdas.channels import KINDS
from hub_lambdas.channels.base import (
    ChannelError,
    ContactMoved,
    CredentialRejected,
    SendRefused,
    SendRejected,
    SendUnknown,
)
from hub_lambdas.reply_window import Window
from hub_lambdas.snapshots import snapshot

UNSENT = (Message.State.PENDING, Message.State.SENDING)
"""What may still have to leave. Whoever makes it of something else puts it on the queue anew."""
MAX_ATTEMPTS = 4
"""One below the queue's maxReceiveCount: the ledger gives up before the queue does."""
SENDER_LIVES_SECONDS = 40
"""Longer than the outbound function may run: an attempt older than this has lost its sender."""


class RetryLater(Exception):
    """The platform certainly did not take the message, and it may later."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"try again in {seconds:g} s")
        self.seconds = seconds


@dataclass(frozen=True)
class Attempt:
    """A recorded attempt that is now to be made. `answered_turn_id`: the turn that it answers, if so.
    `is_late`: only since a person wrote it the platform takes it now."""

    message_id: int
    conversation_id: int
    answered_turn_id: int | None
    channel: Channel
    contact: Contact
    text: str
    choices: Sequence[str]
    is_late: bool


def deliver(message_id: int) -> None:
    """Send a message if it is still due. Called twice, it sends once."""
    attempt = _begin(message_id)
    if attempt is None:
        return
    try:
        platform_id = _send(attempt)
    except ChannelError as error:
        retry_after = _record_failure(attempt, error)
        if retry_after is not None:
            raise RetryLater(retry_after) from error
    else:
        _record(attempt, Message.State.SENT, platform_id=platform_id)


def _send(attempt: Attempt) -> str:
    """Call the platform, but not for a test contact, whom it does not know. Raises ChannelError."""
    if attempt.contact.is_test:
        return f"test:{attempt.message_id}"
    return KINDS[attempt.channel.kind].send(
        account(attempt.channel),
        attempt.contact.platform_id,
        attempt.text,
        str(attempt.message_id),
        attempt.choices,
        is_late=attempt.is_late,
    )


@transaction.atomic
def _begin(message_id: int) -> Attempt | None:
    """Record the attempt, unless there is none to make."""
    peek = Message.objects.values_list("conversation_id", "turn_id")
    found = peek.filter(pk=message_id, state__in=UNSENT).first()
    if found is None:  # it has left, or was erased
        return None
    conversation_id, turn_id = found
    actions.lock_conversation(conversation_id)
    message = _load(message_id, turn_id)
    if message.state == Message.State.SENDING:
        _note_lost_sender(message)
        return None
    if not _is_due(message):
        return None
    channel = message.conversation.contact.channel
    if channel.is_held:
        return None  # it waits for the repair, which puts it on its way again
    window, now = reply_window.of(message.conversation), timezone.now()
    if obstacle := _obstacle(message, channel, window, now):
        message.state, message.error = Message.State.FAILED, obstacle
        message.save(update_fields=["state", "error"])
        _seal(message, now)
        _advance(message)
        return None
    message.state, message.sending_at = Message.State.SENDING, now
    message.attempts += 1
    message.save(update_fields=["state", "sending_at", "attempts"])
    _seal(message, now)
    answered_turn_id = turn_id if message.purpose == Message.Purpose.ANSWER else None
    return Attempt(
        message.pk,
        conversation_id,
        answered_turn_id,
        channel,
        message.conversation.contact,
        message.text,
        message.choices,
        is_late=window is not None and window.is_late(now),
    )


def _load(message_id: int, turn_id: int | None) -> Message:
    """The message as it is now, with its turn where one is named, and with its channel; whoever asks holds
    the conversation's lock."""
    if turn_id is None:
        return Message.objects.select_related("conversation__contact__channel").get(pk=message_id)
    turn = actions.load_turn(turn_id)
    message = next(message for message in turn.message_rows if message.pk == message_id)
    message.conversation = turn.conversation
    return message


def _seal(message: Message, at: datetime) -> None:
    """From its first attempt on an answer is what it is: what the contact writes then is another turn."""
    turn = message.turn if message.purpose == Message.Purpose.ANSWER else None
    if turn is not None and turn.sealed_at is None:
        turn.sealed_at = at
        turn.save(update_fields=["sealed_at"])


def _obstacle(message: Message, channel: Channel, window: Window | None, now: datetime) -> str:
    """Why it is no use to call the platform, if so."""
    if channel.status != Channel.Status.ACTIVE:
        return f"The channel is {channel.status}."
    is_by_staff = message.purpose == Message.Purpose.STAFF
    if window and not window.is_open(now, is_by_staff):
        ends_at = window.ends_at(is_by_staff)
        until = f"until {ends_at:%-d %B, %H:%M} UTC" if ends_at else "after the contact has written"
        return f"The platform takes this only {until}: the contact has to write again."
    return ""


def _note_lost_sender(message: Message) -> None:
    """Whoever recorded this attempt is still at it, or died before it could write down what the platform
    said."""
    assert message.sending_at is not None, "an attempt has its time"
    age_seconds = (timezone.now() - message.sending_at).total_seconds()
    if age_seconds < SENDER_LIVES_SECONDS:
        raise RetryLater(SENDER_LIVES_SECONDS - age_seconds)
    message.state, message.error = Message.State.UNKNOWN, "The sender stopped before the platform answered."
    message.unknown_attempts += 1
    message.save(update_fields=["state", "error", "unknown_attempts"])
    _advance(message)


def _is_due(message: Message) -> bool:
    """Whether to call the platform now. For an answer, `decide` has the last word, right before it leaves;
    what has become pointless on its way is cancelled."""
    if message.state != Message.State.PENDING:
        return False
    if message.turn is None:
        return True
    turn, now = message.turn, timezone.now()
    if message.purpose == Message.Purpose.ANSWER:
        if turn.state in Turn.UNSETTLED:
            return _is_answer_due(turn, message, now)
        is_due = False  # the turn has another outcome
    elif message.purpose == Message.Purpose.HOLDING:
        is_due = turns.is_holding_line_due(snapshot(turn, now))
    else:
        is_due = not is_overtaken(message)
    if not is_due:
        message.state = Message.State.CANCELLED
        message.save(update_fields=["state"])
    return is_due


def is_overtaken(message: Message) -> bool:
    """Whether the contact has heard more since: that somebody will answer is no news then."""
    later = Message.objects.filter(conversation=message.conversation_id, pk__gt=message.pk)
    return later.filter(direction=Message.Direction.OUT, state=Message.State.SENT).exists()


def _is_answer_due(turn: Turn, message: Message, now: datetime) -> bool:
    due = turns.decide(snapshot(turn, now), now)
    others = [
        action for action in due if not (isinstance(action, turns.Deliver) and action.part_id == message.pk)
    ]
    actions.carry_out(turn, others, now)
    return len(others) < len(due)


def _advance(message: Message) -> None:
    if message.purpose == Message.Purpose.ANSWER and message.turn is not None:
        actions.do_what_is_due(message.turn)
    elif message.purpose == Message.Purpose.STAFF and message.state != Message.State.SENT:
        actions.await_staff(message.conversation, message.stored_at)


def _record_failure(attempt: Attempt, error: ChannelError) -> float | None:
    """Write down what went wrong; seconds until another attempt, where one is due."""
    match error:
        case SendRefused():
            return _retry(attempt, error, error.retry_after_seconds, error.growth)
        case ContactMoved():
            return _follow(attempt, error)
        case SendUnknown():
            _record(attempt, Message.State.UNKNOWN, error=error)
        case CredentialRejected():
            return _hold(attempt, error)
        case SendRejected():
            if error.contact_gone:
                Contact.objects.filter(pk=attempt.contact.pk).update(is_unreachable=True)
            _record(attempt, Message.State.FAILED, error=error)
        case _:
            _record(attempt, Message.State.FAILED, error=error)
    return None


def _follow(attempt: Attempt, error: ContactMoved) -> float | None:
    """Try again under the contact's new id, unless they have written from there already: then they are
    another contact here, and staff get this one's turn."""
    try:
        with transaction.atomic():
            Contact.objects.filter(pk=attempt.contact.pk).update(platform_id=error.platform_id)
    except IntegrityError:
        _record(attempt, Message.State.FAILED, error=error)
        return None
    return _retry(attempt, error, 1.0)


@transaction.atomic
def _hold(attempt: Attempt, error: CredentialRejected) -> float | None:
    """Pause the channel. What it did not take waits for the repair: an answer that has not begun to leave is
    decided upon anew then, for it may be late by that time. A credential that was replaced meanwhile is no
    reason to pause: the message is tried again with the new one."""
    channel = Channel.objects.select_for_update().get(pk=attempt.channel.pk)
    if channel.credentials != attempt.channel.credentials:
        return _retry(attempt, error, 1.0)
    channel.hold(str(error))
    message = _record(attempt, Message.State.PENDING, error=error)
    turn = message.turn if message.purpose == Message.Purpose.ANSWER else None
    if turn is None or message.part > 0 or message.unknown_attempts:
        return None
    if turn.conversation.turns.filter(state__in=Turn.UNSETTLED, sealed_at__isnull=True).exists():
        return None  # the contact has begun another turn: this one keeps its answer
    answer = turn.messages.filter(purpose=Message.Purpose.ANSWER, state=Message.State.PENDING)
    answer.update(state=Message.State.CANCELLED)
    turn.sealed_at = None
    turn.save(update_fields=["sealed_at"])
    return None


def _retry(attempt: Attempt, error: ChannelError, seconds: float, growth: float = 2.0) -> float | None:
    message = _record(attempt, Message.State.PENDING, error=error)
    if message.state != Message.State.PENDING:
        return None
    if message.attempts < MAX_ATTEMPTS:
        return max(seconds, growth**message.attempts)
    _record(attempt, Message.State.FAILED, error=error)
    return None


@transaction.atomic
def _record(
    attempt: Attempt,
    state: Message.State,
    *,
    platform_id: str | None = None,
    error: ChannelError | None = None,
) -> Message:
    """Write down what the platform said, unless a report of the platform's was here first."""
    actions.lock_conversation(attempt.conversation_id)
    message = _load(attempt.message_id, attempt.answered_turn_id)
    if message.state == Message.State.SENT or _has_failed(message, platform_id):
        return message
    if state == Message.State.PENDING and _has_outcome(message):
        state = Message.State.CANCELLED
    message.state, message.error = state, printable(str(error or ""))[:300]
    if state == Message.State.SENT:
        message.platform_id, message.sent_at = platform_id, timezone.now()
    if state == Message.State.UNKNOWN:
        message.unknown_attempts += 1
    message.save(update_fields=["state", "error", "platform_id", "sent_at", "unknown_attempts"])
    if state == Message.State.SENT and KINDS[attempt.channel.kind].reconciles:
        reports.catch_up(message)
    if state != Message.State.PENDING:
        _advance(message)
    return message


def _has_outcome(message: Message) -> bool:
    """Whether an answer's turn was settled while the platform was asked to take it."""
    turn = message.turn if message.purpose == Message.Purpose.ANSWER else None
    return turn is not None and turn.state not in Turn.UNSETTLED


def _has_failed(message: Message, platform_id: str | None) -> bool:
    """Whether the platform has reported that what it took could not be delivered: that is final. Another
    attempt, which it took under another id, is another matter."""
    reported = message.state == Message.State.FAILED and message.platform_id
    return bool(reported) and platform_id in (None, message.platform_id)
