"""Which promises a history broke, when everything in it has come to rest.

What was so at a moment, and is no more, the database itself has noted: each change of an outcome, also one
that another change follows; at each hand-over whether its contact was to be told; what the bot was to do when
an answer left; and when a conversation went back to the bot.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

from django.db import connection

from console.conversations.models import Conversation, DeadLetter, Message, Turn
from hub_lambdas.turns import Reason
from tests.hub_lambdas.history import MAX_WAKEUPS, UNSENT, History

REPLIES = (Message.Purpose.ANSWER, Message.Purpose.FALLBACK, Message.Purpose.MEDIA)
_MAY_HAVE_ARRIVED = (Message.State.SENT, Message.State.UNKNOWN, Message.State.SENDING)
_OF_STAFF = (Message.Purpose.FALLBACK, Message.Purpose.STAFF)
_HEARD = (Message.Purpose.ANSWER, *_OF_STAFF)
_LOST = (Message.State.CANCELLED, Message.State.FAILED)
_UNHEARD = {
    Message.Purpose.ANSWER: _LOST,
    Message.Purpose.STAFF: _LOST,
    # One that the platform refuses is not repeated by itself.
    Message.Purpose.FALLBACK: (Message.State.CANCELLED,),
}
"""By purpose: what was not heard."""
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

CREATE TABLE handed_over (turn_id bigint, is_to_be_told boolean);
CREATE FUNCTION note_handed_over() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO handed_over
    SELECT NEW.id, (channel.bot = 'answers' OR channel.tells_contacts) AND NOT contact.is_blocked
    FROM conversations_conversation conversation
    JOIN conversations_contact contact ON contact.id = conversation.contact_id
    JOIN channels_channel channel ON channel.id = contact.channel_id
    WHERE conversation.id = NEW.conversation_id;
    RETURN NULL;
END $$;
CREATE TRIGGER handed_over AFTER UPDATE ON conversations_turn FOR EACH ROW
    WHEN (OLD.state <> 'handed_over' AND NEW.state = 'handed_over')
    EXECUTE FUNCTION note_handed_over();

CREATE TABLE left_unasked (message_id bigint, bot text);
CREATE FUNCTION note_left_unasked() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO left_unasked
    SELECT NEW.id, channel.bot FROM channels_channel channel
    WHERE channel.id = NEW.channel_id AND channel.bot <> 'answers';
    RETURN NULL;
END $$;
CREATE TRIGGER left_unasked AFTER UPDATE ON conversations_message FOR EACH ROW
    WHEN (OLD.state = 'pending' AND NEW.state = 'sending' AND NEW.purpose = 'answer')
    EXECUTE FUNCTION note_left_unasked();

CREATE TABLE given_to_bot (conversation_id bigint, newest_message_id bigint);
CREATE FUNCTION note_given_to_bot() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO given_to_bot
    SELECT NEW.id, max(id) FROM conversations_message WHERE conversation_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER given_to_bot AFTER UPDATE ON conversations_conversation FOR EACH ROW
    WHEN (OLD.owner = 'staff' AND NEW.owner = 'bot')
    EXECUTE FUNCTION note_given_to_bot();
"""
_WATCHED = ("changed_outcome", "handed_over", "left_unasked", "given_to_bot")
_UNWATCH = "".join(f"DROP FUNCTION note_{name} CASCADE; DROP TABLE {name};" for name in _WATCHED)


@contextmanager
def watched() -> Iterator[None]:
    """While this lasts, the database notes what it is asked about afterwards."""
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
        *_unheard_by_staff(history, turns),
        *_unasked(messages),
        *_unsent(messages),
        *_repeated(history, messages),
        *(_disordered(history, messages) if history.queues.keeps_groups else ()),
        *_wakeups(history),
        *_poison(history),
        *_pressed(history, messages),
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
    for turn_id, before, after in _noted("changed_outcome", turns):
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
    """Turns that staff have, whose contact has no answer and does not know of staff. Whom nothing reaches
    nobody can tell; to whom a member is to write, as long as they like, nobody else does."""
    may_have_arrived = {
        each.turn_id
        for each in messages
        if each.purpose == Message.Purpose.ANSWER
        and (each.state in _MAY_HAVE_ARRIVED or each.unknown_attempts)
    }
    is_to_be_told = dict(_noted("handed_over", turns))
    out_of_reach = {*history.conversations_with(history.platform.gone), *_of_members(history)}
    for turn in turns:
        if turn.state != Turn.State.HANDED_OVER or turn.pk in may_have_arrived | history.unspoken:
            continue
        if turn.conversation_id in out_of_reach or not is_to_be_told[turn.pk]:
            continue
        of_conversation = [each for each in messages if each.conversation_id == turn.conversation_id]
        if not _knows_of_staff(turn, of_conversation):
            yield f"turn {turn.pk} is with staff ({turn.reason}), and nobody tells the contact"


