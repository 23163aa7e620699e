"""Choices of a canned prompt: from its answer to the contact, and back as a message."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from console.channels.models import Channel
from console.conversations.models import Message
from console.prompts.models import CannedPrompt
from hub_lambdas import inbound, outbound
from hub_lambdas.channels.base import SendRefused
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.conftest import Pigeon
from tests.hub_lambdas.test_pipeline import answer

pytestmark = pytest.mark.django_db(transaction=True)
Write = Callable[..., dict[str, Any]]

CHOICES = ["Opening hours", "Prices"]


@pytest.fixture(autouse=True)
def canned(channel: Channel) -> CannedPrompt:
    return CannedPrompt.objects.create(
        organization=channel.organization,
        question="Hello",
        answer="Hello! How can we help you?",
        choices="Opening hours\n\n  Prices ",
    )


def answered(sqs: FakeSqs, write: Write, text: str, **message: Any) -> None:
    write(**message)
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    answer(sqs, text)
    assert sqs.run("dm-outbound.fifo", outbound.handler) == 0


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("Hello! How can we help you?", CHOICES),
        (" hello!  how can we\nhelp you? ", CHOICES),
        ("Hello! How can we help you today?", []),
        ("240 €.", []),
    ],
)
def test_they_go_with_the_canned_answer_and_no_other(
    sqs: FakeSqs, write: Write, pigeon: Pigeon, text: str, offered: Sequence[str]
) -> None:
    answered(sqs, write, text)
    assert pigeon.choices == [offered]


def test_they_go_with_the_last_part(sqs: FakeSqs, write: Write, pigeon: Pigeon, canned: CannedPrompt) -> None:
    canned.answer = "We are here. " * 12
    canned.save()
    answered(sqs, write, canned.answer)
    assert sqs.run("dm-outbound.fifo", outbound.handler) == 0
    assert pigeon.choices == [[], CHOICES]


def test_an_apology_in_front_takes_nothing_away(sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
    answered(sqs, write, "Hello! How can we help you?", age=3600)
    [(_, text)] = pigeon.sent
    assert text.endswith(" Hello! How can we help you?")
    assert pigeon.choices == [CHOICES]


def test_another_attempt_sends_the_same(
    sqs: FakeSqs, write: Write, pigeon: Pigeon, canned: CannedPrompt
) -> None:
    pigeon.faults = [SendRefused("slow down")]
    write()
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    answer(sqs, canned.answer)
    assert sqs.run("dm-outbound.fifo", outbound.handler) == 1
    CannedPrompt.objects.update(choices="Something else")
    sqs.release("dm-outbound.fifo")
    assert sqs.run("dm-outbound.fifo", outbound.handler) == 0
    assert pigeon.choices == [CHOICES]


def test_the_llm_sees_the_answer_without_them(sqs: FakeSqs, write: Write, canned: CannedPrompt) -> None:
    answered(sqs, write, canned.answer)
    write("And you?")
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    [request] = sqs.requests()
    assert {"role": "assistant", "content": canned.answer} in request["messages"]
    assert "Prices" not in json.dumps(request["messages"])


class TestNumbers:
    """Where a platform has no buttons, a contact answers with the number of a line."""

    @pytest.fixture(autouse=True)
    def offered(
        self, monkeypatch: pytest.MonkeyPatch, sqs: FakeSqs, write: Write, canned: CannedPrompt
    ) -> None:
        monkeypatch.setattr(Pigeon, "numbers_choices", True)
        answered(sqs, write, canned.answer)

    def understood(self, sqs: FakeSqs) -> tuple[str, str]:
        assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
        message = Message.objects.filter(direction="in").latest("pk")
        return message.kind, message.text

    @pytest.mark.parametrize(
        ("text", "kind", "meant"),
        [
            ("2", "button", "Prices"),
            (" 1. ", "button", "Opening hours"),
            ("3", "text", "3"),
            ("0", "text", "0"),
            ("2 people", "text", "2 people"),
            ("Prices", "text", "Prices"),
        ],
    )
    def test_a_bare_number_is_the_choice(
        self, sqs: FakeSqs, write: Write, text: str, kind: str, meant: str
    ) -> None:
        write(text)
        assert self.understood(sqs) == (kind, meant)

    def test_a_number_after_another_answer_is_a_number(self, sqs: FakeSqs, write: Write) -> None:
        answered(sqs, write, "How many are you?")
        write("2")
        assert self.understood(sqs) == ("text", "2")

    def test_a_number_is_a_number_where_there_are_buttons(
        self, sqs: FakeSqs, write: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Pigeon, "numbers_choices", False)
        write("2")
        assert self.understood(sqs) == ("text", "2")


def test_variables_are_filled_in_and_the_choices_still_go_with_it(
    sqs: FakeSqs, write: Write, pigeon: Pigeon, canned: CannedPrompt
) -> None:
    canned.answer = "Hello {{contact.name|you}}! How can {{organization.name}} help?"
    canned.save()
    answered(sqs, write, canned.answer)
    assert pigeon.sent == [("ann", "Hello you! How can The Loft help?")]
    assert pigeon.choices == [CHOICES]
