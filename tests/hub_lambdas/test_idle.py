"""What becomes of conversations that staff let rest."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest
from django.core import mail
from django.db.models import F, Model
from django.utils import timezone

from console.channels.models import Channel
from console.conversations.models import Contact, Conversation, Message, Turn
from console.organizations import membership
from console.organizations.models import Member, Organization, User
from hub_lambdas import staff, sweep
from hub_lambdas.channels.base import ChannelError, SendRejected, SendUnknown
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.conftest import Pigeon
from tests.hub_lambdas.steps import Write, ask, member, send
from tests.hub_lambdas.test_pipeline import answer, outcomes

pytestmark = pytest.mark.django_db(transaction=True)
FALLBACK = Organization._meta.get_field("fallback").default


@pytest.fixture
def ann(channel: Channel) -> User:
    return User.objects.create_user("ann@example.com")


MOMENTS: Mapping[type[Model], Sequence[str]] = {
    Message: ("received_at", "sent_at"),
    Conversation: ("owned_since", "waiting_since"),
    Turn: ("first_message_at", "last_message_at", "settled_at"),
}


def passes(minutes: int) -> dict[str, int]:
    """Let so much more time pass in silence; what the sweep does then."""
    time = timedelta(minutes=minutes)
    for model, names in MOMENTS.items():
        model._default_manager.update(**{name: F(name) - time for name in names})
    return sweep.handler({}, None)


def standing() -> tuple[str, str | None, bool]:
    """Who has the conversation, which member answers, and whether its contact waits."""
    conversation = Conversation.objects.select_related("assignee").get()
    name = conversation.assignee.email if conversation.assignee else None
    return conversation.owner, name, conversation.waiting_since is not None


class TestReturnToBot:
    def test_after_the_last_word_of_staff(self, sqs: FakeSqs, write: Write, ann: User) -> None:
        ask(sqs, write, kind="image")
        staff.reply(Conversation.objects.get().pk, ann, "It is open.")
        send(sqs)
        passes(719)
        assert standing() == ("staff", "ann@example.com", False)
        passes(2)
        assert standing() == ("bot", None, False)

    def test_where_a_member_took_it_over_without_a_word(self, sqs: FakeSqs, write: Write, ann: User) -> None:
        ask(sqs, write)
        answer(sqs, "It is open.")
        send(sqs)
        staff.take_over(Conversation.objects.get().pk, ann)
        passes(719)
        assert standing() == ("staff", "ann@example.com", False)
        passes(2)
        assert standing() == ("bot", None, False)
        ask(sqs, write, "and on Sunday?")
        assert outcomes()[-1] == ("asked", "")

    def test_not_right_after_a_member_took_it_over(self, sqs: FakeSqs, write: Write, ann: User) -> None:
        ask(sqs, write, kind="image")
        conversation = Conversation.objects.get()
        staff.reply(conversation.pk, ann, "It is open.")
        send(sqs)
        passes(721)
        staff.take_over(conversation.pk, ann)
        sweep.handler({}, None)
        assert standing() == ("staff", "ann@example.com", False)

    def test_not_while_a_reply_has_not_left(self, sqs: FakeSqs, write: Write, ann: User) -> None:
        ask(sqs, write, kind="image")
        send(sqs)
        staff.reply(Conversation.objects.get().pk, ann, "It is open.")
        passes(10_000)
        assert standing() == ("staff", "ann@example.com", False)

    def test_not_after_a_reply_that_never_arrived(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon, ann: User
    ) -> None:
        ask(sqs, write, kind="image")
        send(sqs)
        pigeon.faults = [SendRejected("The contact has blocked the bot.")]
        staff.reply(Conversation.objects.get().pk, ann, "It is open.")
        send(sqs)
        passes(10_000)
        assert standing() == ("staff", None, True)

    def test_never_while_the_contact_waits(self, sqs: FakeSqs, write: Write) -> None:
        ask(sqs, write, kind="image")
        send(sqs)
        passes(10_000)
        assert standing() == ("staff", None, True)

    def test_never_by_itself(self, sqs: FakeSqs, write: Write, ann: User) -> None:
        Organization.objects.update(return_to_bot_after_minutes=None)
        ask(sqs, write)
        answer(sqs, "It is open.")
        send(sqs)
        staff.take_over(Conversation.objects.get().pk, ann)
        passes(10_000)
        assert standing() == ("staff", "ann@example.com", False)
        ask(sqs, write)
        passes(10_000)
        assert standing() == ("staff", "ann@example.com", True)


class TestNeglected:
    """A member takes a conversation over, and its contact waits in vain."""

    @pytest.fixture(autouse=True)
    def taken(self, sqs: FakeSqs, write: Write, ann: User) -> None:
        ask(sqs, write, kind="image")
        send(sqs)
        staff.take_over(Conversation.objects.get().pk, ann)

    def test_it_is_anybodys_again_and_they_are_told_once(self) -> None:
        member("bob@example.com")
        assert passes(719)["neglected"] == 0
        assert len(mail.outbox) == 1, "of the hand-over"
        assert passes(2)["neglected"] == 1
        assert standing() == ("staff", None, True)
        assert [message.subject for message in mail.outbox] == ["1 conversation waits · The Loft"] * 2
        assert passes(10_000)["neglected"] == 0
        assert len(mail.outbox) == 2

    def test_the_contact_has_heard_of_staff_and_hears_it_once(self, sqs: FakeSqs, pigeon: Pigeon) -> None:
        passes(721)
        send(sqs)
        assert pigeon.sent == [("ann", FALLBACK)]

    def test_a_reply_is_heard_of_and_what_comes_after_it_waits_anew(
        self, sqs: FakeSqs, write: Write, ann: User
    ) -> None:
        member("bob@example.com")
        staff.reply(Conversation.objects.get().pk, ann, "It is open.")
        send(sqs)
        ask(sqs, write, "and on Sunday?")
        assert passes(719)["neglected"] == 0
        told = len(mail.outbox)
        assert passes(2)["neglected"] == 1
        assert standing() == ("staff", None, True)
        assert len(mail.outbox) == told + 1

    @pytest.mark.parametrize("silence_minutes", [1, 5_000])
    @pytest.mark.parametrize("fault", [SendRejected("blocked"), SendUnknown("no answer within 8 s")])
    def test_nor_is_a_reply_that_failed_or_may_have(
        self, sqs: FakeSqs, pigeon: Pigeon, ann: User, fault: ChannelError, silence_minutes: int
    ) -> None:
        member("bob@example.com")
        passes(silence_minutes)
        told = len(mail.outbox)
        pigeon.faults = [fault]
        staff.reply(Conversation.objects.get().pk, ann, "It is open.")
        send(sqs)
        assert passes(721)["neglected"] == 1
        assert standing() == ("staff", None, True)
        assert len(mail.outbox) == told + 1
        passes(10_000)
        assert len(mail.outbox) == told + 1, "once"

    def test_who_took_it_over_last_has_the_whole_time(self, ann: User) -> None:
        ago = timezone.now() - timedelta(minutes=721)
        Conversation.objects.update(waiting_since=ago)
        staff.take_over(Conversation.objects.get().pk, ann)
        assert sweep.handler({}, None)["neglected"] == 0


class TestNeglectedFromTheStart:
    """A member takes a conversation over before the bot has answered, and writes nothing."""

    @pytest.fixture(autouse=True)
    def bob(self, channel: Channel) -> Member:
        return member("bob@example.com")

    def test_staff_are_told_once_it_is_anybodys(self, sqs: FakeSqs, write: Write, ann: User) -> None:
        ask(sqs, write)
        staff.take_over(Conversation.objects.get().pk, ann)
        assert outcomes() == [("handed_over", "staff_owns")]
        passes(719)
        assert mail.outbox == [], "it is Ann's"
        passes(2)
        assert standing() == ("staff", None, True)
        assert len(mail.outbox) == 1
        ask(sqs, write, "hello?")
        passes(10_000)
        assert len(mail.outbox) == 1, "of what comes with it nobody is told"

    def test_the_contact_hears_of_staff_then_and_once(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon, ann: User
    ) -> None:
        ask(sqs, write)
        ask(sqs, write, "hello?")
        staff.take_over(Conversation.objects.get().pk, ann)
        ask(sqs, write, "anybody?")
        passes(719)
        send(sqs)
        assert pigeon.sent == [], "Ann is to write to them"
        passes(2)
        send(sqs)
        assert pigeon.sent == [("ann", FALLBACK)]
        assert Message.objects.get(purpose="fallback").turn == Turn.objects.latest("pk")
        ask(sqs, write, "still nobody?")
        passes(10_000)
        send(sqs)
        assert pigeon.sent == [("ann", FALLBACK)]
        assert outcomes() == [("handed_over", "staff_owns")] * 3

    @pytest.mark.parametrize("why", ["blocked", "silent", "heard", "unreachable"])
    def test_who_is_to_hear_nothing_hears_nothing_then_either(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon, ann: User, why: str
    ) -> None:
        if why == "silent":
            Channel.objects.update(bot="silent", tells_contacts=False)
        ask(sqs, write)
        if why == "heard":
            pigeon.faults = [SendUnknown("no answer within 8 s")]
            answer(sqs, "It is open.")
            send(sqs)
        staff.take_over(Conversation.objects.get().pk, ann)
        Contact.objects.update(is_blocked=why == "blocked", is_unreachable=why == "unreachable")
        assert passes(721)["neglected"] == 1
        send(sqs)
        assert pigeon.sent == []

    def test_nor_who_was_answered_later(self, sqs: FakeSqs, write: Write, pigeon: Pigeon, ann: User) -> None:
        """Their draft waits, and the bot has answered what they wrote after it."""
        Channel.objects.update(bot="drafts", tells_contacts=False)
        ask(sqs, write)
        answer(sqs, "It is open.")
        Channel.objects.update(bot="answers")
        ask(sqs, write, "and on Sunday?")
        answer(sqs, "On Sunday too.")
        send(sqs)
        staff.take_over(Conversation.objects.get().pk, ann)
        assert passes(721)["neglected"] == 1
        send(sqs)
        assert pigeon.sent == [("ann", "On Sunday too.")]

    def test_so_does_whose_member_leaves_the_organization(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon
    ) -> None:
        leaving = member("leaving@example.com")
        ask(sqs, write)
        staff.take_over(Conversation.objects.get().pk, leaving.user)
        passes(1)
        assert mail.outbox == []
        membership.remove(Member.objects.filter(pk=leaving.pk))
        send(sqs)
        assert standing() == ("staff", None, True)
        assert pigeon.sent == [("ann", FALLBACK)]
        passes(1)
        assert [message.to for message in mail.outbox] == [["bob@example.com"]]

    def test_after_an_earlier_hand_over_too(self, sqs: FakeSqs, write: Write, ann: User) -> None:
        ask(sqs, write, kind="image")
        send(sqs)
        passes(1)
        told = len(mail.outbox)
        conversation = Conversation.objects.get()
        staff.return_to_bot(conversation.pk, Message.objects.latest("pk").pk)
        ask(sqs, write)
        staff.take_over(conversation.pk, ann)
        passes(721)
        assert standing() == ("staff", None, True)
        assert len(mail.outbox) == told + 1

    def test_not_of_what_waits_no_more(self, sqs: FakeSqs, write: Write, ann: User) -> None:
        ask(sqs, write)
        conversation = Conversation.objects.get()
        staff.take_over(conversation.pk, ann)
        staff.return_to_bot(conversation.pk, Message.objects.latest("pk").pk)
        passes(1)
        assert (standing(), mail.outbox) == (("bot", None, False), [])


def test_a_thumb_is_no_word_that_staff_know_of(sqs: FakeSqs, write: Write, ann: User) -> None:
    Organization.objects.update(asks_for_feedback=True)
    member("bob@example.com")
    ask(sqs, write)
    answer(sqs, "It is open.")
    send(sqs)
    staff.reply(Conversation.objects.get().pk, ann, "On Sunday too.")
    send(sqs)
    ask(sqs, write, "👍", kind="button")
    passes(1)
    assert mail.outbox == []
    ask(sqs, write, "and on Monday?")
    passes(1)
    assert len(mail.outbox) == 1
