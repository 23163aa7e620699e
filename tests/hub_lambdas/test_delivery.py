"""What becomes of an answer that a platform takes in silence, refuses, or may not be sent at all."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from console.channels.models import Channel
from console.conversations.models import Conversation, Message, Turn
from console.organizations.models import Organization
from hub_lambdas import (
    inbound,
    staff,
    sweep,
    wakeups,
)
from hub_lambdas.channels.base import (
    ContactMoved,
    CredentialRejected,
    SendRefused,
    SendUnknown,
)
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.conftest import Pigeon
from tests.hub_lambdas.steps import Write, age, ask, member, send, wake
from tests.hub_lambdas.test_pipeline import answer, outcomes

pytestmark = pytest.mark.django_db(transaction=True)


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


def test_an_answer_left_over_in_a_settled_turn_never_leaves(
    sqs: FakeSqs, write: Write, pigeon: Pigeon
) -> None:
    ask(sqs, write)
    answer(sqs)
    Turn.objects.update(state="handed_over", reason="no_answer", settled_at=timezone.now())

    send(sqs)

    assert pigeon.sent == []
    assert list(Message.objects.filter(purpose="answer").values_list("state", flat=True)) == ["cancelled"]


def test_a_part_that_was_refused_while_its_turn_went_to_staff_never_leaves(
    sqs: FakeSqs, write: Write, pigeon: Pigeon
) -> None:
    """The platform reports that the first part did not arrive, while it is being asked to take the second."""
    ask(sqs, write)
    answer(sqs, "Certainly. " * 15)

    def report_failure() -> None:
        first = Message.objects.filter(purpose="answer", state="sent").first()
        if first is not None:
            pigeon.before_send, pigeon.faults = None, [SendRefused("slow down", 1)]
            failure = {"kind": "receipt", "message": first.platform_id, "failure": "It did not arrive."}
            write(message_id="r1", ref=str(first.pk), **failure)
            sqs.run("dm-inbound.fifo", inbound.handler)

    pigeon.before_send = report_failure
    send(sqs)
    send(sqs)

    assert outcomes() == [("handed_over", "delivery_failed")]
    states = Message.objects.filter(purpose="answer").order_by("part").values_list("state", flat=True)
    assert list(states) == ["failed", "cancelled"]
    assert len(pigeon.sent) == 1


def test_an_answer_stands_though_the_clock_of_who_asked_for_it_is_behind(
    sqs: FakeSqs, write: Write, pigeon: Pigeon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first request failed; the one that is answered was asked by a function with an earlier clock."""
    ask(sqs, write)
    age(2)
    behind = timezone.now() - timedelta(seconds=1)
    with monkeypatch.context() as patch:
        patch.setattr(timezone, "now", lambda: behind)
        answer(sqs, status="failed", error={"code": "engine_error"})
    answer(sqs, "Certainly.")
    wake(sqs)
    send(sqs)
    assert pigeon.sent == [("ann", "Certainly.")]
    assert outcomes() == [("answered", "")]
