"""What the contact and staff get when an answer is slow, late, unwanted or cannot be sent."""

from collections.abc import Callable
from datetime import timedelta
from smtplib import SMTPRecipientsRefused
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from console.channels.models import Channel
from console.conversations.models import Contact, Conversation, DeadLetter, LlmRequest, Message, Turn
from console.organizations.models import Member, Organization, Translation, User
from hub_lambdas import (
    actions,
    alerts,
    batch,
    dead_letters,
    grounding,
    inbound,
    outbound,
    queues,
    staff,
    sweep,
    wakeups,
)
from hub_lambdas.channels.base import (
    ContactMoved,
    CredentialRejected,
    InboundMessage,
    Sender,
    SendRefused,
    SendRejected,
    SendUnknown,
    Unread,
)
from hub_lambdas.grounding import objection as real_objection
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.conftest import Pigeon
from tests.hub_lambdas.test_pipeline import answer, outcomes, run

pytestmark = pytest.mark.django_db(transaction=True)

Write = Callable[..., dict[str, Any]]


def ask(sqs: FakeSqs, write: Write, text: str = "hello", **fields: Any) -> None:
    """A message on its way to the LLM."""
    write(text, **fields)
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0


def age(seconds: float) -> None:
    """Let time pass since the contact wrote."""
    ago = timezone.now() - timedelta(seconds=seconds)
    Message.objects.filter(direction="in").update(received_at=ago, platform_at=ago)
    Turn.objects.update(last_message_at=ago, first_message_at=ago)


def wake(sqs: FakeSqs) -> None:
    sqs.release("wakeups")
    assert sqs.run("wakeups", wakeups.handler) == 0


def send(sqs: FakeSqs) -> None:
    sqs.run("dm-outbound.fifo", outbound.handler)


