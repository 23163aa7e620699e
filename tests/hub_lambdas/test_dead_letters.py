"""What nobody could process: why, who is told, and what a replay does."""

import uuid
from datetime import timedelta
from typing import Any, NoReturn

import pytest
from django.core import mail
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from console.channels.models import Channel
from console.conversations.dead_letters import resolution
from console.conversations.models import Contact, Conversation, DeadLetter, Message, MessageMedia, Turn
from console.organizations.models import Organization, User
from hub_lambdas import burial, dead_letters, inbound, outbound, queues, sending, staff, sweep, wakeups
from hub_lambdas.channels.base import InboundMessage, Sender, Unread
from hub_lambdas.record import MAX_RECEIVES
from hub_lambdas.unsent import GIVEN_UP, TRIED_FOR
from tests.fakes.sqs import FakeSqs, Handler
from tests.hub_lambdas.conftest import Pigeon
from tests.hub_lambdas.steps import Write, ask, member
from tests.hub_lambdas.test_pipeline import answer, outcomes, run

pytestmark = pytest.mark.django_db(transaction=True)


def receives_until_nothing_fails(sqs: FakeSqs, queue: str, handler: Handler) -> int:
    count = 1
    while sqs.run(queue, handler):
        count += 1
    return count


def buried_by_the_queue(sqs: FakeSqs, queue: str) -> int:
    """SQS moves what is left in a queue to its dead-letter queue; how many of those letters fail."""
    dead = queue.replace(".fifo", "") + "-dead" + queue[len(queue.removesuffix(".fifo")) :]
    records = sqs.queues.pop(queue)
    sqs.queues[dead] = [
        {**each, "eventSourceARN": each["eventSourceARN"].replace(queue, dead)} for each in records
    ]
    return sqs.run(dead, dead_letters.handler)


