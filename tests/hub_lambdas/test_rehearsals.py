"""Questions of the workshop: along the way of a contact's, and sent to nobody."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from console.channels.models import Channel
from console.conversations.models import DeadLetter, Message
from console.organizations.models import Organization
from console.prompts.models import CannedPrompt, PromptVersion
from console.workshop.models import Rehearsal
from hub_lambdas import dead_letters, grounding, rehearsals
from hub_lambdas.questions import MadeUp
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.steps import Write
from tests.hub_lambdas.steps import ask as ask_as_contact
from tests.hub_lambdas.test_pipeline import answer, reply_to

pytestmark = pytest.mark.django_db(transaction=True)
QUESTION = "How much is a whitening?"
PUBLISHED, DRAFTED = "A whitening costs 240 €.", "A whitening costs 250 €."
REAL_CHECK = grounding.objection


@pytest.fixture
def clinic(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> Organization:
    """It has published a price, and another stands in its draft. Answers are checked."""
    monkeypatch.setattr(grounding, "objection", REAL_CHECK)
    organization = channel.organization
    CannedPrompt.objects.create(organization=organization, question=QUESTION, answer=PUBLISHED)
    PromptVersion.objects.create(organization=organization, instructions="You are brief.").publish()
    draft = PromptVersion(organization=organization, instructions="You are kind.")
    draft.canned = [CannedPrompt(question=QUESTION, answer=DRAFTED)]
    draft.save()
    return organization


def ask(clinic: Organization, *, is_draft: bool = False, text: str = QUESTION, **fields: Any) -> Rehearsal:
    status = PromptVersion.Status.DRAFT if is_draft else PromptVersion.Status.PUBLISHED
    return rehearsals.ask(
        clinic,
        PromptVersion.objects.get(organization=clinic, status=status),
        MadeUp(text, fields.pop("history", ())),
        is_draft=is_draft,
        asked_by=None,
        priority="test",
        expires_after=timedelta(minutes=1),
        **fields,
    )


def take(sqs: FakeSqs) -> list[dict[str, Any]]:
    """The requests at the LLM, which has them now."""
    requests = sqs.requests()
    sqs.queues["llm-requests"] = []
    return requests


def outcome(rehearsal: Rehearsal) -> tuple[str, str, str]:
    rehearsal.refresh_from_db()
    return rehearsal.state, rehearsal.reason, rehearsal.text


def test_the_llm_is_given_the_very_chat_that_a_contacts_question_makes(
    sqs: FakeSqs, write: Write, clinic: Organization
) -> None:
    ask_as_contact(sqs, write, QUESTION)
    [of_contact] = take(sqs)
    ask(clinic)
    [rehearsed] = take(sqs)
    assert rehearsed["messages"] == of_contact["messages"]
    assert (rehearsed["max_tokens"], rehearsed["priority"]) == (of_contact["max_tokens"], "test")


def test_each_version_is_checked_by_its_own_facts(sqs: FakeSqs, clinic: Organization) -> None:
    published, draft = ask(clinic), ask(clinic, is_draft=True)
    assert ["You are kind." in each["messages"][0]["content"] for each in sqs.requests()] == [False, True]
    before = Message.objects.count()
    answer(sqs, DRAFTED)
    assert outcome(draft) == ("answered", "", DRAFTED)
    assert outcome(published) == ("pending", "", ""), "it is asked a second time, as for a contact"
    answer(sqs, DRAFTED)
    assert outcome(published) == ("handed_over", "not_grounded", "")
    first, second = published.attempts.order_by("number")
    assert "250" in first.objection
    assert second.chat["opening"][0]["content"] == "Repeat the fact."
    assert Message.objects.count() == before


@pytest.mark.parametrize(("said", "reason"), [("STAFF", "not_known"), ("", "no_answer")])
def test_no_answer_is_a_hand_over(said: str, reason: str, sqs: FakeSqs, clinic: Organization) -> None:
    rehearsal = ask(clinic)
    answer(sqs, said)
    answer(sqs, said)
    assert outcome(rehearsal) == ("handed_over", reason, "")


def test_the_organizations_rules_for_staff_hold(sqs: FakeSqs, clinic: Organization) -> None:
    rehearsal = ask(clinic, text="I want to speak to a human")
    assert outcome(rehearsal) == ("handed_over", "asked_for_person", "")
    clinic.handover_after_turns = 1
    rehearsal = ask(clinic, history=[("One?", "One.")])
    assert outcome(rehearsal)[0] == "handed_over"
    assert not sqs.requests(), "the LLM is not asked"


def test_what_is_left_out_is_told(sqs: FakeSqs, clinic: Organization) -> None:
    for number in range(12):
        CannedPrompt.objects.create(
            organization=clinic, position=number + 1, question=f"Topic {number}?", answer=f"Answer {number}."
        )
    history = [("One?", "One."), ("Two?", "Two."), ("Three?", "Three.")]
    rehearsal = ask(clinic, history=history)
    [request] = sqs.requests()
    said = [message["content"] for message in request["messages"]]
    assert "Two?" in said
    assert "One?" not in said
    chat = rehearsal.attempts.get().chat
    assert (chat["left_out_count"], chat["dropped_exchanges"], chat["fact_of"]) == (3, 1, QUESTION)
    assert chat["left_out"][0] == "Topic 9?"


def test_tokens_and_times_are_the_llms(sqs: FakeSqs, clinic: Organization) -> None:
    rehearsal = ask(clinic)
    [request] = take(sqs)
    reply = reply_to(request, PUBLISHED, dropped_messages=2, context_tokens=4096)
    assert rehearsals.store(reply)
    assert rehearsals.store({**reply, "text": "Another."}), "a second time it changes nothing"
    attempt = rehearsal.attempts.get()
    assert (attempt.prompt_tokens, attempt.completion_tokens, attempt.seconds) == (100, 5, 0.5)
    assert (attempt.dropped_messages, attempt.context_tokens, attempt.text) == (2, 4096, reply["text"])


def test_one_that_nobody_could_answer(sqs: FakeSqs, clinic: Organization) -> None:
    rehearsal = ask(clinic)
    for _ in range(2):
        [request] = take(sqs)
        sqs.put("llm-requests-dead", request)
        assert sqs.run("llm-requests-dead", dead_letters.handler) == 0
    assert outcome(rehearsal)[0] == "failed"
    assert not DeadLetter.objects.exists()


def test_one_whose_reply_got_lost(sqs: FakeSqs, clinic: Organization) -> None:
    rehearsal = ask(clinic)
    assert not rehearsals.is_lost(rehearsal, timezone.now())
    assert rehearsals.is_lost(rehearsal, timezone.now() + timedelta(minutes=2))


def test_a_draft_that_is_gone_is_not_taken_for_what_is_published(sqs: FakeSqs, clinic: Organization) -> None:
    rehearsal = ask(clinic, is_draft=True)
    PromptVersion.objects.filter(status="draft").delete()
    answer(sqs, "A whitening costs 977 €.")
    assert outcome(rehearsal)[0] == "failed"
