"""From webhook to outcome through every handler, over queues in memory and real Postgres."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from console.channels.models import Channel
from console.conversations.models import (
    Contact,
    Conversation,
    DeadLetter,
    LlmRequest,
    Message,
    PlatformEvent,
    Turn,
)
from console.organizations.models import Organization, User
from console.prompts.models import CannedPrompt, PromptVersion
from hub_lambdas import dead_letters, inbound, outbound, replies, staff, sweep, wakeups
from hub_lambdas.channels.base import (
    ContactMoved,
    CredentialRejected,
    SendRefused,
    SendRejected,
    SendUnknown,
)
from hub_lambdas.prompting import RULE
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.conftest import Pigeon

pytestmark = pytest.mark.django_db(transaction=True)

Write = Callable[..., dict[str, Any]]


def reply_to(request: dict[str, Any], text: str = "240 €.", **fields: Any) -> dict[str, Any]:
    """What llm_api puts on llm-replies."""
    return {
        "id": request["id"],
        "status": "completed",
        "text": text,
        "finish_reason": "stop",
        "model": "fake",
        "prompt_tokens": 100,
        "completion_tokens": 5,
        "received_at": 1.0,
        "started_at": 1.5,
        "finished_at": 2.0,
        "error": None,
        **fields,
    }


def answer(sqs: FakeSqs, text: str = "240 €.", **fields: Any) -> None:
    """Play the LLM for every waiting request, and store its replies."""
    for request in sqs.requests():
        sqs.put("llm-replies", reply_to(request, text, **fields))
    sqs.queues["llm-requests"] = []
    assert sqs.run("llm-replies", replies.handler) == 0


def run(sqs: FakeSqs, *, times: int = 1) -> None:
    """Everything from the webhook's queue to the platform."""
    assert sqs.run("dm-inbound.fifo", inbound.handler, times=times) == 0
    assert sqs.run("dm-outbound.fifo", outbound.handler, times=times) == 0  # the typing sign
    answer(sqs)
    assert sqs.run("dm-outbound.fifo", outbound.handler, times=times) == 0


def outcomes() -> list[tuple[str, str]]:
    return list(Turn.objects.order_by("pk").values_list("state", "reason"))


def test_a_typing_sign_neither_delays_the_answer_nor_follows_it(
    sqs: FakeSqs, write: Write, pigeon: Pigeon
) -> None:
    write("How much is a whitening?")
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    answer(sqs)
    groups = {record["attributes"]["MessageGroupId"] for record in sqs.queues["dm-outbound.fifo"]}
    assert len(groups) == 2, "of one group the sign would keep the answer waiting"
    assert sqs.run("dm-outbound.fifo", outbound.handler) == 0
    assert (pigeon.sent, pigeon.typing) == ([("ann", "240 €.")], [])


