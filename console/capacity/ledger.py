"""Real traffic: an average day of the ledger."""

from datetime import datetime, timedelta

from django.db.models import Count, F, Min
from django.db.models.functions import ExtractHour

from console.capacity.errors import CapacityError
from console.capacity.traffic import HOURS, Traffic
from console.conversations.models import LlmRequest, Message, Turn
from hub_lambdas.sentences import stored

LEAST_DAYS = 1.0


def from_ledger(until: datetime, days: int) -> Traffic:
    """Of the days before `until`, or since the first message in them. Test contacts do not count."""
    since = until - timedelta(days=days)
    messages = Message.objects.filter(
        direction=Message.Direction.IN,
        conversation__contact__is_test=False,
        received_at__gte=since,
        received_at__lt=until,
    )
    first = messages.aggregate(first=Min("received_at"))["first"]
    if first is None:
        raise CapacityError(
            stored("The ledger has no message of the last %(days)s days: use --csv or --messages.", days=days)
        )
    length_days = max((until - first) / timedelta(days=1), LEAST_DAYS)
    counted = (
        messages.annotate(hour=ExtractHour("received_at"), slug=F("conversation__organization__slug"))
        .values_list("slug", "hour")
        .annotate(count=Count("pk"))
    )
    found: dict[str, list[float]] = {}
    for slug, hour, count in counted:
        found.setdefault(slug, [0.0] * HOURS)[hour] += count / length_days
    turns = Turn.objects.filter(
        first_message_at__gte=since,
        first_message_at__lt=until,
        conversation__contact__is_test=False,
    )
    asked = LlmRequest.objects.filter(turn__in=turns)
    turns_count = turns.count()
    return Traffic(
        found,
        stored("the ledger, an average of %(days)s days", days=f"{length_days:.1f}"),
        messages.count() / turns_count if turns_count else None,
        asked.count() / turns_count if turns_count else None,
    )
