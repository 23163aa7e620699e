"""The first screen: how the last day went, what waits, and what to do next."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import TruncHour
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from console import tenancy
from console.channels.models import Channel
from console.conversations.models import Conversation, Message, Turn
from console.conversations.page import kind_of
from console.conversations.report import Scope, report
from console.conversations.timeline import REPLY_LIMIT_MS
from console.dashboards import figures
from console.dashboards.figures import Subset
from console.dashboards.periods import Period
from console.exact_text import printable
from console.organizations.models import User
from console.prompts.models import CannedPrompt, PromptVersion
from console.proof.words import percent
from console.signed_in import user_of
from console.template_filters import moment

HOURS = 24
NEWEST = 6
CHART_HEIGHT = 140
OUTCOMES = ("answered", "handed_over", "declined", "open")


@dataclass(frozen=True)
class Bar:
    """One piece of an hour's bar, in the chart's own units."""

    outcome: str
    y: float
    height: float


@dataclass(frozen=True)
class Hour:
    """One hour of the chart."""

    start: datetime
    x: float
    total: int
    bars: Sequence[Bar]
    title: str
    is_labelled: bool


def add_today(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the index template shows, for the organizations that the user sees."""
    user = user_of(request)
    organizations = tenancy.in_view(user, "proof.view_numbers")
    ids = list(organizations.values_list("pk", flat=True))
    now = timezone.now()
    day = report(Scope(ids, now - timedelta(hours=24)), ("first_reply",)).total
    week = figures.total(Subset.of_all(user, ids), Period.of_last_days(7, now))
    hours = _hours(ids, now)
    return {
        **context,
        "title": _("Today"),
        "is_ops_view": user.is_ops and not user.memberships.exists(),
        "day": day,
        "week": week,
        "day_answered": _share(day.counts["answered"], day.counts["turns"] - day.counts["open"]),
        "week_answered": _share(week.answered, week.turns - week.open),
        "day_in_time": percent(day.in_time_percent),
        "open_now": _open_now(ids),
        "is_slow": (day.ms["first_reply"]["p95"] or 0) > REPLY_LIMIT_MS,
        "hours": hours,
        "peak": max((hour.total for hour in hours), default=0),
        "outcomes": [(outcome, _outcome_label(outcome)) for outcome in OUTCOMES],
        "newest": _newest(user),
        "troubled": list(_channels(user).exclude(status_reason="").select_related("organization")[:NEWEST]),
        "steps": _next_steps(user, organizations),
        "organization_count": len(ids),
    }


def _share(answered: int, settled: int) -> int | None:
    """Percent of the settled turns that were answered."""
    return round(answered * 100 / settled) if settled else None


def _open_now(ids: Sequence[int]) -> dict[str, Any]:
    turns = _turns(ids).filter(state__in=Turn.UNSETTLED)
    oldest = turns.order_by("last_message_at").values_list("last_message_at", flat=True).first()
    return {"count": turns.count(), "oldest": oldest}


def _turns(ids: Sequence[int]) -> "QuerySet[Turn]":
    """Those that count: test messages do not."""
    return Turn.objects.filter(organization__in=ids, conversation__contact__is_test=False)


def _hours(ids: Sequence[int], now: datetime) -> list[Hour]:
    """Turns per hour and outcome, for the chart: the hours of the reader's clock."""
    this_hour = localtime(now).replace(minute=0, second=0, microsecond=0).astimezone(UTC)
    start = this_hour - timedelta(hours=HOURS - 1)
    counts: dict[datetime, dict[str, int]] = defaultdict(dict)
    rows = (
        _turns(ids)
        .filter(first_message_at__gte=start)
        .annotate(hour=TruncHour("first_message_at"))
        .values_list("hour", "state")
        .annotate(turns=Count("pk"))
        .order_by()
    )
    for hour, state, turns in rows:
        outcome = "open" if state in Turn.UNSETTLED else state
        counts[hour][outcome] = counts[hour].get(outcome, 0) + turns
    peak = max((sum(each.values()) for each in counts.values()), default=0)
    starts = [start + timedelta(hours=index) for index in range(HOURS)]
    return [_hour(index, at, counts.get(at, {}), peak) for index, at in enumerate(starts)]


