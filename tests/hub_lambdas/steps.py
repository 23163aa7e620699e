"""What happens to a message step by step, and who in an organization hears of it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.utils import timezone

from console.conversations.models import Message, Turn
from console.organizations.models import Member, Organization, User
from hub_lambdas import (
    inbound,
    outbound,
    wakeups,
)
from tests.fakes.sqs import FakeSqs

Write = Callable[..., dict[str, Any]]


def ask(sqs: FakeSqs, write: Write, text: str = "hello", **fields: Any) -> None:
    """A message on its way to the LLM."""
    write(text, **fields)
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0


def age(seconds: float) -> None:
    """Let time pass since the contact wrote."""
    ago = timezone.now() - timedelta(seconds=seconds)
    Message.objects.filter(direction="in").update(received_at=ago, platform_at=ago)
    Turn.objects.update(last_message_at=ago, first_message_at=ago)


def wake(sqs: FakeSqs) -> None:
    sqs.release("wakeups")
    assert sqs.run("wakeups", wakeups.handler) == 0


def send(sqs: FakeSqs) -> None:
    sqs.run("dm-outbound.fifo", outbound.handler)


def member(email: str = "staff@example.com", **fields: Any) -> Member:
    user = User.objects.create_user(email)
    return Member.objects.create(organization=Organization.objects.get(), user=user, **fields)
