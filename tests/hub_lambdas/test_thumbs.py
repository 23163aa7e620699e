"""Contacts are asked whether an answer helped, and what they press is feedback: nothing answers it."""

from collections.abc import Callable
from typing import Any

import pytest

from console.channels.models import Channel
from console.conversations.models import Conversation, Message, Turn
from console.feedback.models import Feedback
from console.organizations.models import Organization
from hub_lambdas import inbound, staff
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.conftest import Pigeon
from tests.hub_lambdas.test_choices import answered

pytestmark = pytest.mark.django_db(transaction=True)
Write = Callable[..., dict[str, Any]]
THUMBS = ["👍", "👎"]


@pytest.fixture(autouse=True)
def _asks(channel: Channel) -> None:
    Organization.objects.update(asks_for_feedback=True)


def press(sqs: FakeSqs, write: Write, thumb: str, kind: str = "button", below: str = "") -> None:
    write(thumb, kind=kind, below=below)
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0


def opinions() -> list[tuple[str, bool]]:
    return list(Feedback.objects.values_list("message__text", "is_good"))


def test_a_press_is_feedback_and_no_turn(sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
    answered(sqs, write, "240 €.")
    assert pigeon.choices == [THUMBS]
    press(sqs, write, "👍")
    assert opinions() == [("240 €.", True)]
    assert list(Turn.objects.values_list("state", flat=True)) == ["answered"]
    assert sqs.requests() == []
    pressed = Message.objects.get(kind="feedback")
    assert (pressed.turn, pressed.text) == (None, "👍")
    assert len(pigeon.sent) == 1


def test_the_last_press_counts(sqs: FakeSqs, write: Write) -> None:
    answered(sqs, write, "240 €.")
    press(sqs, write, "👍")
    press(sqs, write, "👎")
    assert opinions() == [("240 €.", False)]


def test_presses_use_up_no_limit(sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
    Organization.objects.update(contact_messages_per_minute=2)
    answered(sqs, write, "240 €.")
    for thumb in ("👍", "👎", "👍"):
        press(sqs, write, thumb)
    answered(sqs, write, "9 to 5.")
    assert [text for _, text in pigeon.sent] == ["240 €.", "9 to 5."]


def test_what_comes_twice_is_stored_once(sqs: FakeSqs, write: Write) -> None:
    answered(sqs, write, "240 €.")
    for _ in range(2):
        write("👍", kind="button", message_id="press-1")
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    assert Message.objects.filter(kind="feedback").count() == 1


def test_a_thumb_that_somebody_types_is_a_message(sqs: FakeSqs, write: Write) -> None:
    answered(sqs, write, "240 €.")
    press(sqs, write, "👍", kind="text")
    assert opinions() == []
    assert Turn.objects.count() == 2


def test_a_thumb_that_nobody_asked_for_is_a_message(sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
    Organization.objects.update(asks_for_feedback=False)
    answered(sqs, write, "240 €.")
    assert pigeon.choices == [[]]
    press(sqs, write, "👍")
    assert opinions() == []
    assert Turn.objects.count() == 2


def test_a_press_below_an_answer_that_is_no_longer_here_is_no_turn(sqs: FakeSqs, write: Write) -> None:
    answered(sqs, write, "240 €.")
    press(sqs, write, "👍", below="deleted-by-retention")
    assert opinions() == []
    assert Message.objects.get(kind="feedback").text == "👍"
    assert Turn.objects.count() == 1
    assert sqs.requests() == []


@pytest.mark.parametrize("is_named", [True, False])
def test_a_thumb_among_an_answers_own_choices_is_a_message(
    sqs: FakeSqs, write: Write, is_named: bool
) -> None:
    answered(sqs, write, "Was it good?")
    asked = Message.objects.filter(purpose="answer")
    asked.update(choices=["👍", "👎", "?"], **({} if is_named else {"platform_id": None, "state": "unknown"}))
    press(sqs, write, "👍", below=asked.get().platform_id or "not-known-yet")
    assert Turn.objects.count() == 2


def test_who_has_no_buttons_is_not_asked(
    sqs: FakeSqs, write: Write, pigeon: Pigeon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pigeon, "numbers_choices", True)
    answered(sqs, write, "240 €.")
    assert pigeon.choices == [[]]


def test_a_press_keeps_nobody_from_closing(sqs: FakeSqs, write: Write) -> None:
    answered(sqs, write, "240 €.")
    conversation = Conversation.objects.get()
    seen = Message.objects.latest("pk").pk
    press(sqs, write, "👎")
    staff.close(conversation.pk, seen)
    conversation.refresh_from_db()
    assert conversation.is_closed