def _hour(index: int, start: datetime, counts: dict[str, int], peak: int) -> Hour:
    bars: list[Bar] = []
    top = float(CHART_HEIGHT)
    for outcome in OUTCOMES:
        if counts.get(outcome):
            height = counts[outcome] / peak * (CHART_HEIGHT - 4)
            top -= height
            bars.append(Bar(outcome, round(top, 2), round(height, 2)))
    said = ", ".join(
        f"{_outcome_label(outcome)}: {counts[outcome]}" for outcome in OUTCOMES if counts.get(outcome)
    )
    title = f"{moment(start, 'CLOCK')} · {said or _('no turns')}"
    return Hour(start, index * 100 / HOURS, sum(counts.values()), bars, title, index % 4 == 3)


def _outcome_label(outcome: str) -> str:
    return str(Turn.State(outcome).label)


def _newest(user: User) -> list[dict[str, Any]]:
    last = Message.objects.filter(conversation=OuterRef("pk")).order_by("-id")
    turn = Turn.objects.filter(conversation=OuterRef("pk")).order_by("-id")
    conversations = (
        tenancy.scope_in_view(Conversation.objects.all(), user, "conversations.view_conversation")
        .filter(last_message_at__isnull=False, contact__is_test=False)
        .select_related("contact__channel")
        .annotate(
            last_text=Subquery(last.values("text")[:1]),
            last_kind=Subquery(last.values("kind")[:1]),
            last_outcome=Subquery(turn.values("state")[:1]),
        )
    )
    return [
        {
            "pk": conversation.pk,
            "name": Truncator(printable(str(conversation.contact))).chars(40),
            "channel": conversation.contact.channel.name,
            "text": Truncator(
                printable(conversation.last_text or kind_of(conversation.last_kind or ""))
            ).chars(80),
            "outcome": conversation.last_outcome or "",
            "outcome_label": Turn.State(conversation.last_outcome).label if conversation.last_outcome else "",
            "at": conversation.last_message_at,
            "is_staff": conversation.owner == Conversation.Owner.STAFF,
        }
        for conversation in conversations[:NEWEST]
    ]


def _channels(user: User) -> Any:
    return tenancy.scope_in_view(Channel.objects.all(), user, "channels.view_channel")


def _next_steps(user: User, organizations: Any) -> list[dict[str, Any]]:
    """What is left to set up before the first answer; empty once everything is there."""
    if not organizations.exists():
        return (
            [_step(_("Create the first organization"), "organizations_organization_add", False)]
            if user.is_ops
            else []
        )
    if not tenancy.has_permission(user, "channels.add_channel", None):
        return []
    mine = tenancy.in_view(user, "channels.add_channel")
    published = PromptVersion.objects.filter(organization__in=mine, status=PromptVersion.Status.PUBLISHED)
    steps = [
        _step(
            _("Connect a channel"),
            "channels_channel_add",
            Channel.objects.filter(organization__in=mine).exists(),
        ),
        _step(_("Write and publish a prompt"), "workshop", published.exists()),
        _step(
            _("Add canned prompts with your own facts"),
            "workshop",
            CannedPrompt.objects.filter(organization__in=mine).exists(),
        ),
        _step(
            _("Write to your channel and watch the answer here"),
            "conversations_conversation_changelist",
            Conversation.objects.filter(organization__in=mine).exists(),
        ),
    ]
    return [] if all(step["is_done"] for step in steps) else steps


def _step(title: str, url_name: str, is_done: bool) -> dict[str, Any]:
    return {"title": title, "url_name": f"admin:{url_name}", "is_done": is_done}
