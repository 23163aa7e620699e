"""What a platform says of messages after it took them, and what contacts take back."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from console.conversations.models import Conversation, Message
from hub_lambdas import inbound, outbound
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.conftest import Pigeon
from tests.hub_lambdas.test_pipeline import answer, outcomes, run

pytestmark = pytest.mark.django_db(transaction=True)
Write = Callable[..., dict[str, Any]]


def take(sqs: FakeSqs) -> None:
    assert sqs.run("dm-inbound.fifo", inbound.handler, times=2) == 0


class TestReceipts:
    @pytest.fixture(autouse=True)
    def answered(self, sqs: FakeSqs, write: Write) -> None:
        write()
        run(sqs)
        self.answer = Message.objects.get(purpose="answer")

    def reached(self) -> str:
        self.answer.refresh_from_db()
        return self.answer.reached

    def test_they_move_a_message_on_and_never_back(self, sqs: FakeSqs, write: Write) -> None:
        for reached, then in [("sent", "sent"), ("read", "read"), ("delivered", "read")]:
            write(kind="receipt", message=self.answer.platform_id, reached=reached)
            take(sqs)
            assert self.reached() == then

    def test_a_watermark_is_for_all_up_to_it(self, sqs: FakeSqs, write: Write) -> None:
        write(kind="receipt", reached="read", until=timezone.now().timestamp() - 60)
        take(sqs)
        assert self.reached() == ""
        write(kind="receipt", reached="read", until=timezone.now().timestamp() + 1)
        take(sqs)
        assert self.reached() == "read"

    def test_an_answer_that_was_taken_and_not_delivered_is_for_staff(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon
    ) -> None:
        write(kind="receipt", message=self.answer.platform_id, failure="More than 24 hours have passed.")
        take(sqs)
        assert outcomes() == [("handed_over", "delivery_failed")]
        assert Conversation.objects.get().owner == "staff"
        assert len(pigeon.sent) == 1
        self.answer.refresh_from_db()
        assert (self.answer.state, self.answer.error) == ("failed", "More than 24 hours have passed.")


class TestUnsent:
    def test_a_message_that_was_taken_back_is_not_kept(self, sqs: FakeSqs, write: Write) -> None:
        write("my secret", message_id="a")
        run(sqs)
        write(kind="unsend", of="a")
        take(sqs)
        message = Message.objects.get(direction="in")
        assert (message.kind, message.text, message.payload) == ("unsent", "", "")
        assert outcomes() == [("answered", "")]

    def test_nobody_answers_what_was_taken_back(self, sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
        write("my secret", message_id="a")
        take(sqs)
        write(kind="unsend", of="a")
        take(sqs)
        answer(sqs, "Certainly.")
        sqs.run("dm-outbound.fifo", outbound.handler)
        assert outcomes() == [("declined", "unsent")]
        assert pigeon.sent == []

    def test_the_rest_of_the_turn_is_answered(self, sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
        write("my secret", message_id="a")
        write("When are you open?", message_id="b")
        take(sqs)
        write(kind="unsend", of="a")
        run(sqs)
        assert outcomes() == [("answered", "")]
        assert len(pigeon.sent) == 1


def test_nothing_is_sent_after_the_platforms_window(
    sqs: FakeSqs, write: Write, pigeon: Pigeon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pigeon, "reply_window", timedelta(hours=24))
    write()
    take(sqs)
    answer(sqs, "Certainly.")
    Conversation.objects.update(last_message_at=timezone.now() - timedelta(hours=25))
    sqs.run("dm-outbound.fifo", outbound.handler)
    assert pigeon.sent == []
    assert outcomes() == [("handed_over", "delivery_failed")]
    assert "24 hours" in Message.objects.get(purpose="answer").error
