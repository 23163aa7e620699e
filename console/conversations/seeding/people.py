"""Made-up organizations: their members, channels, prompts and labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random

from django.contrib.auth.hashers import make_password

from console.channels.models import Channel
from console.conversations.seeding import texts
from console.inbox.models import Label
from console.organizations.models import Member, Organization, User
from console.prompts.models import CannedPrompt, PromptVersion
from hub_lambdas.channels import KINDS

PREFIX = "seed-"
"""Of the short names of made-up organizations: nobody else's begin so."""
_LABELS = (
    ("refund", "red"),
    ("vip", "violet"),
    ("booking", "blue"),
    ("complaint", "amber"),
    ("done", "green"),
)
CANNED = 12


@dataclass(frozen=True)
class Tenant:
    """One organization, and who and what its conversations are with."""

    organization: Organization
    channels: Sequence[Channel]
    staff: Sequence[User]
    labels: Sequence[Label]
    prompt: PromptVersion
    messages: int


def make(number: int, messages: int, random: Random, until: datetime, password: str) -> Tenant:
    """The organization of this number, with as many members and channels as its messages call for."""
    organization = Organization.objects.create(
        slug=f"{PREFIX}{number + 1:04}", name=texts.organization_name(number)
    )
    size = min(8, max(2, messages // 2500))
    users = User.objects.bulk_create(
        User(
            email=f"{'admin' if index == 0 else f'agent-{index}'}@{organization.slug}.example",
            name=texts.person(random),
            password=password or make_password(None),
        )
        for index in range(size)
    )
    Member.objects.bulk_create(
        Member(
            organization=organization,
            user=user,
            role=Member.Role.AGENT if index else Member.Role.ADMIN,
            gets_alerts=False,
        )
        for index, user in enumerate(users)
    )
    prompt = PromptVersion.objects.create(
        organization=organization,
        author=users[0],
        instructions=f"You are the assistant of {organization}. Answer in one or two short sentences.",
    )
    prompt.publish()
    CannedPrompt.objects.bulk_create(
        CannedPrompt(organization=organization, position=place, question=question, answer=answer)
        for place in range(CANNED)
        for question, answer in [texts.canned(random, place)]
    )
    labels = Label.objects.bulk_create(
        Label(organization=organization, name=name, color=color) for name, color in _LABELS
    )
    return Tenant(
        organization, _channels(organization, messages, random, until), users, labels, prompt, messages
    )


def _channels(
    organization: Organization, messages: int, random: Random, until: datetime
) -> Sequence[Channel]:
    """Of different kinds, each asked just now how it is: nobody asks the platforms of accounts that there are
    not."""
    shares = {kind: 1 / place for place, kind in enumerate(KINDS, 1)}
    chosen: list[str] = []
    for _ in range(min(len(shares), 1 + (messages > 1000) + (messages > 5000) + (messages > 20_000))):
        left = [kind for kind in shares if kind not in chosen]
        chosen += random.choices(left, [shares[kind] for kind in left])
    return Channel.objects.bulk_create(
        Channel(
            organization=organization,
            kind=kind,
            name=KINDS[kind].label,
            account=f"{organization} on {KINDS[kind].label}",
            credentials={},
            checked_at=until,
            last_webhook_at=until,
        )
        for kind in chosen
    )