class TestHoldingLine:
    def test_it_comes_after_four_seconds_and_the_answer_after_it(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon
    ) -> None:
        ask(sqs, write)
        age(4.1)
        wake(sqs)
        wake(sqs)
        send(sqs)
        line = Organization.objects.get().holding_line
        assert [text for _, text in pigeon.sent] == [line]
        answer(sqs, "Certainly.")
        send(sqs)
        assert [text for _, text in pigeon.sent] == [line, "Certainly."]
        assert outcomes() == [("answered", "")]

    def test_a_wakeup_is_ordered_for_it(self, sqs: FakeSqs, write: Write) -> None:
        ask(sqs, write)
        assert len(sqs.delayed["wakeups"]) == 1, "the soonest; each orders the next"

    def test_wakeups_do_not_multiply_while_the_contact_keeps_writing(
        self, sqs: FakeSqs, write: Write
    ) -> None:
        Organization.objects.update(burst_window_seconds=30)
        for _ in range(8):
            ask(sqs, write)
            wake(sqs)
        assert sqs.delayed.get("wakeups", []) == [], "each message ordered its own, and no look another"
        assert Turn.objects.count() == 1

    def test_one_that_was_cancelled_does_not_stand_for_the_next(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon
    ) -> None:
        ask(sqs, write)
        age(5)
        wake(sqs)
        Message.objects.filter(purpose="holding").update(state="cancelled")
        sqs.queues["dm-outbound.fifo"] = []
        actions.advance(Turn.objects.get().pk)
        send(sqs)
        assert [text for _, text in pigeon.sent] == [Organization.objects.get().holding_line]

    def test_it_is_in_the_language_of_the_contact(self, sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
        organization = Organization.objects.get()
        purpose = Translation.Purpose.HOLDING_LINE
        Translation.objects.create(
            organization=organization, purpose=purpose, language="pt", text="Um momento."
        )
        ask(sqs, write)
        Contact.objects.update(language="pt-BR")
        age(5)
        wake(sqs)
        send(sqs)
        assert [text for _, text in pigeon.sent] == ["Um momento."]

    def test_it_may_be_switched_off(self, sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
        Organization.objects.update(holding_line="")
        ask(sqs, write)
        age(5)
        wake(sqs)
        send(sqs)
        assert pigeon.sent == []

    def test_it_is_not_sent_when_the_answer_came_first(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon
    ) -> None:
        ask(sqs, write)
        age(5)
        wake(sqs)
        answer(sqs, "Certainly.")
        send(sqs)
        assert [text for _, text in pigeon.sent] == ["Certainly."]


class TestGrounding:
    def test_an_invented_answer_is_tried_again_and_then_goes_to_staff(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(grounding, "objection", real_objection)
        ask(sqs, write, "how much is a crown?")
        answer(sqs, "A crown costs 977 €.")
        assert outcomes() == [("asked", "")]
        answer(sqs, "A crown costs 977 €.")
        send(sqs)
        assert outcomes() == [("handed_over", "not_grounded")]
        assert [text for _, text in pigeon.sent] == [Organization.objects.get().fallback]
        assert all("977" in text for text in LlmRequest.objects.values_list("objection", flat=True))


class TestWithdrawal:
    def test_a_newer_message_cancels_the_question(self, sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
        ask(sqs, write, "how much is a crown?")
        [stale] = sqs.requests()
        ask(sqs, write, "and a filling?")
        assert {"cancel": stale["id"], "organization": "loft"} in sqs.bodies("llm-requests")
        assert LlmRequest.objects.get(pk=stale["id"]).state == "cancelled"

    def test_so_does_a_takeover(self, sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
        ask(sqs, write)
        [asked] = sqs.requests()
        staff.take_over(Conversation.objects.get().pk, User.objects.create_user("ann@example.com"))
        assert sqs.bodies("llm-requests")[-1] == {"cancel": asked["id"], "organization": "loft"}
        answer(sqs, "Certainly.")
        send(sqs)
        assert pigeon.sent == []
        assert outcomes() == [("handed_over", "staff_owns")]


class TestOneOrganizationAtTheLlm:
    def test_it_has_so_many_requests_there_and_no_more(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon, settings: Any
    ) -> None:
        settings.LLM_REQUESTS_PER_ORGANIZATION = 2
        for contact in ("ann", "bob", "cid", "dan"):
            write(contact=contact)
        run_inbound = sqs.run("dm-inbound.fifo", inbound.handler)
        assert run_inbound == 0
        assert len(sqs.requests()) == 2
        age(1)
        answer(sqs, "Certainly.")
        sqs.run("wakeups", wakeups.handler)
        assert len(sqs.requests()) == 2, "a reply lets the next one in"
        answer(sqs, "Certainly.")
        send(sqs)
        assert [outcome for outcome, _ in outcomes()] == ["answered"] * 4


class TestLateMessages:
    @pytest.mark.parametrize(
        ("policy", "said"),
        [
            ("answer", "Certainly."),
            ("apologize", "Sorry for the late answer. Certainly."),
            (
                "hand_over",
                "Thank you for your message. A colleague will answer you here as soon as possible.",
            ),
        ],
    )
    def test_they_follow_the_policy(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon, policy: str, said: str
    ) -> None:
        Organization.objects.update(late_policy=policy)
        ask(sqs, write, age=3600)
        answer(sqs, "Certainly.")
        send(sqs)
        assert [text for _, text in pigeon.sent] == [said]


class TestLimits:
    def test_questions_that_were_withdrawn_count_too(self, sqs: FakeSqs, write: Write) -> None:
        Organization.objects.update(contact_messages_per_minute=3)
        for _ in range(5):
            ask(sqs, write)
        assert outcomes() == [("declined", "contact_rate")] * 2
        assert LlmRequest.objects.count() == 3

    def test_what_a_platform_delivers_late_is_no_flood(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon
    ) -> None:
        Organization.objects.update(contact_messages_per_minute=2)
        for minute in range(4):
            write(age=3600 + 60 * minute)
        run(sqs)
        assert outcomes() == [("answered", "")]

    def test_a_contact_who_writes_too_much_is_told_once(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon
    ) -> None:
        Organization.objects.update(contact_messages_per_minute=2)
        for _ in range(2):
            write()
            run(sqs)
        for _ in range(3):
            write()
            run(sqs)
        assert outcomes() == [("answered", "")] * 2 + [("declined", "contact_rate")] * 3
        line = Organization.objects.get().limit_line
        assert [text for _, text in pigeon.sent].count(line) == 1
        write(contact="bob")
        run(sqs)
        assert outcomes()[-1] == ("answered", ""), "another contact has limits of their own"

    @pytest.mark.parametrize(
        ("limit", "reason"),
        [
            ("contact_answers_per_day", "contact_quota"),
            ("turns_per_minute", "organization_rate"),
            ("answers_per_day", "organization_quota"),
        ],
    )
    def test_every_limit(self, sqs: FakeSqs, write: Write, limit: str, reason: str) -> None:
        Organization.objects.update(**{limit: 1})
        for _ in range(2):
            write()
            run(sqs)
        assert outcomes() == [("answered", ""), ("declined", reason)]

    def test_a_blocked_contact_gets_nothing(self, sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
        write()
        run(sqs)
        Contact.objects.update(is_blocked=True)
        write()
        run(sqs)
        assert outcomes()[1] == ("declined", "contact_blocked")
        assert len(pigeon.sent) == 1


class TestUnknownFate:
    """The platform did not say whether it took the answer."""

    @pytest.fixture(autouse=True)
    def answered(self, sqs: FakeSqs, write: Write, pigeon: Pigeon, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Pigeon, "reconciles", True)
        ask(sqs, write)
        answer(sqs)
        pigeon.faults = [SendUnknown("no answer within 8 s")]
        send(sqs)

    def report(self, sqs: FakeSqs, write: Write, **fields: Any) -> None:
        message = Message.objects.get(purpose="answer")
        write(message.text, message_id="p1", **{"ref": str(message.pk), **fields})
        sqs.run("dm-inbound.fifo", inbound.handler, times=2)

    def test_it_waits_for_the_platforms_word(self, sqs: FakeSqs, pigeon: Pigeon) -> None:
        assert outcomes() == [("asked", "")]
        Message.objects.filter(direction="out").update(sending_at=timezone.now() - timedelta(seconds=31))
        wake(sqs)
        send(sqs)
        assert outcomes() == [("handed_over", "delivery_unknown")]
        assert pigeon.sent == []

    @pytest.mark.parametrize("fields", [{"ours": True}, {"ours": True, "ref": ""}])
    def test_an_echo_settles_it(self, sqs: FakeSqs, write: Write, fields: dict[str, Any]) -> None:
        self.report(sqs, write, kind="echo", **fields)
        assert outcomes() == [("answered", "")]
        assert Message.objects.get(purpose="answer").platform_id == "p1"

    def test_so_does_a_receipt(self, sqs: FakeSqs, write: Write) -> None:
        self.report(sqs, write, kind="receipt", message="p9")
        assert outcomes() == [("answered", "")]

    def test_a_receipt_may_say_that_it_failed(self, sqs: FakeSqs, write: Write) -> None:
        self.report(sqs, write, kind="receipt", failure="The contact has no such number any more.")
        assert outcomes() == [("handed_over", "delivery_failed")]

    def test_rather_twice(self, sqs: FakeSqs, pigeon: Pigeon) -> None:
        Organization.objects.update(unknown_delivery="send_again")
        Message.objects.filter(direction="out").update(sending_at=timezone.now() - timedelta(seconds=31))
        wake(sqs)
        send(sqs)
        assert len(pigeon.sent) == 1
        assert outcomes() == [("answered", "")]

    def test_rather_twice_but_never_after_a_later_answer(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon
    ) -> None:
        Organization.objects.update(unknown_delivery="send_again")
        ask(sqs, write, "And tomorrow?", message_id="2")
        answer(sqs, "Tomorrow too.")
        send(sqs)
        Message.objects.filter(state="unknown").update(sending_at=timezone.now() - timedelta(seconds=31))
        wake(sqs)
        send(sqs)
        assert [text for _, text in pigeon.sent] == ["Tomorrow too."]
        assert outcomes() == [("handed_over", "delivery_unknown"), ("answered", "")]

    def test_a_report_settles_one_that_is_on_its_way_once_more(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon
    ) -> None:
        Organization.objects.update(unknown_delivery="send_again")
        Message.objects.filter(direction="out").update(sending_at=timezone.now() - timedelta(seconds=31))
        wake(sqs)
        self.report(sqs, write, kind="receipt", message="p9")
        send(sqs)
        assert outcomes() == [("answered", "")]
        assert pigeon.sent == [], "it had arrived"

    def test_a_refusal_is_no_attempt_of_unknown_fate(self, sqs: FakeSqs, pigeon: Pigeon) -> None:
        Organization.objects.update(unknown_delivery="send_again")
        Message.objects.filter(direction="out").update(sending_at=timezone.now() - timedelta(seconds=31))
        wake(sqs)
        pigeon.faults = [SendRefused("slow down", 1)]
        send(sqs)
        assert pigeon.sent == []
        send(sqs)
        assert len(pigeon.sent) == 1
        assert Message.objects.get(purpose="answer").unknown_attempts == 1


def test_the_parts_behind_one_of_unknown_fate_follow_at_once(
    sqs: FakeSqs, write: Write, pigeon: Pigeon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pigeon, "reconciles", True)
    ask(sqs, write)
    answer(sqs, "Certainly. " * 15)
    pigeon.faults = [SendUnknown("no answer within 8 s")]
    send(sqs)
    assert pigeon.sent == [], "the second part was taken off the queue in vain"
    first = Message.objects.filter(purpose="answer").order_by("part")[0]
    write(first.text, kind="echo", message_id="p1", ours=True, ref=str(first.pk))
    sqs.run("dm-inbound.fifo", inbound.handler, times=2)
    send(sqs)
    assert len(pigeon.sent) == 1
    assert outcomes() == [("answered", "")]


def test_a_contact_who_moved_is_followed(sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
    ask(sqs, write)
    answer(sqs, "Certainly.")
    pigeon.faults = [ContactMoved("The chat moved.", "ann-2")]
    send(sqs)
    send(sqs)
    assert pigeon.sent == [("ann-2", "Certainly.")]


def test_staff_get_the_turn_of_a_contact_who_has_written_from_elsewhere(
    sqs: FakeSqs, write: Write, pigeon: Pigeon
) -> None:
    ask(sqs, write)
    answer(sqs, "Certainly.")
    write(contact="ann-2", message_id="from elsewhere")
    sqs.run("dm-inbound.fifo", inbound.handler)
    pigeon.faults = [ContactMoved("The chat moved.", "ann-2")]
    send(sqs)
    assert outcomes()[0] == ("handed_over", "delivery_failed")


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


def test_a_reply_in_the_platforms_own_inbox_takes_the_conversation_over(
    sqs: FakeSqs, write: Write, pigeon: Pigeon
) -> None:
    ask(sqs, write)
    answer(sqs)
    write("I am Ann, a person.", kind="echo", message_id="e1")
    sqs.run("dm-inbound.fifo", inbound.handler, times=2)
    send(sqs)
    assert pigeon.sent == []
    assert outcomes() == [("handed_over", "staff_owns")]
    conversation = Conversation.objects.get()
    assert (conversation.owner, conversation.assignee) == ("staff", None)
    said = Message.objects.get(purpose="staff")
    assert (said.text, said.state, said.platform_id) == ("I am Ann, a person.", "sent", "e1")


class TestBrokenChannel:
    """The platform rejects the credential: what is to be sent waits until somebody repairs it."""

    @pytest.fixture(autouse=True)
    def broken(self, sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
        ask(sqs, write)
        answer(sqs, "Certainly.")
        pigeon.faults = [CredentialRejected("The token is not valid: paste a new one.")]
        send(sqs)

    def repair(self, sqs: FakeSqs) -> int:
        Channel.objects.update(status="active", status_reason="", resumed_at=timezone.now())
        count = staff.resume_channel(Channel.objects.get().pk)
        sqs.run("wakeups", wakeups.handler)
        answer(sqs, "Certainly.")
        send(sqs)
        return count

    def test_the_answer_is_held_and_sent_after_the_repair(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon
    ) -> None:
        ask(sqs, write, "are you there?", contact="bob")
        age(300)
        sweep.handler({}, None)
        wake(sqs)
        send(sqs)
        assert outcomes() == [("asked", ""), ("open", "")]
        assert sqs.requests() == []
        assert self.repair(sqs) == 2
        assert pigeon.sent == [("ann", "Certainly."), ("bob", "Certainly.")]
        assert outcomes() == [("answered", "")] * 2

    def test_after_long_it_is_sent_with_an_apology(self, sqs: FakeSqs, pigeon: Pigeon) -> None:
        age(3600)
        self.repair(sqs)
        assert pigeon.sent == [("ann", "Sorry for the late answer. Certainly.")]

    def test_after_a_day_staff_get_the_turn(self, sqs: FakeSqs) -> None:
        age(86_401)
        sweep.handler({}, None)
        assert outcomes() == [("handed_over", "channel_held")]

    def test_a_second_turn_meanwhile_leaves_the_first_its_answer(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon
    ) -> None:
        ask(sqs, write, "and tomorrow?")
        self.repair(sqs)
        assert [outcome for outcome, _ in outcomes()] == ["answered"] * Turn.objects.count()

    def test_a_credential_that_was_just_replaced_does_not_pause_it(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon
    ) -> None:
        self.repair(sqs)
        ask(sqs, write, contact="bob")
        answer(sqs, "Certainly.")

        def replace() -> None:
            pigeon.before_send = None
            channel = Channel.objects.get()
            channel.credentials = {"ring": "r2"}
            channel.save()

        pigeon.before_send = replace
        pigeon.faults = [CredentialRejected("The token is not valid: paste a new one.")]
        send(sqs)
        assert Channel.objects.get().status == "active"
        send(sqs)
        assert pigeon.sent[-1] == ("bob", "Certainly.")

    def test_its_admins_get_one_e_mail(self, sqs: FakeSqs) -> None:
        member(gets_alerts=True)
        sweep.handler({}, None)
        sweep.handler({}, None)
        [message] = mail.outbox
        assert message.subject == "1 channel needs attention · The Loft"
        assert "The token is not valid" in message.body


def member(email: str = "staff@example.com", **fields: Any) -> Member:
    user = User.objects.create_user(email)
    return Member.objects.create(organization=Organization.objects.get(), user=user, **fields)


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
        assert f"/conversations/conversation/{Conversation.objects.get().pk}/change/" in message.body
        assert "my secret" not in message.body

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


class TestReturnToBot:
    def passes(self, minutes: int) -> None:
        ago = timezone.now() - timedelta(minutes=minutes)
        Message.objects.exclude(sent_at=None).update(sent_at=ago)
        Conversation.objects.update(owned_since=ago)
        sweep.handler({}, None)

    def test_after_the_last_word_of_staff(self, sqs: FakeSqs, write: Write) -> None:
        ask(sqs, write, kind="image")
        conversation = Conversation.objects.get()
        staff.reply(conversation.pk, User.objects.create_user("ann@example.com"), "It is open.")
        send(sqs)
        self.passes(719)
        assert Conversation.objects.get().owner == "staff"
        self.passes(721)
        assert Conversation.objects.get().owner == "bot"

    def test_not_right_after_a_member_took_it_over(self, sqs: FakeSqs, write: Write) -> None:
        ask(sqs, write, kind="image")
        conversation, user = Conversation.objects.get(), User.objects.create_user("ann@example.com")
        staff.reply(conversation.pk, user, "It is open.")
        send(sqs)
        self.passes(721)
        staff.take_over(conversation.pk, user)
        sweep.handler({}, None)
        assert Conversation.objects.get().owner == "staff"

    def test_not_after_a_reply_that_never_arrived(self, sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
        ask(sqs, write, kind="image")
        send(sqs)
        pigeon.faults = [SendRejected("The contact has blocked the bot.")]
        staff.reply(Conversation.objects.get().pk, User.objects.create_user("ann@example.com"), "It is open.")
        send(sqs)
        self.passes(10_000)
        assert Conversation.objects.get().owner == "staff"

    def test_never_while_the_contact_waits(self, sqs: FakeSqs, write: Write) -> None:
        ask(sqs, write, kind="image")
        send(sqs)
        self.passes(10_000)
        assert Conversation.objects.get().owner == "staff"


def test_a_fallback_that_was_overtaken_is_not_sent(sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
    ask(sqs, write, kind="image")
    lost = sqs.queues.pop("dm-outbound.fifo")
    staff.reply(
        Conversation.objects.get().pk, User.objects.create_user("ann@example.com"), "Hello, Ann here."
    )
    send(sqs)
    sqs.queues["dm-outbound.fifo"] = lost
    send(sqs)
    assert [text for _, text in pigeon.sent] == ["Hello, Ann here."]


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
