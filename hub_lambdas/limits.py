"""What a contact and an organization may use, counted in the ledger, never further than the limit itself."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection

from console.conversations.models import LlmRequest, Turn
from console.organizations.models import Organization
from hub_lambdas import thumbs
from hub_lambdas.turns import Reason

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)

# In one statement, for each turn asks this: a limit of 0 is none and counts nothing. A rate is exceeded by
# what comes beyond it; a quota is used up by what was answered. The contact's rate goes by the platform's
# clock where it tells: what it delivers late, all at once, is no flood. Test messages use up nothing of an
# organization's.
_USED = """
SELECT
    (SELECT count(*) FROM (
        SELECT FROM conversations_llmrequest request
        JOIN conversations_turn turn ON turn.id = request.turn_id
        JOIN conversations_conversation conversation ON conversation.id = turn.conversation_id
        JOIN conversations_contact contact ON contact.id = conversation.contact_id
        WHERE request.state = 'pending' AND request.asked_at > %(wanted_since)s
          AND turn.organization_id = %(organization)s AND turn.state = 'asked'
          AND NOT contact.is_test
        LIMIT %(pending_requests)s) AS found),
    (SELECT count(*) FROM (
        SELECT FROM conversations_message message
        WHERE message.conversation_id = %(conversation)s AND message.direction = 'in'
          AND message.kind <> %(press)s
          AND coalesce(message.platform_at, message.received_at) > %(minute_ago)s
        LIMIT %(contact_rate)s) AS found),
    (SELECT count(*) FROM (
        SELECT FROM conversations_turn turn
        WHERE turn.conversation_id = %(conversation)s AND turn.state = 'answered'
          AND turn.settled_at > %(day_ago)s
        LIMIT %(contact_quota)s) AS found),
    (SELECT count(*) FROM (
        SELECT FROM conversations_turn turn
        JOIN conversations_conversation conversation ON conversation.id = turn.conversation_id
        JOIN conversations_contact contact ON contact.id = conversation.contact_id
        WHERE turn.organization_id = %(organization)s AND turn.first_message_at > %(minute_ago)s
          AND NOT contact.is_test
        LIMIT %(organization_rate)s) AS found),
    (SELECT count(*) FROM (
        SELECT FROM conversations_turn turn
        JOIN conversations_conversation conversation ON conversation.id = turn.conversation_id
        JOIN conversations_contact contact ON contact.id = conversation.contact_id
        WHERE turn.organization_id = %(organization)s AND turn.state = 'answered'
          AND turn.first_message_at > %(day_ago)s AND NOT contact.is_test
        LIMIT %(organization_quota)s) AS found)
"""


@dataclass(frozen=True)
class Used:
    """What keeps a turn from the LLM. `is_held_off`: its organization has as many requests there as one may
    have. `over_limit`: the first limit that is exceeded."""

    is_held_off: bool
    over_limit: Reason | None


def used(turn: Turn, now: datetime) -> Used:
    """Count what bears on asking the LLM about `turn` now."""
    organization = turn.organization
    limits = {
        Reason.CONTACT_RATE: _beyond(organization.contact_messages_per_minute),
        Reason.CONTACT_QUOTA: organization.contact_answers_per_day or 0,
        Reason.ORGANIZATION_RATE: _beyond(organization.turns_per_minute),
        Reason.ORGANIZATION_QUOTA: organization.answers_per_day or 0,
    }
    at_llm = settings.LLM_REQUESTS_PER_ORGANIZATION
    with connection.cursor() as cursor:
        cursor.execute(
            _USED,
            {
                "organization": organization.pk,
                "conversation": turn.conversation_id,
                "wanted_since": _wanted_since(organization, now),
                "minute_ago": now - MINUTE,
                "press": thumbs.KIND,
                "day_ago": now - DAY,
                "pending_requests": at_llm,
                **{reason.value: limit for reason, limit in limits.items()},
            },
        )
        pending, *counts = cursor.fetchone()
    reached = (reason for reason, count in zip(limits, counts, strict=True) if 0 < limits[reason] <= count)
    return Used(is_held_off=pending >= at_llm, over_limit=next(reached, None))


def _beyond(rate: int | None) -> int:
    return rate + 1 if rate else 0


def pending_requests(organization: Organization, now: datetime) -> int:
    """How many of an organization's requests the LLM still has to answer. Those that nobody waits for any
    more do not count."""
    pending = LlmRequest.objects.filter(
        state=LlmRequest.State.PENDING, asked_at__gt=_wanted_since(organization, now)
    )
    asked = pending.filter(turn__organization=organization, turn__state=Turn.State.ASKED)
    return asked.filter(turn__conversation__contact__is_test=False).count()


def _wanted_since(organization: Organization, now: datetime) -> datetime:
    return now - timedelta(seconds=organization.handover_after_seconds)
