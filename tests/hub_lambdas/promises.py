"""Which promises a history broke, when everything in it has come to rest.

That no turn gets a second outcome is seen by the database itself: it notes each change of one, also one that
another change follows.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields

from django.db import connection

from console.channels.models import Channel
from console.conversations.models import DeadLetter, Message, Turn
from tests.hub_lambdas.history import MAX_WAKEUPS, UNSENT, History

REPLIES = (Message.Purpose.ANSWER, Message.Purpose.FALLBACK, Message.Purpose.MEDIA)
_MAY_HAVE_ARRIVED = (Message.State.SENT, Message.State.UNKNOWN, Message.State.SENDING)
FOR_WANT_OF_AN_ANSWER = {"no_answer", "no_answer_in_time", "llm_failed", "not_known", "not_grounded"}

_WATCH = """
CREATE TABLE changed_outcome (turn_id bigint, before text, after text);
CREATE FUNCTION note_changed_outcome() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO changed_outcome
    VALUES (OLD.id, OLD.state || ' ' || OLD.reason, NEW.state || ' ' || NEW.reason);
    RETURN NULL;
END $$;
CREATE TRIGGER changed_outcome AFTER UPDATE ON conversations_turn FOR EACH ROW
    WHEN (OLD.state NOT IN ('open', 'asked')
          AND (OLD.state, OLD.reason) IS DISTINCT FROM (NEW.state, NEW.reason))
    EXECUTE FUNCTION note_changed_outcome();
"""
_UNWATCH = "DROP FUNCTION note_changed_outcome CASCADE; DROP TABLE changed_outcome"


@contextmanager
def outcomes_watched() -> Iterator[None]:
    """While this lasts, the database notes each outcome that changes."""
    with connection.cursor() as cursor:
        cursor.execute(_WATCH)
        try:
            yield
        finally:
            cursor.execute(_UNWATCH)


def broken(history: History) -> list[str]:
    """Says which, one a line."""
    messages = _messages(history)
    turns = list(Turn.objects.filter(organization=history.organization))
    return [
        *history.problems,
        *_lost(history, messages),
        *_changed(history, turns, messages),
        *_unsettled(turns),
        *_unanswered(history, turns, messages),
        *_answered_all_the_same(turns, messages),
        *_untold(history, turns, messages),
        *_unasked(history, messages),
        *_unsent(messages),
        *_repeated(history, messages),
        *(_disordered(history, messages) if history.queues.keeps_groups else ()),
        *_wakeups(history),
        *_poison(history),
    ]


@dataclass(frozen=True)
class Row:
    """A message as the ledger has it. `answers_up_to`: the newest message that an answer was made for."""

    pk: int
    direction: str
    purpose: str
    state: str
    conversation_id: int
    turn_id: int | None
    platform_id: str | None
    unknown_attempts: int
    answers_up_to: int | None


def _messages(history: History) -> list[Row]:
    rows = Message.objects.filter(channel=history.channel).order_by("id")
    names = [each.name for each in fields(Row)][:-1]
    return [Row(*row) for row in rows.values_list(*names, "request__last_message")]


def _lost(history: History, messages: Sequence[Row]) -> Iterator[str]:
    ids = Counter(message.platform_id for message in messages if message.direction == Message.Direction.IN)
    for _, message_id in history.written:
        if ids[message_id] != 1:
            yield f"message {message_id} is stored {ids[message_id]} times"


def _changed(history: History, turns: Sequence[Turn], messages: Sequence[Row]) -> Iterator[str]:
    """One change is right: what counted as answered did not arrive, as the platform says later."""
    let_down = _let_down(history, messages)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT turn_id, before, after FROM changed_outcome WHERE turn_id = ANY(%s)",
            [[turn.pk for turn in turns]],
        )
        for turn_id, before, after in cursor.fetchall():
            if (before, after) == ("answered ", "handed_over delivery_failed") and turn_id in let_down:
                continue
            yield f"turn {turn_id} was {before} and became {after}"


def _unsettled(turns: Sequence[Turn]) -> Iterator[str]:
    for turn in turns:
        if turn.state in Turn.UNSETTLED:
            yield f"turn {turn.pk} has no outcome"


def _unanswered(history: History, turns: Sequence[Turn], messages: Sequence[Row]) -> Iterator[str]:
    """Answered turns whose contact got nothing, or an answer to less than they wrote."""
    of_turn = defaultdict(list)
    for message in messages:
        of_turn[message.turn_id].append(message)
    for turn in turns:
        if turn.state != Turn.State.ANSWERED:
            continue
        answer = [each for each in of_turn[turn.pk] if each.purpose == Message.Purpose.ANSWER]
        sent = [each for each in answer if each.state == Message.State.SENT]
        if not sent or not {each.pk for each in sent} <= set(history.platform.references):
            yield f"turn {turn.pk} counts as answered, and the contact got nothing"
        if not history.platform.undelivered.isdisjoint(each.pk for each in answer):
            yield f"turn {turn.pk} counts as answered, and the platform did not deliver it"
        newest = max(each.pk for each in of_turn[turn.pk] if each.direction == Message.Direction.IN)
        if any(each.answers_up_to != newest for each in sent):
            yield f"turn {turn.pk} got an answer to an older state of it"


def _answered_all_the_same(turns: Sequence[Turn], messages: Sequence[Row]) -> Iterator[str]:
    """Turns that staff got for want of an answer, and whose contact has one: somebody wrote more meanwhile,
    and was not told."""
    answered = {
        message.turn_id
        for message in messages
        if message.purpose == Message.Purpose.ANSWER and message.state == Message.State.SENT
    }
    for turn in turns:
        if turn.reason in FOR_WANT_OF_AN_ANSWER and turn.pk in answered:
            yield f"turn {turn.pk} is {turn.state} ({turn.reason}), and was answered"


def _untold(history: History, turns: Sequence[Turn], messages: Sequence[Row]) -> Iterator[str]:
    """Turns that staff have, whose contact has no answer and was never told. Where staff came by themselves
    nobody has to be told, whom nothing reaches nobody can tell, and where the bot does not answer it is the
    channel's choice."""
    may_have_arrived = {
        each.turn_id
        for each in messages
        if each.purpose == Message.Purpose.ANSWER
        and (each.state in _MAY_HAVE_ARRIVED or each.unknown_attempts)
    }
    told = {each.conversation_id for each in messages if each.purpose == Message.Purpose.FALLBACK}
    told.update(history.conversations_with(history.platform.gone))
    is_chosen = history.channel.bot != Channel.Bot.ANSWERS and not history.channel.tells_contacts
    for turn in () if history.staff_came or is_chosen else turns:
        is_silent = turn.state == Turn.State.HANDED_OVER and turn.pk not in may_have_arrived
        if is_silent and turn.conversation_id not in told:
            yield f"turn {turn.pk} is with staff ({turn.reason}), and nobody tells the contact"


