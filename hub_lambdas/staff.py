"""What staff do to a conversation, under the same lock and by the same rules as the handlers."""

import uuid
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import BooleanField, ExpressionWrapper, Max, Min, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _

from console.conversations.models import Contact, Conversation, Message, Turn
from console.inbox.models import Draft
from console.organizations.models import User
from hub_lambdas import actions, outbox, queues, thumbs, waits

WAITS_NOTED_WITHIN = timedelta(days=7)
"""How old a message may be of which the sweep notes that its contact waits."""
_HANDED_OVER = Q(direction=Message.Direction.IN, turn__state=Turn.State.HANDED_OVER)
"""Messages of contacts that are for staff to answer."""
_ANSWERS = (Message.Purpose.ANSWER, Message.Purpose.STAFF)
_UNHEARD = (Message.State.CANCELLED, Message.State.FAILED, Message.State.UNKNOWN)
"""What the contact has certainly, or perhaps, not got."""


class StaffError(Exception):
    """Why something that a member wants is not done. The message is a sentence for them."""


class AnsweredAlready(StaffError):
    """Somebody else answers the conversation, or somebody has answered what the member read."""


class NotRead(StaffError):
    """The contact has written something that the member has not read."""


@transaction.atomic
def take_over(conversation_id: int, user: User | None) -> None:
    """Make `user` the one who answers (None: somebody in the platform's own inbox), also in what was closed.
    An answer that has not left yet never will."""
    conversation = actions.lock_conversation(conversation_id)
    conversation.owner, conversation.assignee = Conversation.Owner.STAFF, user
    conversation.owned_since, conversation.closed_at = timezone.now(), None
    conversation.save(update_fields=["owner", "assignee", "owned_since", "closed_at"])
    for turn_id in conversation.turns.filter(state__in=Turn.UNSETTLED).values_list("pk", flat=True):
        actions.do_what_is_due(actions.load_turn(turn_id))


@transaction.atomic
def return_to_bot(conversation_id: int, seen_id: int) -> None:
    """Let the bot answer what comes next. `seen_id`: the newest message that the member had before them.
    Raises NotRead where the contact has written since: nobody would answer that."""
    conversation = actions.lock_conversation(conversation_id)
    _demand_all_read(conversation, seen_id)
    give_to_bot(conversation)


@transaction.atomic
def close(conversation_id: int, seen_id: int) -> None:
    """Be done with a conversation: it leaves the queues until the contact writes again, to the bot. Raises
    NotRead as above."""
    return_to_bot(conversation_id, seen_id)
    Conversation.objects.filter(pk=conversation_id).update(closed_at=timezone.now())


def give_to_bot(conversation: Conversation) -> None:
    """Let the bot answer what comes next; whatever waits for staff does so no more. The caller holds the
    conversation's lock."""
    conversation.owner, conversation.assignee = Conversation.Owner.BOT, None
    conversation.waiting_since = None
    conversation.save(update_fields=["owner", "assignee", "waiting_since"])
    Draft.drop(conversation.pk, None, timezone.now())


def leave_to_all(conversation: Conversation) -> None:
    """Let any member answer a conversation that one of them had. Where its contact waits, staff are told of
    that again, and so is the contact, if they have not heard of staff yet: the member was to write to them.
    The caller holds the conversation's lock."""
    conversation.assignee = None
    conversation.save(update_fields=["assignee"])
    if conversation.waiting_since is None:
        return
    awaited = waits.of(conversation)
    awaited.update(staff_told_at=None)
    for turn_id in awaited.reverse().values_list("pk", flat=True):
        actions.decide_anew(actions.load_turn(turn_id), timezone.now())


def _demand_all_read(conversation: Conversation, seen_id: int) -> None:
    written = conversation.messages.filter(direction=Message.Direction.IN, pk__gt=seen_id)
    if written.exclude(kind=thumbs.KIND).exists():
        raise NotRead(_("The contact has written meanwhile, so nothing was changed. Read it first."))


def note_answer(conversation_id: int, unread: Q) -> None:
    """Staff have answered all but the `unread` messages: the contact waits since the first of these that is
    theirs, or not any more. The caller holds the conversation's lock."""
    waiting = Message.objects.filter(unread, _HANDED_OVER, conversation=conversation_id)
    since = waiting.aggregate(since=Min("received_at"))["since"]
    Conversation.objects.filter(pk=conversation_id).update(waiting_since=since)


def unnoted_waits(now: datetime) -> list[int]:
    """Conversations of staff in which the contact had the last word lately, and nobody has noted that they
    wait: a release that knew of no waiting was at work, before an update or after a rollback."""
    return _unnoted(Conversation.objects.filter(last_message_at__gt=now - WAITS_NOTED_WITHIN))


