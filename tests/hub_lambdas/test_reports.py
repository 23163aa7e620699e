"""What a platform says of messages after it took them, and what is edited or taken back."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from console.conversations.models import Conversation, Message, PlatformEvent
from console.organizations.models import Organization, User
from hub_lambdas import inbound, outbound, staff
from hub_lambdas.channels.base import ReplyWindow
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
        sqs.run("dm-outbound.fifo", outbound.handler)
        assert [text for _, text in pigeon.sent[1:]] == [Organization.objects.get().fallback]
        self.answer.refresh_from_db()
        assert (self.answer.state, self.answer.error) == ("failed", "More than 24 hours have passed.")

    def test_whom_nothing_reaches_is_told_nothing_until_they_write_again(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon
    ) -> None:
        write(kind="receipt", message=self.answer.platform_id, failure="No such number.", gone=True)
        take(sqs)
        sqs.run("dm-outbound.fifo", outbound.handler)
        assert len(pigeon.sent) == 1
        write("Hello? I am back.")
        take(sqs)
        sqs.run("dm-outbound.fifo", outbound.handler)
        assert outcomes() == [("handed_over", "delivery_failed"), ("handed_over", "staff_owns")]
        assert [text for _, text in pigeon.sent[1:]] == [Organization.objects.get().fallback]

    def test_who_has_written_since_is_there(self, sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
        write("And on Sunday?")
        take(sqs)
        write(kind="receipt", message=self.answer.platform_id, failure="No such number.", gone=True)
        take(sqs)
        sqs.run("dm-outbound.fifo", outbound.handler)
        assert [text for _, text in pigeon.sent[1:]] == [Organization.objects.get().fallback]


class TestEdited:
    """Whoever reads a conversation reads what the contact means now; what has its outcome keeps it."""

    def edit(self, sqs: FakeSqs, write: Write) -> Message:
        write("4 pm", kind="edit", of="a")
        take(sqs)
        return Message.objects.get(platform_id="a")

    def test_what_staff_have_shows_the_text_as_it_is_now(self, sqs: FakeSqs, write: Write) -> None:
        write("3 pm", kind="image", message_id="a")
        take(sqs)
        assert outcomes() == [("handed_over", "not_text")]
        message = self.edit(sqs, write)
        assert message.text == "4 pm"
        assert message.edited_at is not None
        assert outcomes() == [("handed_over", "not_text")]
        assert sqs.requests() == []

    def test_what_was_answered_is_not_answered_again(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon
    ) -> None:
        write("3 pm", message_id="a")
        run(sqs)
        assert self.edit(sqs, write).text == "4 pm"
        run(sqs)
        assert outcomes() == [("answered", "")]
        assert len(pigeon.sent) == 1

    def test_what_was_taken_back_stays_empty(self, sqs: FakeSqs, write: Write) -> None:
        write("3 pm", message_id="a")
        run(sqs)
        write(kind="unsend", of="a")
        assert self.edit(sqs, write).text == ""


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

    @pytest.mark.parametrize("order", [("echo", "unsend"), ("unsend", "echo")])
    def test_nothing_is_kept_of_what_staff_took_back_in_the_platforms_own_app(
        self, sqs: FakeSqs, write: Write, order: Sequence[str]
    ) -> None:
        posts = {
            "echo": {"text": "my secret", "kind": "echo", "message_id": "e"},
            "unsend": {"kind": "unsend", "of": "e"},
        }
        for each in order:
            write(**posts[each])
            take(sqs)
        message = Message.objects.get(direction="out")
        assert (message.kind, message.text) == ("unsent", "")
        assert PlatformEvent.objects.get(kind="echo").payload == ""


class TestReplyWindow:
    """The platform takes answers for a day, and what people write for a week."""

    @pytest.fixture(autouse=True)
    def asked(self, sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
        pigeon.window = ReplyWindow(bot=timedelta(hours=24), staff=timedelta(days=7))
        write()
        take(sqs)

    def wait(self, **time: float) -> None:
        Message.objects.filter(direction="in").update(platform_at=timezone.now() - timedelta(**time))

    def reply(self, sqs: FakeSqs) -> str:
        """What became of a reply of staff's."""
        user = User.objects.create_user("ann@loft.example")
        [reply] = staff.reply(Conversation.objects.get().pk, user, "It is Ann, I saw to it.")
        sqs.run("dm-outbound.fifo", outbound.handler)
        reply.refresh_from_db()
        return reply.error or reply.state

    def test_nothing_of_the_bot_is_sent_after_its_time(self, sqs: FakeSqs, pigeon: Pigeon) -> None:
        answer(sqs, "Certainly.")
        self.wait(hours=24, seconds=1)
        sqs.run("dm-outbound.fifo", outbound.handler)
        assert pigeon.sent == []
        assert outcomes() == [("handed_over", "delivery_failed")]
        assert "the contact has to write again" in Message.objects.get(purpose="answer").error

    def test_what_staff_write_then_is_sent_as_late(self, sqs: FakeSqs, pigeon: Pigeon) -> None:
        self.wait(hours=24, seconds=1)
        assert self.reply(sqs) == "sent"
        assert pigeon.late == [True]

    def test_what_staff_write_in_the_bots_time_is_not_late(self, sqs: FakeSqs, pigeon: Pigeon) -> None:
        self.wait(hours=23)
        assert self.reply(sqs) == "sent"
        assert pigeon.late == [False]

    def test_nothing_of_staff_is_sent_after_theirs(self, sqs: FakeSqs, pigeon: Pigeon) -> None:
        self.wait(days=7, seconds=1)
        assert "the contact has to write again" in self.reply(sqs)
        assert pigeon.sent == []
