"""What the contact and staff get when an answer is slow, late or unwanted."""

from collections.abc import Sequence
from typing import Any

import pytest

from console.conversations.models import Contact, Conversation, LlmRequest, Message, Turn
from console.organizations.models import Organization, Translation, User
from hub_lambdas import (
    actions,
    grounding,
    inbound,
    staff,
    wakeups,
)
from hub_lambdas.grounding import objection as real_objection
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.conftest import Pigeon
from tests.hub_lambdas.steps import Write, age, ask, send, wake
from tests.hub_lambdas.test_pipeline import answer, outcomes, run

pytestmark = pytest.mark.django_db(transaction=True)


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
        Organization.objects.update(other_languages=["pt"])
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
        ("limit", "reason", "contacts", "told"),
        [
            ("contact_answers_per_day", "contact_quota", ("ann", "ann"), "You have sent too much."),
            ("turns_per_minute", "organization_rate", ("ann", "bob"), "We are busy."),
            ("answers_per_day", "organization_quota", ("ann", "bob"), "We are busy."),
        ],
    )
    def test_every_limit_and_what_is_said_of_it(
        self,
        sqs: FakeSqs,
        write: Write,
        pigeon: Pigeon,
        limit: str,
        reason: str,
        contacts: Sequence[str],
        told: str,
    ) -> None:
        lines = {"limit_line": "You have sent too much.", "busy_line": "We are busy."}
        Organization.objects.update(**{limit: 1}, **lines)
        for contact in contacts:
            write(contact=contact)
            run(sqs)
        assert outcomes() == [("answered", ""), ("declined", reason)]
        assert pigeon.sent[-1] == (contacts[-1], told)

    def test_a_blocked_contact_gets_nothing(self, sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
        write()
        run(sqs)
        Contact.objects.update(is_blocked=True)
        write()
        run(sqs)
        assert outcomes()[1] == ("declined", "contact_blocked")
        assert len(pigeon.sent) == 1


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