@transaction.atomic
def note_wait(conversation_id: int) -> None:
    """Note since when the contact waits, if that is still to be done."""
    actions.lock_conversation(conversation_id)
    if _unnoted(Conversation.objects.filter(pk=conversation_id)):
        answers = Message.objects.filter(conversation=conversation_id, purpose__in=_ANSWERS)
        newest = answers.exclude(state__in=_UNHEARD).aggregate(newest=Max("pk"))["newest"]
        note_answer(conversation_id, Q(pk__gt=newest or 0))


def _unnoted(conversations: QuerySet[Conversation]) -> list[int]:
    said = Message.objects.filter(conversation=OuterRef("pk"), purpose__in=["", *_ANSWERS])
    newest = said.exclude(state__in=_UNHEARD).exclude(kind=thumbs.KIND).order_by("-id")
    theirs = newest.values(theirs=ExpressionWrapper(_HANDED_OVER, BooleanField()))
    waiting = conversations.filter(owner=Conversation.Owner.STAFF, waiting_since__isnull=True)
    return list(
        waiting.filter(Subquery(theirs[:1], output_field=BooleanField())).values_list("pk", flat=True)
    )


@transaction.atomic
def reply(conversation_id: int, user: User, text: str, seen_id: int | None = None) -> list[Message]:
    """Send `text` to the contact in the name of `user`, who takes the conversation over with it. `seen_id`:
    the newest message that they had before them (None: all). Raises AnsweredAlready where another member
    owns the conversation, or somebody has answered since: of two members at one conversation, one is heard,
    and the same reply that comes twice is sent once."""
    demand_no_answer(actions.lock_conversation(conversation_id), user, seen_id)
    take_over(conversation_id, user)
    Draft.drop(conversation_id, user, timezone.now())
    note_answer(conversation_id, Q(pk__gt=seen_id) if seen_id is not None else Q(pk__in=[]))
    conversation = Conversation.objects.select_related("contact__channel").get(pk=conversation_id)
    return outbox.send(conversation, Message.Purpose.STAFF, text, author=user)


def demand_no_answer(conversation: Conversation, user: User, seen_id: int | None) -> None:
    """Raise AnsweredAlready where another member answers, or somebody has since `seen_id`. Raises StaffError
    where the contact was erased: nobody is there to be answered. The caller holds the conversation's lock."""
    if Contact.objects.filter(conversation=conversation, erased_at__isnull=False).exists():
        raise StaffError(_("This contact was erased, so nothing was sent."))
    if conversation.assignee is not None and conversation.assignee != user:
        owned = _(
            "%(colleague)s answers this conversation, so your text was not sent. To send it, take the "
            "conversation over first."
        )
        raise AnsweredAlready(owned % {"colleague": conversation.assignee})
    if seen_id is None:
        return
    answers = Message.objects.filter(
        conversation=conversation,
        pk__gt=seen_id,
        purpose__in=_ANSWERS,
    )
    newer = answers.exclude(state=Message.State.CANCELLED).select_related("author")
    if (answer := newer.order_by("-pk").first()) is not None:
        not_sent = _(
            "%(answered)s Your text was not sent. Read the answer; if yours is still needed, send it again."
        )
        raise AnsweredAlready(not_sent % {"answered": _who_answered(answer, user)})


def _who_answered(answer: Message, user: User) -> str:
    if answer.author == user:
        return _("You have answered meanwhile.")
    if answer.author:
        return _("%(colleague)s has answered meanwhile.") % {"colleague": answer.author}
    if answer.purpose == Message.Purpose.ANSWER:
        return _("The bot has answered meanwhile.")
    return _("A colleague has answered meanwhile.")


def resume_channel(channel_id: uuid.UUID) -> int:
    """Put everything that was held while a channel was paused back on its way, after the caller's commit;
    says how many turns and messages."""
    now = timezone.now()
    held = Message.objects.filter(
        channel_id=channel_id, direction=Message.Direction.OUT, state=Message.State.PENDING
    )
    turns = Turn.objects.filter(
        state__in=Turn.UNSETTLED, conversation__contact__channel_id=channel_id
    ).values_list("pk", flat=True)
    messages = list(held.order_by("pk"))
    for message in messages:
        outbox.queue_delivery(message, occasion=f"resumed-{now.timestamp():.0f}")
    for turn_id in turns:
        outbox.after_commit(partial(queues.wake, turn_id, now, now))
    return len(messages) + len(turns)
