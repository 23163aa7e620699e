"""Made-up organizations are as a hub at work has them, and nobody's real ones are touched."""

from collections import Counter
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.db.models import F, Max, Q

from console.conversations.models import Conversation, LlmRequest, Message, Turn
from console.dashboards.models import Tally
from console.inbox.queues import waiting_count
from console.organizations.models import Member, Organization, User
from tests import factories
from tests.console.conftest import body, signed_in


def seed(**more: object) -> str:
    said = StringIO()
    call_command(
        "seed_demo",
        **{
            "organizations": 3,
            "messages": 600,
            "days": 2,
            "until": "2026-11-27T12:00",
            "stdout": said,
            **more,
        },
        stderr=StringIO(),
    )
    return said.getvalue()


@pytest.mark.django_db
def test_what_is_made_holds_together() -> None:
    assert seed().startswith("3 organizations, ")
    sizes = Counter(Message.objects.values_list("conversation__organization__slug", flat=True))
    assert [slug for slug, _ in sizes.most_common()] == ["seed-0001", "seed-0002", "seed-0003"]
    assert 400 < sizes.total() < 800
    states = Counter(Turn.objects.values_list("state", flat=True))
    assert states["answered"] > states["handed_over"] > states["declined"] > 0 == states["open"]
    answers = Message.objects.filter(purpose="answer")
    assert not answers.filter(Q(sent_at__lt=F("sending_at")) | ~Q(turn__state="answered")).exists()
    assert (
        LlmRequest.objects.filter(turn=F("last_message__turn"), completion_tokens__gt=0).count()
        == answers.count()
    )
    newest = Conversation.objects.annotate(newest=Max("messages__received_at")).exclude(last_message_at=None)
    assert not newest.exclude(last_message_at=F("newest")).exists()
    counted = Tally.objects.filter(organization=None).values_list("turns", flat=True)
    assert sum(counted) == Turn.objects.count()


@pytest.mark.django_db
def test_pages_show_it() -> None:
    seed(password=factories.PASSWORD)
    admin = Member.objects.get(organization__slug="seed-0001", role="admin").user
    assert admin.check_password(factories.PASSWORD)
    conversation = Conversation.objects.filter(organization__slug="seed-0001", last_message_at__isnull=False)[
        0
    ]
    for page in (
        "/",
        "/inbox/?queue=all",
        f"/inbox/{conversation.pk}/",
        "/dashboard/organization/seed-0001/",
    ):
        assert signed_in(admin).get(page).status_code == 200
    assert "Lakeside Dental 1" in body(signed_in(admin).get("/dashboard/organization/seed-0001/"))
    assert (
        waiting_count(admin)
        == Conversation.objects.filter(organization__slug="seed-0001", waiting_since__isnull=False).count()
    )


@pytest.mark.django_db
def test_the_same_seed_makes_the_same() -> None:
    def made(number: int) -> list[object]:
        with transaction.atomic():
            seed(seed=number)
            messages = Message.objects.order_by("id")
            found = list(messages.values_list("text", "platform_id", "state", "received_at"))
            transaction.set_rollback(True)
        return found

    first = made(7)
    assert made(7) == first
    assert made(8) != first


@pytest.mark.django_db
def test_real_data_is_left_alone() -> None:
    factories.make_organization()
    with pytest.raises(CommandError, match="Take an empty one"):
        seed()
    assert Organization.objects.count() == 1
    seed(force=True)
    with pytest.raises(CommandError, match="made-up organizations already"):
        seed(force=True)
    assert User.objects.filter(email__endswith=".example").count() == Member.objects.count()
