from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_api.engine.base import ChatMessage, Role
from llm_api.engine.drafting import MAX_GUESSES, draft, guess_answers


def chat(*texts: str) -> list[ChatMessage]:
    roles: tuple[Role, Role] = ("user", "assistant")
    return [ChatMessage("system", "Be nice."), *(ChatMessage(roles[n % 2], t) for n, t in enumerate(texts))]


def asked(fact: str, question: str) -> str:
    return f"Facts: {fact}\n\nQuestion: {question}"


OPEN = "We open at nine."
EXAMPLES = (asked(OPEN, "When do you open?"), OPEN, asked("none", "Do you sell sunglasses?"), "HANDOVER")


def test_the_likeliest_answer_stands_where_the_examples_answers_stand() -> None:
    guesses = guess_answers(chat(*EXAMPLES, asked("A crown costs 300 €.", "How much is a crown?")))
    assert guesses == ["A crown costs 300 €.", "HANDOVER", OPEN]


def test_history_after_the_examples_does_not_hide_the_place() -> None:
    guesses = guess_answers(chat(*EXAMPLES, "hi", "Hello!", asked("A crown costs 300 €.", "And a crown?")))
    assert guesses[0] == "A crown costs 300 €."


@pytest.mark.parametrize("question", ["Hello?", "", "Facts: "])
def test_a_question_of_another_kind_has_the_answers_of_before(question: str) -> None:
    assert guess_answers(chat(*EXAMPLES, question))[-2:] == ["HANDOVER", OPEN]


def test_the_first_message_has_no_guess() -> None:
    assert guess_answers(chat("Hello?")) == []


def test_a_draft_goes_on_as_the_first_guess_that_fits() -> None:
    guesses = [[1, 2, 3], [1, 5, 6, 7], [1, 5, 8]]
    assert draft(guesses, [], 9) == [1, 2, 3]
    assert draft(guesses, [1], 1) == [2]
    assert draft(guesses, [1, 5], 9) == [6, 7]
    assert draft(guesses, [1, 5, 8], 9) == ()
    assert draft(guesses, [4], 9) == ()
    assert list(draft(guesses, [], 0)) == []


texts = st.text("ab :\n", max_size=12)


@given(st.lists(texts, min_size=1, max_size=30))
def test_whatever_was_said_there_are_few_guesses_and_none_is_empty(said: list[str]) -> None:
    guesses = guess_answers(chat(*said))
    assert len(guesses) == len(set(guesses)) <= MAX_GUESSES
    assert all(guesses)
