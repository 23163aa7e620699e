"""What the ledger knows of the platform's health: broken channels, turns past their limit, dead letters, and
how soon the database answers. Counts and names, never a word of a message."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Count, Q
from django.urls import reverse

from console import tenancy
from console.channels.models import Channel
from console.conversations.models import DeadLetter
from console.conversations.report import Scope, report
from console.organizations.models import Organization, User
from console.proof.subject import address

SHOWN_AT_MOST = 20


@dataclass(frozen=True)
class BrokenChannel:
    """A channel that needs attention, why, and where that is done."""

    name: str
    kind: str
    organization: str
    reason: str
    is_held: bool
    href: str


@dataclass(frozen=True)
class LateOrganization:
    """An organization with turns that are open past its limit."""

    name: str
    turns: int
    limit_seconds: int
    href: str


@dataclass(frozen=True)
class Ledger:
    """`answer_ms`: how long the database took to answer. `dead_letters` wait, by the queue they came from."""

    answer_ms: float
    broken: Sequence[BrokenChannel]
    broken_count: int
    late: Sequence[LateOrganization]
    late_turns: int
    open_turns: int
    dead_letters: dict[str, int]


def read(user: User, now: datetime) -> Ledger:
    """The ledger of every organization that `user` sees: of all, for ops."""
    answer_ms = _answer_ms()
    seen = tenancy.organizations_with(user, "operations.view_health")
    organizations = {each.pk: each for each in seen}
    channels = tenancy.scope(Channel.objects.all(), user, "operations.view_health")
    broken = channels.exclude(status_reason="").exclude(status=Channel.Status.RETIRED)
    scope = Scope(list(organizations), until=now, is_platform=True)
    standing = report(scope.standing, measures=(), by_organization=True)
    late = {pk: found.counts["overdue"] for pk, found in standing.by_organization.items()}
    worst = sorted((pk for pk, turns in late.items() if turns), key=lambda pk: -late[pk])
    return Ledger(
        answer_ms=answer_ms,
        broken=[_broken(each) for each in broken.select_related("organization")[:SHOWN_AT_MOST]],
        broken_count=broken.count(),
        late=[_late(organizations[pk], late[pk]) for pk in worst[:SHOWN_AT_MOST]],
        late_turns=standing.total.counts["overdue"],
        open_turns=standing.total.counts["open"],
        dead_letters=_dead_letters(list(organizations)),
    )


def _answer_ms() -> float:
    started = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return (time.perf_counter() - started) * 1000


def _broken(channel: Channel) -> BrokenChannel:
    return BrokenChannel(
        name=channel.name,
        kind=channel.kind,
        organization=channel.organization.name,
        reason=channel.status_reason,
        is_held=channel.is_held,
        href=reverse("admin:channels_channel_change", args=[channel.pk]),
    )


def _late(organization: Organization, turns: int) -> LateOrganization:
    href = f"{address('turns', organization.slug)}?which=overdue&standing=1"
    return LateOrganization(organization.name, turns, organization.handover_after_seconds, href)


def _dead_letters(organization_ids: Sequence[int]) -> dict[str, int]:
    """How many wait, and no more: what they say is for members."""
    platforms = Q(organization__isnull=True) | Q(organization__in=organization_ids)
    waiting = DeadLetter.objects.filter(platforms, state=DeadLetter.State.WAITING).order_by()
    return dict(waiting.values_list("queue").annotate(Count("pk")))
