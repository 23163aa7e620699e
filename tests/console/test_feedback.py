"""Members say whether an answer of the bot helped."""

from datetime import timedelta

import pytest
from django.utils import timezone

from console.conversations.models import Message
from console.feedback.models import Feedback
from console.organizations.models import User
from tests import factories
from tests.console.conftest import World, body, signed_in


@pytest.fixture
def answer(world: World) -> Message:
    return Message.objects.get(conversation=world.conversation, purpose="answer")


def say(user: User, answer: Message, verdict: str) -> int:
    address = f"/inbox/{answer.conversation_id}/feedback/"
    return signed_in(user).post(address, {"message": answer.pk, "verdict": verdict}).status_code


def given() -> list[tuple[str, bool]]:
    return list(Feedback.objects.values_list("member__email", "is_good").order_by("member__email"))


def test_each_member_has_one_opinion_and_may_change_or_drop_it(world: World, answer: Message) -> None:
    assert say(world.agent, answer, "good") == 302
    assert say(world.admin, answer, "bad") == 302
    assert given() == [("zebra-admin@example.com", False), ("zebra-agent@example.com", True)]
    assert say(world.agent, answer, "bad") == 302
    assert say(world.admin, answer, "bad") == 302
    assert given() == [("zebra-agent@example.com", False)]


def test_opinions_stand_below_the_answer(world: World, answer: Message) -> None:
    say(world.agent, answer, "good")
    page = body(signed_in(world.admin).get(f"/inbox/{world.conversation.pk}/"))
    assert page.count('name="verdict"') == 2
    assert page.count('aria-pressed="true"') == 0
    assert "zebra-agent@example.com<span" in page
    own = body(signed_in(world.agent).get(f"/inbox/{world.conversation.pk}/"))
    assert 'value="good" aria-pressed="true"' in own


def test_only_answers_of_the_bot_that_were_sent(world: World, answer: Message) -> None:
    staff = factories.make_outbound(world.conversation, purpose="staff")
    inbound = Message.objects.filter(conversation=world.conversation, direction="in").first()
    assert inbound is not None
    anothers = Message.objects.get(conversation__organization=world.other, purpose="answer")
    assert [say(world.admin, each, "good") for each in (staff, inbound, anothers)] == [404, 404, 404]
    assert say(world.outsider, answer, "good") == say(world.ops, answer, "good") == 404
    assert given() == []


def test_feedback_is_on_the_dashboard(world: World, answer: Message) -> None:
    say(world.agent, answer, "good")
    say(world.admin, answer, "bad")
    Feedback.objects.create(organization=world.organization, message=answer, source="contact", is_good=True)
    Feedback.objects.filter(is_good=False).update(given_at=timezone.now() - timedelta(days=20))
    page = body(signed_in(world.agent).get("/dashboard/organization/zebra-clinic/?period=7d"))
    assert "of 2 with feedback" in page
    assert "of 3 with feedback" in body(signed_in(world.ops).get("/dashboard/?period=30d"))
    assert "of 0 with feedback" in body(
        signed_in(world.outsider).get("/dashboard/organization/heron-bakery/")
    )
