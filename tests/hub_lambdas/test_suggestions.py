"""Answers that the LLM suggests to a member: on the queue and back, and never to the contact."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from console.channels.models import Channel
from console.conversations.models import Conversation, DeadLetter, LlmRequest
from console.inbox.models import Suggestion
from console.organizations.models import User
from console.prompts.models import CannedPrompt
from hub_lambdas import dead_letters, staff, suggestions
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.conftest import Pigeon
from tests.hub_lambdas.steps import Write, ask, send
from tests.hub_lambdas.test_pipeline import answer

pytestmark = pytest.mark.django_db(transaction=True)
QUESTION = "How much is a whitening?"


@pytest.fixture
def suggestion(sqs: FakeSqs, write: Write, channel: Channel) -> Suggestion:
    """Asked for in a conversation that staff own."""
    CannedPrompt.objects.create(organization=channel.organization, question=QUESTION, answer="240 €.")
    ask(sqs, write, QUESTION)
    conversation, user = Conversation.objects.get(), User.objects.create_user("ann@example.com")
    staff.take_over(conversation.pk, user)
    sqs.queues["llm-requests"] = []
    return suggestions.ask(conversation, user)


def test_it_is_asked_as_for_the_contact_and_sent_to_nobody(
    sqs: FakeSqs, pigeon: Pigeon, suggestion: Suggestion
) -> None:
    [request] = sqs.requests()
    assert QUESTION in request["messages"][-1]["content"]
    assert request["expires_at"] > request["answer_by"]
    sent, requests = len(pigeon.sent), LlmRequest.objects.count()
    answer(sqs, "240 €.")
    send(sqs)
    suggestion.refresh_from_db()
    assert (suggestion.state, suggestion.text, suggestion.objection) == ("completed", "240 €.", "")
    assert len(pigeon.sent) == sent
    assert LlmRequest.objects.count() == requests, "the ledger knows nothing of it"


def test_what_nobody_has_said_is_shown_with_the_objection(sqs: FakeSqs, suggestion: Suggestion) -> None:
    answer(sqs, "977 €.")
    suggestion.refresh_from_db()
    assert (suggestion.text, suggestion.objection) == ("977 €.", "It names 977.")


def test_no_answer_is_no_text(sqs: FakeSqs, suggestion: Suggestion) -> None:
    answer(sqs, "STAFF")
    suggestion.refresh_from_db()
    assert (suggestion.state, suggestion.text) == ("completed", "")


def test_a_reply_that_comes_twice_changes_nothing(sqs: FakeSqs, suggestion: Suggestion) -> None:
    reply = {"id": str(suggestion.pk), "status": "completed", "text": "240 €."}
    assert suggestions.store(reply)
    assert suggestions.store({**reply, "text": "Another."})
    suggestion.refresh_from_db()
    assert suggestion.text == "240 €."


def test_one_that_failed_or_was_lost(suggestion: Suggestion) -> None:
    later = timezone.now() + suggestions.EXPIRES_AFTER + timedelta(seconds=1)
    assert not suggestions.is_lost(suggestion, timezone.now())
    assert suggestions.is_lost(suggestion, later)
    suggestions.store({"id": str(suggestion.pk), "status": "failed"})
    suggestion.refresh_from_db()
    assert suggestion.state == "failed"


def test_without_words_there_is_nothing_to_answer(sqs: FakeSqs, write: Write, channel: Channel) -> None:
    ask(sqs, write, kind="image", text="")
    with pytest.raises(suggestions.NothingToAnswer):
        suggestions.ask(Conversation.objects.get(), User.objects.create_user("ann@example.com"))


def test_a_member_has_one_at_the_llm_at_a_time(sqs: FakeSqs, suggestion: Suggestion) -> None:
    conversation, user = Conversation.objects.get(), suggestion.asked_by
    assert user is not None
    assert suggestions.ask(conversation, user) == suggestion
    assert len(sqs.requests()) == 1
    colleague = User.objects.create_user("ben@example.com")
    assert suggestions.ask(conversation, colleague) != suggestion
    Suggestion.objects.update(asked_at=timezone.now() - suggestions.EXPIRES_AFTER)
    assert suggestions.ask(conversation, user) != suggestion


def test_what_the_contact_writes_then_it_does_not_answer(
    sqs: FakeSqs, write: Write, suggestion: Suggestion
) -> None:
    assert not suggestions.is_overtaken(suggestion)
    ask(sqs, write, "And for two?")
    assert suggestions.is_overtaken(suggestion)


@pytest.mark.parametrize("queue", ["llm-requests-dead", "llm-replies-dead"])
def test_a_dead_letter_of_one_keeps_no_text(queue: str, sqs: FakeSqs, suggestion: Suggestion) -> None:
    sqs.put(queue, {"id": str(suggestion.pk), "messages": [{"role": "user", "content": QUESTION}]})
    assert sqs.run(queue, dead_letters.handler) == 0
    suggestion.refresh_from_db()
    assert suggestion.state == "failed"
    assert not DeadLetter.objects.exists()


@pytest.mark.parametrize("body", [{"id": "x"}, {"id": 7}, {}, [], "x"])
def test_what_is_none_is_a_dead_letter(body: object, sqs: FakeSqs, suggestion: Suggestion) -> None:
    sqs.put("llm-requests-dead", body)
    assert sqs.run("llm-requests-dead", dead_letters.handler) == 0
    assert DeadLetter.objects.get().body == json.dumps(body)
