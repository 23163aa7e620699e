"""Which promises a history broke, when everything in it has come to rest.

That no turn gets a second outcome is seen by the database itself: it notes each change of one, also one that
another change follows.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields

from django.db import connection

from console.conversations.models import DeadLetter, Message, Turn
from tests.hub_lambdas.history import MAX_WAKEUPS, UNSENT, History

REPLIES = (Message.Purpose.ANSWER, Message.Purpose.FALLBACK, Message.Purpose.MEDIA)

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
        *_changed(turns),
        *_unsettled(turns),
        *_unanswered(history, turns, messages),
        *_unsent(messages),
        *_repeated(history, messages),
        *_disordered(history, messages),
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


def _changed(turns: Sequence[Turn]) -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT turn_id, before, after FROM changed_outcome WHERE turn_id = ANY(%s)",
            [[turn.pk for turn in turns]],
        )
        for turn_id, before, after in cursor.fetchall():
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
        newest = max(each.pk for each in of_turn[turn.pk] if each.direction == Message.Direction.IN)
        if any(each.answers_up_to != newest for each in sent):
            yield f"turn {turn.pk} got an answer to an older state of it"


def _unsent(messages: Sequence[Row]) -> Iterator[str]:
    for message in messages:
        if message.state in UNSENT:
            yield f"message {message.pk} ({message.purpose}) is {message.state} for ever"


def _repeated(history: History, messages: Sequence[Row]) -> Iterator[str]:
    """What contacts got twice: a message, an answer and a fallback, a holding line."""
    received = _received(history, messages)
    sends_twice = history.organization.unknown_delivery == "send_again"
    for message, count in Counter(received).items():
        if count > 1 and not sends_twice:
            yield f"message {message.pk} ({message.purpose}) was received {count} times"
    replied = [message for message in received if message.purpose in REPLIES and message.turn_id]
    kinds = {(message.turn_id, message.purpose) for message in replied}
    for turn_id, count in Counter(turn_id for turn_id, _ in kinds).items():
        if count > 1:
            yield f"turn {turn_id} got an answer and a fallback, or a line in place of them"
    lines = [message for message in received if message.purpose == Message.Purpose.HOLDING]
    for turn_id, count in Counter(message.turn_id for message in lines).items():
        if count > 1:
            yield f"turn {turn_id} got {count} holding lines"


def _disordered(history: History, messages: Sequence[Row]) -> Iterator[str]:
    received = _received(history, messages)
    replied = [message for message in received if message.purpose in REPLIES and message.turn_id]
    for conversation_id in {message.conversation_id for message in replied}:
        order = [message.turn_id or 0 for message in replied if message.conversation_id == conversation_id]
        if order != sorted(order):
            yield f"replies came out of order: turns {order}"


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