def test_a_message_is_answered(sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
    assert write("How much is a whitening?")["statusCode"] == 200
    run(sqs)
    assert pigeon.sent == [("ann", "240 €.")]
    assert pigeon.typing == ["ann"]
    assert [inbound.kind for inbound in pigeon.stored if inbound.type == "message"] == ["text"]
    assert outcomes() == [("answered", "")]
    sent = Message.objects.get(direction="out")
    assert (sent.state, sent.platform_id, sent.attempts) == ("sent", "pigeon-1", 1)
    request = LlmRequest.objects.get()
    assert (request.model, request.prompt_tokens, request.completion_tokens) == ("fake", 100, 5)


def test_every_handler_may_run_twice(sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
    write("hello", message_id="1")
    run(sqs, times=2)
    write("hello", message_id="1")
    sqs.release("wakeups")
    sqs.run("wakeups", wakeups.handler, times=2)
    run(sqs, times=2)
    assert len(pigeon.sent) == 1
    assert outcomes() == [("answered", "")]


def test_messages_in_a_burst_get_one_answer(
    sqs: FakeSqs, write: Write, pigeon: Pigeon, channel: Channel
) -> None:
    Organization.objects.update(burst_window_seconds=30)
    for text in ("hi", "one question", "how much is a whitening?"):
        write(text)
    sqs.run("dm-inbound.fifo", inbound.handler)
    assert sqs.requests() == []
    Organization.objects.update(burst_window_seconds=0)
    sqs.release("wakeups")
    sqs.run("wakeups", wakeups.handler)
    [request] = sqs.requests()
    assert request["messages"][-1]["content"].endswith("Question: hi\none question\nhow much is a whitening?")
    run(sqs)
    assert len(pigeon.sent) == 1
    assert outcomes() == [("answered", "")]


def test_a_newer_message_makes_a_reply_stale(sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
    write("how much is a whitening?")
    sqs.run("dm-inbound.fifo", inbound.handler)
    write("and a check-up?")
    sqs.run("dm-inbound.fifo", inbound.handler)
    first, second = sqs.requests()
    sqs.queues["llm-requests"] = []
    sqs.put("llm-replies", reply_to(first, "240 €."))
    sqs.put("llm-replies", reply_to(second, "240 € and 45 €."))
    sqs.run("llm-replies", replies.handler)
    sqs.run("dm-outbound.fifo", outbound.handler)
    assert pigeon.sent == [("ann", "240 € and 45 €.")]
    assert outcomes() == [("answered", "")]


def test_an_answer_is_taken_back_until_the_moment_of_sending(
    sqs: FakeSqs, write: Write, pigeon: Pigeon
) -> None:
    write("how much is a whitening?")
    sqs.run("dm-inbound.fifo", inbound.handler)
    answer(sqs, "240 €.")
    write("no, a check-up")
    sqs.run("dm-inbound.fifo", inbound.handler)
    answer(sqs, "45 €.")
    sqs.run("dm-outbound.fifo", outbound.handler)
    assert pigeon.sent == [("ann", "45 €.")]
    states = Message.objects.filter(direction="out").order_by("pk").values_list("state", flat=True)
    assert list(states) == ["cancelled", "sent"]


def test_a_message_that_comes_while_the_answer_leaves_opens_the_next_turn(
    sqs: FakeSqs, write: Write, pigeon: Pigeon
) -> None:
    write("how much is a whitening?")
    sqs.run("dm-inbound.fifo", inbound.handler)
    answer(sqs)

    def write_again() -> None:
        pigeon.before_send = None
        write("thank you")
        sqs.run("dm-inbound.fifo", inbound.handler)

    pigeon.before_send = write_again
    sqs.run("dm-outbound.fifo", outbound.handler)
    assert outcomes() == [("answered", ""), ("asked", "")]
    run(sqs)
    assert len(pigeon.sent) == 2
    assert outcomes() == [("answered", ""), ("answered", "")]


@pytest.mark.parametrize(("kind", "text", "reason"), [("image", "", "not_text"), ("text", "  ", "empty")])
def test_what_the_llm_cannot_take_goes_to_staff(
    sqs: FakeSqs, write: Write, pigeon: Pigeon, kind: str, text: str, reason: str
) -> None:
    write(text, kind=kind)
    run(sqs)
    assert outcomes() == [("handed_over", reason)]
    assert Conversation.objects.get().owner == "staff"
    assert pigeon.sent == [("ann", Organization.objects.get().fallback)]
    write("are you there?")
    run(sqs)
    assert outcomes()[1] == ("handed_over", "staff_owns")
    assert len(pigeon.sent) == 1, "the contact was told already"


def test_no_answer_in_time_goes_to_staff(sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
    write("hello")
    sqs.run("dm-inbound.fifo", inbound.handler)
    long_ago = timezone.now() - timedelta(seconds=61)
    Message.objects.update(received_at=long_ago)
    Turn.objects.update(last_message_at=long_ago)
    sqs.release("wakeups")
    sqs.run("wakeups", wakeups.handler)
    sqs.run("dm-outbound.fifo", outbound.handler)
    assert outcomes() == [("handed_over", "no_answer_in_time")]
    answer(sqs, "too late")
    sqs.run("dm-outbound.fifo", outbound.handler)
    assert [text for _, text in pigeon.sent] == [Organization.objects.get().fallback]


def test_a_failed_request_is_asked_again_and_then_goes_to_staff(sqs: FakeSqs, write: Write) -> None:
    write("hello")
    sqs.run("dm-inbound.fifo", inbound.handler)
    fault = {"status": "failed", "error": {"code": "engine_error", "message": "x"}}
    answer(sqs, "", **fault)
    assert outcomes() == [("asked", "")]
    answer(sqs, "", **fault)
    assert outcomes() == [("handed_over", "llm_failed")]


@pytest.mark.parametrize("text", ["STAFF", "STAFF.", "I am not sure. STAFF"])
def test_the_llm_asks_for_a_person(sqs: FakeSqs, write: Write, pigeon: Pigeon, text: str) -> None:
    write("do you sell shoes?")
    sqs.run("dm-inbound.fifo", inbound.handler)
    answer(sqs, text)
    sqs.run("dm-outbound.fifo", outbound.handler)
    assert outcomes() == [("handed_over", "not_known")]
    assert [sent for _, sent in pigeon.sent] == [Organization.objects.get().fallback]


def test_a_short_question_is_read_with_the_one_before(sqs: FakeSqs, write: Write, channel: Channel) -> None:
    CannedPrompt.objects.create(
        organization=channel.organization, question="How much is a crown?", answer="620 €."
    )
    write("how much is a crown")
    run(sqs)
    write("and how long??")
    sqs.run("dm-inbound.fifo", inbound.handler)
    [request] = sqs.requests()
    assert request["messages"][-1]["content"] == "Facts: 620 €.\n\nQuestion: and how long??"


def test_a_cut_answer_ends_with_a_whole_sentence(sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
    write("hello")
    sqs.run("dm-inbound.fifo", inbound.handler)
    answer(sqs, "We are open. We close at 6 p.m. on wee", finish_reason="length")
    sqs.run("dm-outbound.fifo", outbound.handler)
    assert pigeon.sent == [("ann", "We are open. We close at 6 p.m.")]


def test_a_long_answer_leaves_in_parts_and_in_order(sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
    write("hello")
    sqs.run("dm-inbound.fifo", inbound.handler)
    answer(sqs, "a" * 100 + "b" * 100 + "c")
    sqs.run("dm-outbound.fifo", outbound.handler)
    assert [text for _, text in pigeon.sent] == ["a" * 100, "b" * 100, "c"]
    assert outcomes() == [("answered", "")]


class TestSending:
    """What becomes of an answer when the platform does not simply take it."""

    @pytest.fixture(autouse=True)
    def answered(self, sqs: FakeSqs, write: Write) -> None:
        write("hello")
        sqs.run("dm-inbound.fifo", inbound.handler)
        answer(sqs)

    def test_refused_for_now(self, sqs: FakeSqs, pigeon: Pigeon) -> None:
        pigeon.faults = [SendRefused("slow down", 14)]
        assert sqs.run("dm-outbound.fifo", outbound.handler) == 1
        assert sqs.postponed == [("dm-outbound.fifo", 14)]
        assert pigeon.sent == []
        sqs.run("dm-outbound.fifo", outbound.handler)
        assert len(pigeon.sent) == 1
        assert outcomes() == [("answered", "")]

    def test_refused_again_and_again_it_waits_ever_longer(self, sqs: FakeSqs, pigeon: Pigeon) -> None:
        pigeon.faults = [SendRefused("slow down", 6, growth=4)] * 3
        for _ in range(4):
            sqs.run("dm-outbound.fifo", outbound.handler)
        assert [seconds for _, seconds in sqs.postponed] == [6, 16, 64]
        assert outcomes() == [("answered", "")]

    def test_refused_for_ever(self, sqs: FakeSqs, pigeon: Pigeon) -> None:
        pigeon.faults = [SendRefused("slow down")] * 4
        for _ in range(5):
            sqs.run("dm-outbound.fifo", outbound.handler)
        assert outcomes() == [("handed_over", "delivery_failed")]
        assert [text for _, text in pigeon.sent] == [Organization.objects.get().fallback], "they are told"

    def test_rejected(self, sqs: FakeSqs, pigeon: Pigeon) -> None:
        pigeon.faults = [SendRejected("blocked by the contact", contact_gone=True)]
        sqs.run("dm-outbound.fifo", outbound.handler)
        assert outcomes() == [("handed_over", "delivery_failed")]
        assert Contact.objects.get().is_unreachable

    def test_a_rejected_credential_pauses_the_channel(self, sqs: FakeSqs, pigeon: Pigeon) -> None:
        pigeon.faults = [CredentialRejected("The token is not valid: paste a new one.")]
        sqs.run("dm-outbound.fifo", outbound.handler)
        channel = Channel.objects.get()
        assert (channel.status, channel.status_reason) == (
            "paused",
            "The token is not valid: paste a new one.",
        )
        assert outcomes() == [("asked", "")], "it is held"

    def test_a_contact_with_a_new_id_gets_it_there(self, sqs: FakeSqs, pigeon: Pigeon) -> None:
        pigeon.faults = [ContactMoved("moved", "ann2")]
        sqs.run("dm-outbound.fifo", outbound.handler)
        sqs.run("dm-outbound.fifo", outbound.handler)
        assert pigeon.sent == [("ann2", "240 €.")]

    def test_an_unknown_fate_is_never_tried_again(self, sqs: FakeSqs, pigeon: Pigeon) -> None:
        pigeon.faults = [SendUnknown("no answer within 8 s")]
        sqs.run("dm-outbound.fifo", outbound.handler, times=3)
        assert pigeon.sent == []
        assert outcomes() == [("handed_over", "delivery_unknown")]

    def test_a_sender_that_died_leaves_an_unknown_fate(self, sqs: FakeSqs, pigeon: Pigeon) -> None:
        pigeon.faults = [MemoryError()]
        assert sqs.run("dm-outbound.fifo", outbound.handler) == 1
        assert Message.objects.get(direction="out").state == "sending"
        assert sqs.run("dm-outbound.fifo", outbound.handler) == 1, "its sender may still be at it"
        Message.objects.filter(direction="out").update(sending_at=timezone.now() - timedelta(seconds=41))
        assert sqs.run("dm-outbound.fifo", outbound.handler) == 0
        assert pigeon.sent == []
        assert outcomes() == [("handed_over", "delivery_unknown")]

    def test_a_takeover_wins(self, sqs: FakeSqs, pigeon: Pigeon) -> None:
        user = User.objects.create_user("ann@example.com")
        staff.reply(Conversation.objects.get().pk, user, "I am Ann, a person.")
        sqs.run("dm-outbound.fifo", outbound.handler)
        assert pigeon.sent == [("ann", "I am Ann, a person.")]
        assert outcomes() == [("handed_over", "staff_owns")]


class TestSweep:
    """Whatever a queue lost is found again."""

    def age(self) -> None:
        """Let half a minute pass."""
        ago = timezone.now() - timedelta(seconds=30)
        Message.objects.update(stored_at=ago)
        Message.objects.exclude(sending_at=None).update(sending_at=ago - timedelta(minutes=5))
        Turn.objects.update(last_message_at=ago)
        LlmRequest.objects.update(asked_at=ago)

    def test_a_lost_wakeup(self, sqs: FakeSqs, write: Write) -> None:
        Organization.objects.update(burst_window_seconds=30)
        write("hello")
        sqs.run("dm-inbound.fifo", inbound.handler)
        sqs.delayed.clear()
        Organization.objects.update(burst_window_seconds=0)
        self.age()
        assert sweep.handler({}, None)["turns"] == 1
        assert len(sqs.requests()) == 1

    def test_a_lost_request(self, sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
        write("hello")
        sqs.run("dm-inbound.fifo", inbound.handler)
        [lost] = sqs.requests()
        sqs.queues.clear()
        self.age()
        sweep.handler({}, None)
        assert [request["id"] for request in sqs.requests()] == [lost["id"]]
        run(sqs)
        assert outcomes() == [("answered", "")]

    def test_a_lost_delivery(self, sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
        write("hello")
        sqs.run("dm-inbound.fifo", inbound.handler)
        answer(sqs)
        sqs.queues.clear()
        sqs.forget_ids()
        self.age()
        sweep.handler({}, None)
        sqs.run("dm-outbound.fifo", outbound.handler)
        assert len(pigeon.sent) == 1
        assert outcomes() == [("answered", "")]

    def test_a_sender_that_died_for_good(self, sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
        write("hello")
        sqs.run("dm-inbound.fifo", inbound.handler)
        answer(sqs)
        pigeon.faults = [MemoryError()]
        sqs.run("dm-outbound.fifo", outbound.handler)
        sqs.queues.clear()
        self.age()
        sweep.handler({}, None)
        sqs.run("dm-outbound.fifo", outbound.handler)
        assert pigeon.sent == []
        assert outcomes() == [("handed_over", "delivery_unknown")]

    def test_what_is_settled_is_left_alone(self, sqs: FakeSqs, write: Write) -> None:
        write("hello")
        run(sqs)
        self.age()
        done = sweep.handler({}, None)
        assert done.pop("counted") == 1  # the hour, for the dashboards
        assert set(done.values()) == {0}


class TestDeadLetters:
    @pytest.mark.parametrize("queue", ["wakeups", "llm-requests", "llm-replies", "dm-outbound.fifo"])
    def test_the_turn_behind_goes_to_staff(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon, queue: str
    ) -> None:
        write("hello")
        sqs.run("dm-inbound.fifo", inbound.handler)
        request = LlmRequest.objects.get()
        if queue == "dm-outbound.fifo":
            answer(sqs)
        body = {
            "wakeups": {"turn": Turn.objects.get().pk},
            "llm-requests": {"id": str(request.pk)},
            "llm-replies": {"id": str(request.pk)},
            "dm-outbound.fifo": {"message": Message.objects.order_by("pk").last().pk},  # type: ignore[union-attr]
        }[queue]
        dead = queue.replace(".fifo", "-dead.fifo") if queue.endswith(".fifo") else f"{queue}-dead"
        sqs.put(dead, body)
        assert sqs.run(dead, dead_letters.handler, times=2) == 0
        assert outcomes() == [("handed_over", "dead_letter")]
        letter = DeadLetter.objects.get()
        assert (letter.queue, letter.turn) == (queue, Turn.objects.get())

    def test_a_message_that_could_not_be_stored_is_tried_once_more(self, sqs: FakeSqs, write: Write) -> None:
        write("hello")
        [body] = sqs.bodies("dm-inbound.fifo")
        sqs.put("dm-inbound-dead.fifo", body)
        sqs.run("dm-inbound-dead.fifo", dead_letters.handler)
        assert Message.objects.get(direction="in").text == "hello"
        assert outcomes() == [("handed_over", "dead_letter")]

    def test_a_replaced_question_leaves_the_answer_alone(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon
    ) -> None:
        write("hello")
        sqs.run("dm-inbound.fifo", inbound.handler)
        [stale] = sqs.requests()
        write("hello again")
        sqs.run("dm-inbound.fifo", inbound.handler)
        answer(sqs, "Welcome.")
        sqs.put("llm-requests-dead", {"id": stale["id"]})
        sqs.run("llm-requests-dead", dead_letters.handler)
        sqs.run("dm-outbound.fifo", outbound.handler)
        assert pigeon.sent == [("ann", "Welcome.")]
        assert outcomes() == [("answered", "")]

    def test_what_cannot_be_stored_is_counted_at_its_organization(
        self, sqs: FakeSqs, channel: Channel
    ) -> None:
        sqs.put("dm-inbound-dead.fifo", {"channel": str(channel.pk), "received_at": "?", "inbound": {}})
        assert sqs.run("dm-inbound-dead.fifo", dead_letters.handler) == 0
        assert DeadLetter.objects.get().organization == channel.organization

    def test_rubbish_is_kept(self, sqs: FakeSqs, channel: Channel) -> None:
        sqs.put("wakeups-dead", {"nonsense": True})
        assert sqs.run("wakeups-dead", dead_letters.handler) == 0
        assert DeadLetter.objects.get().body == '{"nonsense": true}'


def test_one_bad_record_fails_alone(sqs: FakeSqs, write: Write) -> None:
    write("hello", contact="ann")
    sqs.put("dm-inbound.fifo", {"channel": "nonsense"})
    write("hello", contact="bob")
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 1
    assert Turn.objects.count() == 2
    assert sqs.bodies("dm-inbound.fifo") == [{"channel": "nonsense"}]


def test_a_retired_organization_declines(sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
    Organization.objects.update(is_active=False)
    assert write("hello")["statusCode"] == 200
    run(sqs)
    assert outcomes() == [("declined", "organization_retired")]
    assert pigeon.sent == []


def test_other_events_are_stored_once_and_not_answered(sqs: FakeSqs, write: Write) -> None:
    write(kind="feather", message_id="f1")
    write(kind="feather", message_id="f1")
    sqs.run("dm-inbound.fifo", inbound.handler, times=2)
    assert PlatformEvent.objects.get().kind == "feather"
    assert Turn.objects.count() == 0


@pytest.mark.parametrize(
    "text",
    [
        "x" * 10_000,
        "👩‍👩‍👧‍👦🎉" * 20,
        "before\x00after",
        "lone \ud83d surrogate",
        "مرحبا، كم سعر التبييض؟",
        "{{ 7 * 7 }} {% csrf_token %} <script>alert(1)</script> ${x}",
        "\ufdd0 noncharacter \ufffe",
    ],
    ids=["long", "emoji", "nul", "surrogate", "arabic", "markup", "noncharacter"],
)
def test_any_text_reaches_the_ledger_intact(sqs: FakeSqs, write: Write, pigeon: Pigeon, text: str) -> None:
    assert write(text)["statusCode"] == 200
    run(sqs)
    assert Message.objects.get(direction="in").text == text
    assert outcomes() == [("answered", "")]


def test_the_llm_is_given_prompt_examples_history_and_question(
    sqs: FakeSqs, write: Write, channel: Channel
) -> None:
    organization = channel.organization
    PromptVersion(organization=organization, instructions="You are the loft.").publish()
    PromptVersion(organization=organization, instructions="You are a better loft.").publish()
    PromptVersion.objects.create(organization=organization, instructions="a draft")
    CannedPrompt.objects.create(organization=organization, position=2, question="Price?", answer="240 €.")
    CannedPrompt.objects.create(organization=organization, position=3, question="Boxing?", answer="Yes.")
    CannedPrompt.objects.create(
        organization=organization,
        position=1,
        question="Hours?",
        also_asked="When can I come?",
        answer="9 to 6.",
    )
    CannedPrompt.objects.create(organization=organization, question="Old?", answer="Old.", is_active=False)
    write("hello")
    run(sqs)
    write("the price please")
    sqs.run("dm-inbound.fifo", inbound.handler)
    [request] = sqs.requests()
    assert [(said["role"], said["content"]) for said in request["messages"]] == [
        ("system", f"You are a better loft. {RULE}"),
        ("user", "Facts: 9 to 6.\n\nQuestion: When can I come?"),
        ("assistant", "9 to 6."),
        ("user", "Facts: none\n\nQuestion: Do you sell sunglasses?"),
        ("assistant", "STAFF"),
        ("user", "Facts: 240 €.\n\nQuestion: Price?"),
        ("assistant", "240 €."),
        ("user", "Facts: Yes.\n\nQuestion: Boxing?"),
        ("assistant", "Yes."),
        ("user", "hello"),
        ("assistant", "240 €."),
        ("user", "Facts: 240 €.\n\nQuestion: the price please"),
    ]
    assert request["organization"] == "loft"
    newest = LlmRequest.objects.order_by("asked_at").last()
    assert newest
    assert newest.prompt_version
    assert newest.prompt_version.instructions == "You are a better loft."


def test_a_queue_out_of_order_loses_nothing(sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
    write("hello")
    sqs.broken.add("llm-requests")
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 1
    sqs.broken.clear()
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    TestSweep().age()
    sweep.handler({}, None)
    run(sqs)
    assert outcomes() == [("answered", "")]
    assert len(pigeon.sent) == 1