class TestPoisonInAGroup:
    """A record that nobody can process, with two messages of the same contact behind it."""

    @pytest.fixture(autouse=True)
    def poisoned(self, sqs: FakeSqs, write: Write) -> None:
        write("first")
        write("second")
        [first, _] = sqs.queues["dm-inbound.fifo"]
        group = first["attributes"]["MessageGroupId"]
        sqs.send_message(QueueUrl="dm-inbound.fifo", MessageBody='{"poison": 1}', MessageGroupId=group)
        sqs.queues["dm-inbound.fifo"].insert(0, sqs.queues["dm-inbound.fifo"].pop())

    def stored(self) -> list[str]:
        return list(Message.objects.filter(direction="in").order_by("pk").values_list("text", flat=True))

    def test_it_is_a_dead_letter_alone_and_the_others_go_on_in_order(
        self, sqs: FakeSqs, pigeon: Pigeon
    ) -> None:
        for _ in range(MAX_RECEIVES - 1):
            assert sqs.run("dm-inbound.fifo", inbound.handler) == 3
            assert self.stored() == []
        assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
        assert [letter.body for letter in DeadLetter.objects.all()] == ['{"poison": 1}']
        assert self.stored() == ["first", "second"]
        run(sqs)
        assert len(pigeon.sent) == 1

    def test_without_a_database_it_is_left_to_its_queue(
        self, sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as away:
            away.setattr(DeadLetter.objects, "get_or_create", unreachable)
            for _ in range(MAX_RECEIVES):
                assert sqs.run("dm-inbound.fifo", inbound.handler) == 3
        assert DeadLetter.objects.count() == 0
        assert buried_by_the_queue(sqs, "dm-inbound.fifo") == 0
        assert '{"poison": 1}' in [letter.body for letter in DeadLetter.objects.all()]
        assert self.stored() == ["first", "second"]

    def test_killed_before_it_was_acknowledged_it_is_one_dead_letter_all_the_same(self, sqs: FakeSqs) -> None:
        [poison, *_] = sqs.queues["dm-inbound.fifo"]
        assert receives_until_nothing_fails(sqs, "dm-inbound.fifo", inbound.handler) == MAX_RECEIVES
        sqs.queues["dm-inbound.fifo"] = [poison]
        assert buried_by_the_queue(sqs, "dm-inbound.fifo") == 0
        assert [letter.cause for letter in DeadLetter.objects.all()] == ["KeyError"]


def unreachable(*args: Any, **kwargs: Any) -> NoReturn:
    raise OperationalError("the database is away")


def test_what_waits_to_be_sent_again_is_no_dead_letter_before_its_queue_says_so(
    sqs: FakeSqs, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def later(message_id: int) -> NoReturn:
        raise sending.RetryLater(40)

    write("hello")
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    answer(sqs)
    monkeypatch.setattr(sending, "deliver", later)
    sqs.queues["dm-outbound.fifo"] = sqs.queues["dm-outbound.fifo"][-1:]
    for _ in range(MAX_RECEIVES):
        assert sqs.run("dm-outbound.fifo", outbound.handler) == 1
    assert DeadLetter.objects.count() == 0
    assert buried_by_the_queue(sqs, "dm-outbound.fifo") == 0
    assert DeadLetter.objects.count() == 1
    assert outcomes() == [("handed_over", "dead_letter")]


def unsent(sqs: FakeSqs, write: Write, purpose: str) -> Message:
    """A message of this purpose on its way to a contact whom staff have."""
    ask(sqs, write, kind="image")
    user = User.objects.create_user("ann@example.com")
    if purpose == "staff":
        Message.objects.filter(purpose="fallback").delete()
        staff.reply(Conversation.objects.get().pk, user, "Hello, Ann here.")
    return Message.objects.get(purpose=purpose)


def buried(sqs: FakeSqs, message: Message, *, tried_for: timedelta = TRIED_FOR) -> None:
    Message.objects.filter(pk=message.pk).update(stored_at=timezone.now() - tried_for)
    sqs.put("dm-outbound-dead.fifo", {"message": message.pk})
    assert sqs.run("dm-outbound-dead.fifo", dead_letters.handler) == 0


class TestDeadLetterCauses:
    def test_the_last_failure_says_why(self, sqs: FakeSqs, channel: Channel) -> None:
        sqs.put("wakeups", {"nonsense": True})
        assert receives_until_nothing_fails(sqs, "wakeups", wakeups.handler) == MAX_RECEIVES
        letter = DeadLetter.objects.get()
        assert (letter.queue, letter.cause) == ("wakeups", "KeyError")

    def test_a_reply_of_staff_is_shown_to_its_organization(self, sqs: FakeSqs, write: Write) -> None:
        ask(sqs, write, kind="image")
        user = User.objects.create_user("ann@example.com")
        [message] = staff.reply(Conversation.objects.get().pk, user, "Hello, Ann here.")
        sqs.put("dm-outbound-dead.fifo", {"message": message.pk})
        assert sqs.run("dm-outbound-dead.fifo", dead_letters.handler) == 0
        assert DeadLetter.objects.get().organization == Organization.objects.get()

    def test_so_is_an_errand_and_nobody_gets_an_email_for_it(self, sqs: FakeSqs, write: Write) -> None:
        ask(sqs, write, kind="image", files=["a"])
        member()
        for body in (
            {"media": MessageMedia.objects.get().pk},
            {"contact": Contact.objects.get().pk},
        ):
            sqs.put("errands-dead", body)
        assert sqs.run("errands-dead", dead_letters.handler) == 0
        assert [each.organization for each in DeadLetter.objects.all()] == 2 * [Organization.objects.get()]
        told = len(mail.outbox)
        sweep.handler({}, None)
        assert [each.subject for each in mail.outbox[told:]] == ["1 conversation waits · The Loft"]

    def test_staff_are_told_of_a_reply_that_could_not_be_sent(self, sqs: FakeSqs, write: Write) -> None:
        ask(sqs, write, kind="image")
        [message] = staff.reply(Conversation.objects.get().pk, member().user, "Hello, Ann here.")
        Turn.objects.update(staff_told_at=timezone.now())
        sqs.put("dm-outbound-dead.fifo", {"message": message.pk})
        sqs.run("dm-outbound-dead.fifo", dead_letters.handler)
        sweep.handler({}, None)
        assert [each.subject for each in mail.outbox] == ["1 reply could not be sent · The Loft"]

    def test_of_a_message_that_fails_again_and_again_staff_are_told_once(
        self, sqs: FakeSqs, write: Write
    ) -> None:
        ask(sqs, write, kind="image")
        [message] = staff.reply(Conversation.objects.get().pk, member().user, "Hello, Ann here.")
        Turn.objects.update(staff_told_at=timezone.now())
        for _ in range(4):
            buried(sqs, message, tried_for=timedelta(minutes=6))
            sweep.handler({}, None)
        assert [each.subject for each in mail.outbox] == ["1 reply could not be sent · The Loft"]
        assert DeadLetter.objects.count() == 1

    def test_its_letter_is_found_by_an_index_among_many(self, sqs: FakeSqs, write: Write) -> None:
        """A table of a few rows would be read whole: that is forbidden here."""
        message = unsent(sqs, write, "staff")
        with CaptureQueriesContext(connection) as queries:
            buried(sqs, message, tried_for=timedelta(minutes=6))
        [lookup] = [each["sql"] for each in queries if '"body" = ' in each["sql"]]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {lookup}")
            assert "dead_letter_by_body" in str(cursor.fetchall())

    def test_its_letter_tells_of_the_last_failure(self, sqs: FakeSqs, write: Write) -> None:
        message = unsent(sqs, write, "staff")
        buried(sqs, message, tried_for=timedelta(minutes=6))
        earlier = DeadLetter.objects.get()
        record = {"messageId": "later", "body": earlier.body, "eventSourceARN": "arn:dm-outbound.fifo"}
        burial.bury(record, "TimeoutError")
        letter = DeadLetter.objects.get()
        assert (letter.pk, letter.cause) == (earlier.pk, "TimeoutError")
        assert letter.stored_at > earlier.stored_at

    def test_one_that_fails_after_its_replay_is_told_of_anew(self, sqs: FakeSqs, write: Write) -> None:
        message = unsent(sqs, write, "staff")
        buried(sqs, message)
        assert resolution.replay(DeadLetter.objects.get().pk, User.objects.get())
        buried(sqs, message)
        assert sorted(DeadLetter.objects.values_list("state", flat=True)) == ["replayed", "waiting"]

    def test_a_typing_sign_is_no_message_to_anybody(self, sqs: FakeSqs, channel: Channel) -> None:
        sqs.put("dm-outbound-dead.fifo", {"typing": str(uuid.uuid4())})
        assert sqs.run("dm-outbound-dead.fifo", dead_letters.handler) == 0
        assert not DeadLetter.objects.exists()

    def test_what_a_paused_channel_held_is_tried_for_as_long_after_its_repair(
        self, sqs: FakeSqs, write: Write
    ) -> None:
        message = unsent(sqs, write, "staff")
        Channel.objects.update(resumed_at=timezone.now() - timedelta(minutes=6))
        buried(sqs, message, tried_for=timedelta(hours=5))
        assert Message.objects.get(pk=message.pk).state == "pending"
        Channel.objects.update(resumed_at=timezone.now() - TRIED_FOR)
        buried(sqs, message, tried_for=timedelta(hours=5))
        assert Message.objects.get(pk=message.pk).state == "failed"

    @pytest.mark.parametrize("purpose", ["staff", "fallback"])
    def test_what_was_never_sent_has_failed_and_its_contact_waits(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon, purpose: str
    ) -> None:
        message = unsent(sqs, write, purpose)
        buried(sqs, message)
        message.refresh_from_db()
        assert (message.state, message.error) == ("failed", GIVEN_UP)
        conversation = Conversation.objects.get()
        assert (conversation.owner, conversation.waiting_since is not None) == ("staff", True)
        Message.objects.update(stored_at=timezone.now() - timedelta(hours=1))
        sqs.queues.pop("dm-outbound.fifo")
        assert sweep.handler({}, None)["sends"] == 0, "nothing tries it again by itself"

    @pytest.mark.parametrize("purpose", ["staff", "fallback"])
    def test_what_could_not_be_sent_for_some_minutes_is_tried_again(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon, purpose: str
    ) -> None:
        message = unsent(sqs, write, purpose)
        sqs.queues.pop("dm-outbound.fifo")
        buried(sqs, message, tried_for=timedelta(minutes=6))
        assert sweep.handler({}, None)["sends"] == 1
        assert sqs.run("dm-outbound.fifo", outbound.handler) == 0
        assert pigeon.sent == [("ann", message.text)]

    def test_a_replay_sends_it_after_all(self, sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
        message = unsent(sqs, write, "staff")
        buried(sqs, message)
        sqs.queues.pop("dm-outbound.fifo")
        letter = DeadLetter.objects.get()
        assert resolution.replay(letter.pk, User.objects.get())
        assert sqs.run("dm-outbound.fifo", outbound.handler) == 0
        assert pigeon.sent == [("ann", "Hello, Ann here.")]
        assert Conversation.objects.get().waiting_since is None

    @pytest.mark.parametrize(("purpose", "sent"), [("staff", "failed"), ("fallback", "cancelled")])
    def test_what_was_said_since_makes_only_the_fallback_pointless(
        self, sqs: FakeSqs, write: Write, purpose: str, sent: str
    ) -> None:
        message = unsent(sqs, write, purpose)
        staff.reply(Conversation.objects.get().pk, User.objects.get(), "Sorry for the wait.")
        sqs.queues["dm-outbound.fifo"] = sqs.queues["dm-outbound.fifo"][-1:]
        sqs.run("dm-outbound.fifo", outbound.handler)
        buried(sqs, message)
        message.refresh_from_db()
        assert message.state == sent
        assert (Conversation.objects.get().waiting_since is not None) == (purpose == "staff")

    @pytest.mark.parametrize("state", ["sent", "sending", "unknown"])
    def test_what_has_left_or_may_have_is_let_be(self, sqs: FakeSqs, write: Write, state: str) -> None:
        message = unsent(sqs, write, "staff")
        Message.objects.filter(pk=message.pk).update(state=state, sending_at=timezone.now())
        buried(sqs, message)
        assert Message.objects.get(pk=message.pk).state == state
        assert Conversation.objects.get().waiting_since is None

    @pytest.mark.parametrize("body", [{"media": 2**40}, {"media": "x"}, {"channel": "no-uuid"}, {}, [], "x"])
    def test_what_names_nobody_is_kept_all_the_same(self, sqs: FakeSqs, channel: Channel, body: Any) -> None:
        sqs.put("errands-dead", body)
        assert sqs.run("errands-dead", dead_letters.handler) == 0
        assert DeadLetter.objects.get().organization is None

    def test_words_of_a_contact_who_was_erased_are_not_kept(self, sqs: FakeSqs, write: Write) -> None:
        ask(sqs, write)
        request = sqs.requests()[0]["id"]
        Contact.objects.update(erased_at=timezone.now())
        sqs.put("llm-replies-dead", {"id": request, "status": "completed", "text": "Dear Ann"})
        assert sqs.run("llm-replies-dead", dead_letters.handler) == 0
        assert not DeadLetter.objects.exists()

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
        assert receives_until_nothing_fails(sqs, "dm-inbound.fifo", inbound.handler) == MAX_RECEIVES

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
