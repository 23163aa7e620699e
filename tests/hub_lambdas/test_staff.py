"""What staff are told, what they say, and when a conversation is the bot's again."""

from datetime import datetime, timedelta
from smtplib import SMTPRecipientsRefused

import pytest
from django.core import mail
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from console.channels.models import Channel
from console.conversations.models import Conversation, DeadLetter, Message, Turn
from console.organizations.models import Member, Organization, User
from hub_lambdas import (
    alerts,
    inbound,
    staff,
    sweep,
)
from hub_lambdas.channels.base import (
    SendUnknown,
)
from tests import factories
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.conftest import Pigeon
from tests.hub_lambdas.steps import Write, ask, member, send
from tests.hub_lambdas.test_pipeline import outcomes

pytestmark = pytest.mark.django_db(transaction=True)


class TestAlerts:
    """Staff are told what waits for them, once, and nobody else is."""

    @pytest.fixture(autouse=True)
    def handed_over(self, sqs: FakeSqs, write: Write) -> None:
        ask(sqs, write, "my secret", kind="image")

    def test_members_who_want_them(self, channel: Channel) -> None:
        member("in@example.com")
        member("out@example.com", gets_alerts=False)
        gone = member("gone@example.com")
        User.objects.filter(pk=gone.user_id).update(is_active=False)
        assert sweep.handler({}, None)["alerts"] == 1
        assert sweep.handler({}, None)["alerts"] == 0
        [message] = mail.outbox
        assert message.to == ["in@example.com"]
        assert message.subject == "1 conversation waits · The Loft"
        assert f"/inbox/{Conversation.objects.get().pk}/" in message.body
        assert "my secret" not in message.body

    def test_what_somebody_is_elsewhere_says_nothing(self, channel: Channel) -> None:
        ann = member("ann@example.com", gets_alerts=False)
        bob = member("bob@example.com", role="admin", gets_alerts=False)
        other = Organization.objects.create(slug="other", name="Other")
        for here in (ann, bob):
            Member.objects.create(organization=other, user=here.user, role="admin", gets_alerts=True)
        assert sweep.handler({}, None)["alerts"] == 1
        assert [message.to for message in mail.outbox] == [["bob@example.com"]]

    def test_its_admins_where_nobody_else_takes_them(self, channel: Channel) -> None:
        member("admin@example.com", role="admin", gets_alerts=False)
        member("agent@example.com", gets_alerts=False)
        assert [sweep.handler({}, None)["alerts"] for _ in range(2)] == [1, 0]
        [message] = mail.outbox
        assert message.to == ["admin@example.com"]
        assert f"/inbox/{Conversation.objects.get().pk}/" in message.body
        assert "no member takes these e-mails" in message.body

    def test_ops_of_an_organization_where_nobody_is_told(self, channel: Channel) -> None:
        gone = member("gone@example.com", role="admin")
        User.objects.filter(pk=gone.user_id).update(is_active=False)
        User.objects.create_user("ops@example.com", is_ops=True)
        User.objects.create_user("former-ops@example.com", is_ops=True, is_active=False)
        assert [sweep.handler({}, None)["alerts"] for _ in range(2)] == [1, 0]
        [message] = mail.outbox
        assert message.to == ["ops@example.com"]
        assert message.subject == "1 conversation waits · The Loft"
        assert "Nobody there is told" in message.body
        assert "my secret" not in message.body
        assert "/inbox/" not in message.body, "which ops may not read"

    def test_whoever_comes_where_there_was_nobody(self, channel: Channel) -> None:
        assert sweep.handler({}, None)["alerts"] == 0
        assert Turn.objects.get().staff_told_at is None
        member("new@example.com")
        assert sweep.handler({}, None)["alerts"] == 1
        assert [message.to for message in mail.outbox] == [["new@example.com"]]

    def test_organizations_with_somebody_to_tell_are_due_whatever_their_number(
        self, channel: Channel
    ) -> None:
        member()
        found = []
        for role, is_active in (("agent", True), ("admin", True), ("agent", False)):
            organization = factories.make_organization()
            user = factories.make_user(is_active=is_active)
            takes = {"gets_alerts": role == "agent", "role": role}
            Member.objects.create(organization=organization, user=user, **takes)
            other = factories.make_channel(organization)
            factories.make_handed_over_turn(factories.make_conversation(other))
            with CaptureQueriesContext(connection) as queries:
                due = alerts.due(timezone.now())
            found.append((organization.pk in due, len(queries)))
        assert found == [(True, found[0][1]), (True, found[0][1]), (False, found[0][1])]
        assert channel.organization_id in due

    def test_a_mail_server_out_of_order_delays_them(
        self, channel: Channel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        member()

        def refuse() -> None:
            raise ConnectionRefusedError

        with monkeypatch.context() as patch:
            patch.setattr(alerts, "get_connection", refuse)
            assert sweep.handler({}, None)["alerts"] == 0
        assert sweep.handler({}, None)["alerts"] == 1

    def test_after_days_without_mail_one_says_who_still_waits(self, sqs: FakeSqs, write: Write) -> None:
        for contact in ("bob", "cid"):
            ask(sqs, write, kind="image", contact=contact)
        write("a message that cannot be stored", contact="dan")
        [record] = sqs.queues.pop("dm-inbound.fifo")
        DeadLetter.objects.create(
            queue="dm-inbound.fifo",
            queue_message_id="1",
            body=record["body"],
            organization=Organization.objects.get(),
        )
        bob = Conversation.objects.get(contact__platform_id="bob")
        staff.reply(bob.pk, User.objects.create_user("ann@example.com"), "Hello.")
        three_days = timedelta(days=3)
        for model, names in (
            (Turn, ("first_message_at", "last_message_at", "settled_at")),
            (Conversation, ("waiting_since",)),
            (DeadLetter, ("stored_at",)),
        ):
            model.objects.update(**{name: F(name) - three_days for name in names})
        ask(sqs, write, kind="image", contact="eve")
        member()
        assert [sweep.handler({}, None)["alerts"] for _ in range(2)] == [1, 0]
        [message] = mail.outbox
        assert message.subject == "3 conversations wait, 1 message could not be stored · The Loft"
        assert f"/inbox/{bob.pk}/" not in message.body, "who was answered meanwhile"
        date = f"{timezone.now() - three_days:%Y-%m-%d}"
        assert message.body.count(date) == 2, "of those who wrote before today"

    def test_a_mailbox_that_refuses_keeps_nobody_from_theirs(
        self, channel: Channel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        member("full@example.com")
        member("fine@example.com")
        send = mail.EmailMessage.send

        def refuse_one(message: mail.EmailMessage, fail_silently: bool = False) -> int:
            if message.to == ["full@example.com"]:
                raise SMTPRecipientsRefused({})
            return send(message, fail_silently)

        monkeypatch.setattr(mail.EmailMessage, "send", refuse_one)
        assert [sweep.handler({}, None)["alerts"] for _ in range(2)] == [1, 0]
        assert [message.to for message in mail.outbox] == [["fine@example.com"]]

    def test_what_a_contact_writes_after_staff_have_answered(self, sqs: FakeSqs, write: Write) -> None:
        member()
        sweep.handler({}, None)
        send(sqs)
        staff.reply(Conversation.objects.get().pk, User.objects.create_user("ann@example.com"), "Hello.")
        send(sqs)
        ask(sqs, write, "one more thing")
        assert outcomes()[-1] == ("handed_over", "staff_owns")
        assert sweep.handler({}, None)["alerts"] == 1
        ask(sqs, write, "hello?")
        assert sweep.handler({}, None)["alerts"] == 0

    def test_not_what_a_contact_adds_to_a_conversation_of_staff(self, sqs: FakeSqs, write: Write) -> None:
        member()
        sweep.handler({}, None)
        ask(sqs, write, "hello?")
        assert outcomes()[-1] == ("handed_over", "staff_owns")
        assert sweep.handler({}, None)["alerts"] == 0


def test_the_sweep_tells_staff_although_it_has_no_time_to_mend(
    sqs: FakeSqs, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    member()
    ask(sqs, write, kind="image")
    Message.objects.update(stored_at=timezone.now() - timedelta(seconds=30))
    monkeypatch.setattr(sweep, "MENDING_SECONDS", -1)
    done = sweep.handler({}, None)
    assert (done["sends"], done["alerts"]) == (0, 1)
    assert len(mail.outbox) == 1


class TestWaiting:
    """A contact waits until staff have answered them, and that has arrived."""

    @pytest.fixture(autouse=True)
    def handed_over(self, sqs: FakeSqs, write: Write) -> None:
        ask(sqs, write, kind="image")
        send(sqs)

    def since(self) -> datetime | None:
        return Conversation.objects.get().waiting_since

    def reply(self, sqs: FakeSqs, text: str = "It is open.") -> Message:
        [message] = staff.reply(
            Conversation.objects.get().pk, User.objects.create_user("ann@example.com"), text
        )
        send(sqs)
        return message

    def test_on_while_nobody_knows_whether_the_reply_arrived(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon
    ) -> None:
        pigeon.faults = [SendUnknown("no answer within 8 s")]
        reply = self.reply(sqs)
        assert self.since() == reply.stored_at
        write(reply.text, kind="echo", message_id="p1", ours=True, ref=str(reply.pk))
        assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
        assert self.since() is None

    def test_on_when_the_platform_says_that_it_did_not(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon
    ) -> None:
        def report() -> None:
            reply = Message.objects.get(purpose="staff")
            write(kind="receipt", message="p1", ref=str(reply.pk), failure="No such number.")
            assert sqs.run("dm-inbound.fifo", inbound.handler) == 0

        pigeon.before_send = report
        reply = self.reply(sqs)
        assert self.since() == reply.stored_at

    def test_on_for_what_came_after_an_unknown_reply(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon
    ) -> None:
        pigeon.faults = [SendUnknown("no answer within 8 s")]
        reply = self.reply(sqs)
        ask(sqs, write, "and on Sunday?")
        write(reply.text, kind="echo", message_id="p1", ours=True, ref=str(reply.pk))
        assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
        assert self.since() == Message.objects.get(text="and on Sunday?").received_at

    def test_not_after_an_answer_in_the_platforms_own_inbox(self, sqs: FakeSqs, write: Write) -> None:
        write("We are open.", kind="echo", message_id="e1")
        assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
        assert self.since() is None

    def test_on_for_what_is_newer_than_that_answer(self, sqs: FakeSqs, write: Write) -> None:
        write("We are open.", kind="echo", message_id="e1")
        [echo] = sqs.queues.pop("dm-inbound.fifo")
        ask(sqs, write, "and on Sunday?")
        sqs.queues["dm-inbound.fifo"] = [echo]
        assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
        assert self.since() == Message.objects.get(text="and on Sunday?").received_at

    def test_on_although_staff_wrote_last_where_that_is_no_answer_to_it(
        self, sqs: FakeSqs, write: Write
    ) -> None:
        conversation, seen = Conversation.objects.get(), Message.objects.latest("pk").pk
        ask(sqs, write, "and on Sunday?")
        staff.reply(conversation.pk, User.objects.create_user("ann@example.com"), "It is open.", seen)
        send(sqs)
        ago = timezone.now() - timedelta(days=30)
        Message.objects.exclude(sent_at=None).update(sent_at=ago)
        Conversation.objects.update(owned_since=ago)
        sweep.handler({}, None)
        assert Conversation.objects.get().owner == "staff"

    def test_the_sweep_notes_what_a_release_before_the_inbox_did_not(
        self, sqs: FakeSqs, write: Write
    ) -> None:
        first = Message.objects.get(kind="image")
        ask(sqs, write, "hello?")
        Conversation.objects.update(waiting_since=None)
        assert [sweep.handler({}, None)["waits"] for _ in range(2)] == [1, 0]
        assert self.since() == first.received_at

    def test_the_sweep_notes_whose_answer_never_arrived(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon
    ) -> None:
        pigeon.faults = [SendUnknown("no answer within 8 s")]
        self.reply(sqs)
        Conversation.objects.update(waiting_since=None)
        assert sweep.handler({}, None)["waits"] == 1
        assert self.since() == Message.objects.get(kind="image").received_at

    def test_the_sweep_leaves_alone_whom_staff_have_answered(self, sqs: FakeSqs, write: Write) -> None:
        self.reply(sqs)
        assert sweep.handler({}, None)["waits"] == 0
        ask(sqs, write, "and on Sunday?")
        Conversation.objects.update(waiting_since=None)
        assert sweep.handler({}, None)["waits"] == 1
        assert self.since() == Message.objects.get(text="and on Sunday?").received_at


def test_a_queue_out_of_order_is_no_error_for_staff(sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
    ask(sqs, write, kind="image")
    send(sqs)
    sqs.broken.add("dm-outbound.fifo")
    staff.reply(
        Conversation.objects.get().pk, User.objects.create_user("ann@example.com"), "Hello, Ann here."
    )
    sqs.broken.clear()
    Message.objects.update(stored_at=timezone.now() - timedelta(seconds=30))
    sweep.handler({}, None)
    send(sqs)
    assert pigeon.sent[-1] == ("ann", "Hello, Ann here.")
