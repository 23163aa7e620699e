"""Lets the LLM read a new or edited prompt before the first contact asks.

Reading takes the embedded model seconds, and an answer has five: what was read once comes back in
milliseconds.
"""

import uuid
from datetime import datetime, timedelta

from django.db.models import F, Q

from console.channels.models import Channel
from console.organizations.models import Organization
from hub_lambdas import prompting, queues

SETTLED_AFTER = timedelta(seconds=5)
"""Who edits one canned prompt often edits the next."""
WANTED_FOR = timedelta(minutes=5)


def due(now: datetime) -> list[int]:
    """Organizations with a channel whose prompts have changed since they were read."""
    is_stale = Q(prompts_read_at=None) | Q(prompts_read_at__lt=F("prompts_changed_at"))
    changed = Organization.objects.filter(
        is_stale, is_active=True, prompts_changed_at__lt=now - SETTLED_AFTER
    )
    connected = changed.filter(channels__status=Channel.Status.ACTIVE)
    return list(connected.order_by("prompts_changed_at").values_list("pk", flat=True).distinct())


def read(now: datetime, organization_id: int) -> None:
    """Have an organization's prompt read, after whatever contacts ask. Raises what the queue raises, and then
    it is due still."""
    organization = Organization.objects.get(pk=organization_id)
    body = {
        "id": str(uuid.uuid4()),
        "organization": organization.slug,
        "messages": prompting.beginning(organization_id),
        "max_tokens": 1,
        "temperature": 0.0,
        "priority": "test",
        "wants_reply": False,
        "expires_at": (now + WANTED_FOR).timestamp(),
    }
    queues.request_llm(organization.slug, body)
    Organization.objects.filter(pk=organization_id).update(prompts_read_at=now)
