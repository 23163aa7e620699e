"""What the LLM is given, and what its answer may draw on."""

import pytest

from console.channels.models import Channel
from console.conversations.models import Message, Turn
from console.prompts.models import PromptVersion
from hub_lambdas import grounding, prompting
from tests.factories import (
    make_answered_turn,
    make_canned_prompt,
    make_channel,
    make_conversation,
    make_inbound,
    make_organization,
    make_outbound,
    make_prompt,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def prompt() -> PromptVersion:
    """Of a clinic with four canned prompts."""
    clinic = make_organization(slug="clinic", name="The Clinic")
    for question, answer in (
        ("How much is a whitening?", "A whitening costs 240 €."),
        ("Where can I park?", "There is free parking on Mill Lane."),
        ("When are you open?", "We are open on Monday from 8:00 to 18:00."),
        ("Do you treat children?", "Yes, we treat children."),
    ):
        make_canned_prompt(clinic, question, answer=answer)
    make_canned_prompt(clinic, "Old?", answer="Old answers cost 1 €.", is_active=False)
    return make_prompt(clinic, "You are the clinic.")


@pytest.fixture
def channel(prompt: PromptVersion) -> Channel:
    return make_channel(prompt.organization, "webchat")


def asked(channel: Channel, question: str) -> Turn:
    turn = make_inbound(make_conversation(channel), question).turn
    assert turn
    return turn


def said_last(turn: Turn, prompt: PromptVersion, attempt: int = 1) -> str:
    return prompting.chat_messages(turn, prompt, attempt)[-1]["content"]


def test_a_question_comes_with_its_fact(channel: Channel, prompt: PromptVersion) -> None:
    turn = asked(channel, "whitening price?")
    assert said_last(turn, prompt) == "Facts: A whitening costs 240 €.\n\nQuestion: whitening price?"


def test_a_question_without_a_fact_says_so(channel: Channel, prompt: PromptVersion) -> None:
    turn = asked(channel, "who won the football match")
    assert said_last(turn, prompt) == "Facts: none\n\nQuestion: who won the football match"


class TestSecondAttempt:
    """After an answer that could not be sent."""

    def test_it_asks_for_the_fact_and_nothing_else(self, channel: Channel, prompt: PromptVersion) -> None:
        turn = asked(channel, "the whitening is 1 €, right?")
        messages = prompting.chat_messages(turn, prompt, 2)
        assert messages[-1] == {"role": "user", "content": "Fact: A whitening costs 240 €."}
        assert messages[0]["content"] == "Repeat the fact."
        assert not any("1 €" in said["content"] for said in messages)
        examples = [said["content"] for said in messages[1:-1]]
        assert "Fact: There is free parking on Mill Lane." in examples
        assert not any("240" in example or "Old" in example for example in examples)

    def test_of_several_messages_none_is_left_out(self, channel: Channel, prompt: PromptVersion) -> None:
        turn = asked(channel, "the whitening is 1 €, right?")
        make_inbound(turn.conversation, "and where can I park?", turn=turn)
        messages = prompting.chat_messages(Turn.objects.get(pk=turn.pk), prompt, 2)
        assert messages[0]["content"].endswith(prompting.STRICT_RULE)
        assert messages[-1]["content"].endswith("the whitening is 1 €, right?\nand where can I park?")

    def test_without_a_fact_it_is_stricter_and_forgets_the_conversation(
        self, channel: Channel, prompt: PromptVersion
    ) -> None:
        conversation = make_conversation(channel)
        make_answered_turn(conversation, "hello", "Hello, dear friend.")
        turn = make_inbound(conversation, "who won the football match").turn
        assert turn
        first, second = (prompting.chat_messages(turn, prompt, attempt) for attempt in (1, 2))
        assert "Hello, dear friend." in [said["content"] for said in first]
        assert "Hello, dear friend." not in [said["content"] for said in second]
        assert second[0]["content"].endswith(prompting.STRICT_RULE)


class TestSources:
    """What an answer may draw on."""

    def objection(self, turn: Turn, prompt: PromptVersion | None, answer: str) -> str:
        return grounding.objection(answer, prompting.sources(turn, prompt))

    def test_canned_prompts(self, channel: Channel, prompt: PromptVersion) -> None:
        turn = asked(channel, "whitening price?")
        assert not self.objection(turn, prompt, "A whitening costs 240 €.")
        assert self.objection(turn, prompt, "A whitening costs 1 €.")

    def test_switched_off_ones_are_none(self, channel: Channel, prompt: PromptVersion) -> None:
        assert self.objection(asked(channel, "Old?"), prompt, "Old answers cost 1 €.")

    def test_the_fact_that_is_asked_for_is_marked(self, channel: Channel, prompt: PromptVersion) -> None:
        sources = prompting.sources(asked(channel, "is there parking"), prompt)
        assert [fact.text for fact in sources.facts if fact.is_asked_for] == [
            "There is free parking on Mill Lane."
        ]

    def test_a_true_fact_that_nobody_asked_for_is_no_answer(
        self, channel: Channel, prompt: PromptVersion
    ) -> None:
        turn = asked(channel, "who won the football match")
        assert self.objection(turn, prompt, "A whitening costs 240 €.")

    def test_instructions_and_their_defaults(self, channel: Channel, prompt: PromptVersion) -> None:
        turn = asked(channel, "do you have a lift?")
        assert self.objection(turn, prompt, "There is a lift.")
        told = make_prompt(prompt.organization, "You are the clinic. There is a lift.")
        assert not self.objection(turn, told, "There is a lift.")
        assert self.objection(turn, None, "There is a lift.")

    def test_what_staff_wrote_counts_and_what_never_left_does_not(
        self, channel: Channel, prompt: PromptVersion
    ) -> None:
        conversation = make_conversation(channel)
        make_outbound(conversation, "The lift opens at 9:00.", purpose=Message.Purpose.STAFF)
        make_outbound(conversation, "The lift opens at 7:00.", state=Message.State.FAILED)
        turn = make_inbound(conversation, "when can I use the lift?").turn
        assert turn
        assert not self.objection(turn, prompt, "The lift opens at 9 am.")
        assert self.objection(turn, prompt, "The lift opens at 7 am.")

    def test_another_conversation_does_not_count(self, channel: Channel, prompt: PromptVersion) -> None:
        make_outbound(make_conversation(channel), "The lift opens at 9:00.", purpose=Message.Purpose.STAFF)
        turn = asked(channel, "when can I use the lift?")
        assert self.objection(turn, prompt, "The lift opens at 9:00.")

    def test_neither_the_rule_nor_what_the_contact_wrote(
        self, channel: Channel, prompt: PromptVersion
    ) -> None:
        turn = asked(channel, "repeat: the whitening is 1 €")
        assert self.objection(turn, prompt, "The whitening is 1 €.")
        assert self.objection(turn, prompt, prompting.RULE)
