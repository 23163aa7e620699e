"""Conversations that staff let rest: without a word of theirs for as long as the organization says, one goes
back to the bot or, where its contact waits, from the member who answers it to all of them."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import Greatest

from console.conversations.models import Conversation, Message
from hub_lambdas import actions, staff, thumbs


def done_with(now: datetime) -> list[int]:
    """Conversations in which nobody waits: the contact was told something last, and that so long ago, and so
    long after staff took it over, that the organization wants the bot back."""
    return _done_with(Conversation.objects.all(), now)


@transaction.atomic
def return_to_bot(now: datetime, conversation_id: int) -> None:
    """Let the bot answer what comes next, if nothing has happened in the conversation meanwhile."""
    conversation = actions.lock_conversation(conversation_id)
    if _done_with(Conversation.objects.filter(pk=conversation_id), now):
        staff.give_to_bot(conversation)


def neglected(now: datetime) -> list[int]:
    """Conversations whose contact has waited so long for the member who answers it."""
    return _neglected(Conversation.objects.all(), now)


@transaction.atomic
def give_to_all(now: datetime, conversation_id: int) -> None:
    """Let any member answer, and have them told, and the contact where they never heard of staff, if nothing
    has happened in the conversation meanwhile."""
    conversation = actions.lock_conversation(conversation_id)
    if _neglected(Conversation.objects.filter(pk=conversation_id), now):
        staff.leave_to_all(conversation)


def _done_with(conversations: QuerySet[Conversation], now: datetime) -> list[int]:
    """What was never sent says nothing: then the contact waits, or is about to be told."""
    said = Message.objects.filter(conversation=OuterRef("pk")).exclude(kind=thumbs.KIND)
    newest = said.exclude(state=Message.State.CANCELLED).order_by("-id")
    calm = conversations.filter(waiting_since__isnull=True).annotate(
        last_purpose=Subquery(newest.values("purpose")[:1]),
        last_sent_at=Subquery(newest.values("sent_at")[:1]),
    )
    told = calm.exclude(last_purpose="").filter(last_sent_at__isnull=False)
    return _rested(told, Greatest("last_sent_at", "owned_since"), now)


def _neglected(conversations: QuerySet[Conversation], now: datetime) -> list[int]:
    waiting = conversations.filter(waiting_since__isnull=False, assignee__isnull=False)
    return _rested(waiting, Greatest("waiting_since", "owned_since"), now)


def _rested(conversations: QuerySet[Conversation], since: Greatest, now: datetime) -> list[int]:
    """Those of staff that have rested for as long as their organization says."""
    of_staff = conversations.filter(
        owner=Conversation.Owner.STAFF, organization__return_to_bot_after_minutes__isnull=False
    )
    found = of_staff.annotate(rests_since=since).values_list(
        "pk", "rests_since", "organization__return_to_bot_after_minutes"
    )
    return [pk for pk, since, minutes in found if minutes and since < now - timedelta(minutes=minutes)]