def _of_members(history: History) -> Collection[int]:
    """Conversations that a member has for ever, as their organization wants it."""
    conversations = Conversation.objects.filter(organization=history.organization, assignee__isnull=False)
    for_ever = conversations.filter(organization__return_to_bot_after_minutes=None)
    return list(for_ever.values_list("pk", flat=True))


def _knows_of_staff(turn: Turn, messages: Sequence[Row]) -> bool:
    """Whether the contact was told since they wrote; or had heard of staff last, who have had the
    conversation ever since."""
    first = min(each.pk for each in messages if each.turn_id == turn.pk)
    heard = [each for each in messages if each.purpose in _HEARD and each.state not in _UNHEARD[each.purpose]]
    if any(each.purpose in _OF_STAFF and each.pk > first for each in heard):
        return True
    before = [each for each in heard if each.pk < first]
    if not before or before[-1].purpose not in _OF_STAFF:
        return False
    returns = [newest for _, newest in _noted("given_to_bot", [turn])]
    return not any(before[-1].pk <= newest < first for newest in returns)


def _noted(table: str, turns: Sequence[Turn]) -> list[tuple[Any, ...]]:
    """What the database has noted of turns, or of their conversations."""
    column = "conversation_id" if table == "given_to_bot" else "turn_id"
    ids = [turn.conversation_id if table == "given_to_bot" else turn.pk for turn in turns]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} WHERE {column} = ANY(%s)", [ids])  # noqa: S608 - ours
        return cursor.fetchall()


def _unheard_by_staff(history: History, turns: Sequence[Turn]) -> Iterator[str]:
    """Hand-overs that staff got no e-mail about, and contacts who wait for anybody of them and nobody knows.
    What a contact adds is no news to them, and a reply that failed where nothing was handed over is known to
    the member who wrote it."""
    for turn in turns:
        is_handed_over = turn.state == Turn.State.HANDED_OVER and turn.reason != Reason.STAFF_OWNS
        if is_handed_over and turn.staff_told_at is None:
            yield f"turn {turn.pk} was handed over ({turn.reason}), and staff were not told"
    waiting = Conversation.objects.filter(organization=history.organization, waiting_since__isnull=False)
    for conversation in waiting.filter(assignee=None):
        since = conversation.waiting_since
        assert since is not None, "those who wait"
        theirs = [each for each in turns if each.conversation_id == conversation.pk]
        handed_over = [each for each in theirs if each.state == Turn.State.HANDED_OVER]
        newest = sorted(handed_over, key=lambda each: each.pk)[-1:]
        awaited = [*newest, *(each for each in handed_over if each.last_message_at >= since)]
        if awaited and all(each.staff_told_at is None for each in awaited):
            yield f"conversation {conversation.pk} waits for staff, and they were not told"


def _unasked(messages: Sequence[Row]) -> Iterator[str]:
    """Answers that left although the channel's bot was to write none; but for the rest of one that had begun
    to leave before."""
    answers = {each.pk: each for each in messages if each.purpose == Message.Purpose.ANSWER}
    with connection.cursor() as cursor:
        cursor.execute("SELECT message_id, bot FROM left_unasked WHERE message_id = ANY(%s)", [list(answers)])
        for message_id, bot in cursor.fetchall():
            before = (each for each in answers.values() if each.pk < message_id)
            begun = {each.turn_id for each in before if each.state != Message.State.CANCELLED}
            if answers[message_id].turn_id not in begun:
                yield f"message {message_id} is an answer, and left while the bot was set to {bot}"


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


def _pressed(history: History, messages: Sequence[Row]) -> Iterator[str]:
    """A thumb below an answer is kept, once, and is no turn. What the platform did not deliver has none."""
    for press, answer in history.pressed:
        turns = [each.turn_id for each in messages if each.platform_id == press]
        if turns != [None] and answer not in history.platform.undelivered:
            yield f"the thumb {press} below message {answer} is in the turns {turns}"
