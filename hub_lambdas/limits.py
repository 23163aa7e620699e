"""What a contact and an organization may use, counted in the ledger, never further than the limit itself."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from console.conversations.models import LlmRequest, Message, Turn
from console.organizations.models import Organization
from hub_lambdas.turns import Reason

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def exceeded(turn: Turn, now: datetime) -> Reason | None:
    """The first limit that `turn` is over, if any."""
    return next((reason for reason, limit, used in _limits(turn, now) if _reaches(used, limit)), None)


def pending_requests(organization: Organization, now: datetime) -> int:
    """How many of an organization's requests the LLM still has to answer. Those that nobody waits for any
    more do not count."""
    wanted_since = now - timedelta(seconds=organization.handover_after_seconds)
    pending = LlmRequest.objects.filter(state=LlmRequest.State.PENDING, asked_at__gt=wanted_since)
    return pending.filter(turn__organization=organization, turn__state=Turn.State.ASKED).count()


def _limits(turn: Turn, now: datetime) -> Iterator[tuple[Reason, int, Any]]:
    """(reason, how many reach the limit, what is counted) for each limit that is set. A rate is exceeded by
    what comes beyond it; a quota is used up by what was answered."""
    organization, conversation = turn.organization, turn.conversation
    if organization.contact_messages_per_minute:
        messages = Message.objects.filter(conversation=conversation, direction=Message.Direction.IN)
        since = now - MINUTE
        # By the platform's clock where it tells: what it delivers late, all at once, is no flood.
        lately = messages.filter(Q(platform_at__gt=since) | Q(platform_at=None, received_at__gt=since))
        yield Reason.CONTACT_RATE, organization.contact_messages_per_minute + 1, lately
    if organization.contact_answers_per_day:
        answered = Turn.objects.filter(conversation=conversation, state=Turn.State.ANSWERED)
        today = answered.filter(settled_at__gt=now - DAY)
        yield Reason.CONTACT_QUOTA, organization.contact_answers_per_day, today
    if organization.turns_per_minute:
        turns = _counted(organization).filter(first_message_at__gt=now - MINUTE)
        yield Reason.ORGANIZATION_RATE, organization.turns_per_minute + 1, turns
    if organization.answers_per_day:
        answered = _counted(organization).filter(state=Turn.State.ANSWERED)
        today = answered.filter(first_message_at__gt=now - DAY)
        yield Reason.ORGANIZATION_QUOTA, organization.answers_per_day, today


def _counted(organization: Organization) -> QuerySet[Turn]:
    """Test messages use up nothing."""
    return Turn.objects.filter(organization=organization, conversation__contact__is_test=False)


def _reaches(used: Any, limit: int) -> bool:
    return bool(used.order_by()[:limit].count() >= limit)