def _unasked(history: History, messages: Sequence[Row]) -> Iterator[str]:
    """What the LLM wrote, and nobody let through, on a channel whose bot does not answer."""
    if history.channel.bot != Channel.Bot.ANSWERS:
        for message in messages:
            if message.purpose == Message.Purpose.ANSWER:
                yield f"message {message.pk} is an answer, and the bot is to write none"


def _unsent(messages: Sequence[Row]) -> Iterator[str]:
    for message in messages:
        if message.state in UNSENT:
            yield f"message {message.pk} ({message.purpose}) is {message.state} for ever"


def _repeated(history: History, messages: Sequence[Row]) -> Iterator[str]:
    """What contacts got twice: a message, an answer and a fallback, a holding line. What the platform did not
    deliver is none of them."""
    received = _received(history, messages)
    sends_again = history.organization.unknown_delivery == "send_again"
    for message, count in Counter(received).items():
        if count > (2 if sends_again and message.unknown_attempts else 1):
            yield f"message {message.pk} ({message.purpose}) was received {count} times"
    undelivered = history.platform.undelivered
    replied = [each for each in received if each.purpose in REPLIES and each.pk not in undelivered]
    kinds = {(message.turn_id, message.purpose) for message in replied if message.turn_id}
    for turn_id, count in Counter(turn_id for turn_id, _ in kinds).items():
        if count > 1:
            yield f"turn {turn_id} got an answer and a fallback, or a line in place of them"
    lines = Counter(each.turn_id for each in received if each.purpose == Message.Purpose.HOLDING)
    for held_id, count in lines.items():
        if count > 1:
            yield f"turn {held_id} got {count} holding lines"


def _disordered(history: History, messages: Sequence[Row]) -> Iterator[str]:
    """Whose answer the platform did not deliver is told when it says so, whatever came meanwhile."""
    told_late = _let_down(history, messages)
    replied = [
        each
        for each in _received(history, messages)
        if each.purpose in REPLIES
        and not (each.purpose == Message.Purpose.FALLBACK and each.turn_id in told_late)
    ]
    for conversation_id in {message.conversation_id for message in replied}:
        order = [message.turn_id or 0 for message in replied if message.conversation_id == conversation_id]
        if order != sorted(order):
            yield f"replies came out of order: turns {order}"


def _let_down(history: History, messages: Sequence[Row]) -> set[int | None]:
    """Turns to which something belongs that the platform took and did not deliver."""
    return {each.turn_id for each in messages if each.pk in history.platform.undelivered}


def _received(history: History, messages: Sequence[Row]) -> list[Row]:
    """What the contacts got, in order, as often as they got it."""
    sent = {message.pk: message for message in messages if message.direction == Message.Direction.OUT}
    return [sent[pk] for pk in history.platform.references if pk in sent]


def _wakeups(history: History) -> Iterator[str]:
    for turn_id, count in history.queues.wakeups.items():
        if count > MAX_WAKEUPS:
            yield f"turn {turn_id} was to be looked at {count} times"


def _poison(history: History) -> Iterator[str]:
    for body in history.poison_bodies:
        if (letters := DeadLetter.objects.filter(body=body).count()) != 1:
            yield f"{body} is {letters} dead letters"
