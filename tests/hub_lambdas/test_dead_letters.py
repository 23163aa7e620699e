"""What nobody could process: why, who is told, and what a replay does."""

import pytest
from django.core import mail

from console.channels.models import Channel
from console.conversations.models import Conversation, DeadLetter
from console.organizations.models import Organization, User
from hub_lambdas import (
    batch,
    dead_letters,
    inbound,
    queues,
    staff,
    sweep,
    wakeups,
)
from hub_lambdas.channels.base import (
    InboundMessage,
    Sender,
    Unread,
)
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.conftest import Pigeon
from tests.hub_lambdas.steps import Write, ask, member
from tests.hub_lambdas.test_pipeline import run

pytestmark = pytest.mark.django_db(transaction=True)


class TestDeadLetterCauses:
    def test_the_last_failure_says_why(self, sqs: FakeSqs, channel: Channel) -> None:
        sqs.put("wakeups", {"nonsense": True})
        for _ in range(batch.MAX_RECEIVES):
            assert sqs.run("wakeups", wakeups.handler) == 1
        letter = DeadLetter.objects.get()
        assert (letter.queue, letter.cause) == ("wakeups", "KeyError")
        [record] = sqs.queues.pop("wakeups")
        record["eventSourceARN"] = record["eventSourceARN"] + "-dead"
        assert dead_letters.handler({"Records": [record]}, None) == {"batchItemFailures": []}
        assert DeadLetter.objects.get().cause == "KeyError"

    def test_a_reply_of_staff_is_shown_to_its_organization(self, sqs: FakeSqs, write: Write) -> None:
        ask(sqs, write, kind="image")
        user = User.objects.create_user("ann@example.com")
        [message] = staff.reply(Conversation.objects.get().pk, user, "Hello, Ann here.")
        sqs.put("dm-outbound-dead.fifo", {"message": message.pk})
        assert sqs.run("dm-outbound-dead.fifo", dead_letters.handler) == 0
        assert DeadLetter.objects.get().organization == Organization.objects.get()

    def test_one_that_was_replayed_is_handled_like_any_other(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon
    ) -> None:
        write("hello")
        [record] = sqs.queues.pop("dm-inbound.fifo")
        queues.replay("dm-inbound.fifo", record["body"])
        run(sqs)
        assert len(pigeon.sent) == 1


class TestUnreadWebhooks:
    """The kind stumbles over a webhook: nobody knows whether somebody asks something in it."""

    @pytest.fixture(autouse=True)
    def buried(self, sqs: FakeSqs, write: Write) -> None:
        write(kind="explode")
        for _ in range(batch.MAX_RECEIVES):
            assert sqs.run("dm-inbound.fifo", inbound.handler) == 1
        [record] = sqs.queues.pop("dm-inbound.fifo")
        record["eventSourceARN"] = "arn:aws:sqs:us-east-1:000000000000:dm-inbound-dead.fifo"
        assert dead_letters.handler({"Records": [record]}, None) == {"batchItemFailures": []}

    def test_staff_are_told(self) -> None:
        member()
        sweep.handler({}, None)
        assert mail.outbox[0].subject == "1 message could not be stored · The Loft"

    def test_a_kind_that_notices_itself_that_it_cannot_read_it(
        self, sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        again = Unread("1", "[]")
        monkeypatch.setattr(Pigeon, "parse", lambda self, request, account: [again])
        letter = DeadLetter.objects.get()
        queues.replay(letter.queue, letter.body)
        assert sqs.run("dm-inbound.fifo", inbound.handler) == 1

    def test_a_later_release_may_read_it(
        self, sqs: FakeSqs, pigeon: Pigeon, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        understood = InboundMessage(Sender("ann"), "1", "text", "hello", None, "{}")
        monkeypatch.setattr(Pigeon, "parse", lambda self, request, account: [understood])
        letter = DeadLetter.objects.get()
        queues.replay(letter.queue, letter.body)
        run(sqs)
        assert len(pigeon.sent) == 1
