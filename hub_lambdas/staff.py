"""What staff do to a conversation, under the same lock and by the same rules as the handlers."""

import uuid
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import Greatest
from django.utils import timezone

from console.conversations.models import Conversation, Message, Turn
from console.organizations.models import User
from hub_lambdas import actions, queues


@transaction.atomic
def take_over(conversation_id: int, user: User | None) -> None:
    """Make `user` the one who answers (None: somebody in the platform's own inbox). An answer that has not
    left yet never will."""
    conversation = actions.lock_conversation(conversation_id)
    conversation.owner, conversation.assignee = Conversation.Owner.STAFF, user
    conversation.owned_since = timezone.now()
    conversation.save(update_fields=["owner", "assignee", "owned_since"])
    for turn_id in conversation.turns.filter(state__in=Turn.UNSETTLED).values_list("pk", flat=True):
        actions.do_what_is_due(actions.load_turn(turn_id))


@transaction.atomic
def return_to_bot(conversation_id: int) -> None:
    """Let the bot answer what comes next."""
    conversation = actions.lock_conversation(conversation_id)
    conversation.owner, conversation.assignee = Conversation.Owner.BOT, None
    conversation.save(update_fields=["owner", "assignee"])


def idle_conversations(now: datetime) -> list[int]:
    """Conversations of staff in which staff had the last word, and that so long ago, and so long after they
    took it over, that the organization wants the bot back. One whose contact waits is never among them."""
    return _idle(Conversation.objects.all(), now)


@transaction.atomic
def return_idle(now: datetime, conversation_id: int) -> None:
    """Let the bot answer what comes next, if nothing has happened in the conversation meanwhile."""
    actions.lock_conversation(conversation_id)
    if _idle(Conversation.objects.filter(pk=conversation_id), now):
        return_to_bot(conversation_id)


def _idle(conversations: QuerySet[Conversation], now: datetime) -> list[int]:
    newest = Message.objects.filter(conversation=OuterRef("pk")).order_by("-id")
    of_staff = conversations.filter(
        owner=Conversation.Owner.STAFF, organization__return_to_bot_after_minutes__isnull=False
    ).annotate(
        last_purpose=Subquery(newest.values("purpose")[:1]),
        last_sent_at=Subquery(newest.values("sent_at")[:1]),
    )
    found = (
        of_staff.filter(last_purpose=Message.Purpose.STAFF, last_sent_at__isnull=False)
        .annotate(idle_since=Greatest("last_sent_at", "owned_since"))
        .values_list("pk", "idle_since", "organization__return_to_bot_after_minutes")
    )
    return [pk for pk, since, minutes in found if minutes and since < now - timedelta(minutes=minutes)]


@transaction.atomic
def reply(conversation_id: int, user: User, text: str) -> list[Message]:
    """Send `text` to the contact in the name of `user`, who takes the conversation over with it."""
    take_over(conversation_id, user)
    conversation = Conversation.objects.select_related("contact__channel").get(pk=conversation_id)
    return actions.send(conversation, Message.Purpose.STAFF, text, author=user)


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
        actions.queue_delivery(message, occasion=f"resumed-{now.timestamp():.0f}")
    for turn_id in turns:
        actions.after_commit(partial(queues.wake, turn_id, now, now))
    return len(messages) + len(turns)
