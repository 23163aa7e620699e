from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_api.engine.base import ChatMessage, Role
from llm_api.engine.drafting import (
    FIRST_DRAFT_TOKENS,
    MAX_DRAFT_TOKENS,
    draft,
    guess_answer,
    leads_clearly,
)
from llm_api.engine.lane import FEW_TOKENS


def chat(*texts: str) -> list[ChatMessage]:
    roles: tuple[Role, Role] = ("user", "assistant")
    return [ChatMessage("system", "Be nice."), *(ChatMessage(roles[n % 2], t) for n, t in enumerate(texts))]


def asked(fact: str, question: str) -> str:
    return f"Facts: {fact}\n\nQuestion: {question}"


OPEN = "We open at nine."
EXAMPLES = (asked(OPEN, "When do you open?"), OPEN, asked("none", "Do you sell sunglasses?"), "HANDOVER")


def test_the_likeliest_answer_stands_where_the_examples_answers_stand() -> None:
    guess = guess_answer(chat(*EXAMPLES, asked("A crown costs 300 €.", "How much is a crown?")))
    assert guess == "A crown costs 300 €."


def test_history_after_the_examples_does_not_hide_the_place() -> None:
    guess = guess_answer(chat(*EXAMPLES, "hi", "Hello!", asked("A crown costs 300 €.", "And a crown?")))
    assert guess == "A crown costs 300 €."


def test_an_answer_at_the_end_of_its_question_is_found() -> None:
    assert guess_answer(chat("Fact: one", "one", "Fact: two", "two", "Fact: three")) == "three"


@pytest.mark.parametrize("texts", [(*EXAMPLES, "Hello?"), (*EXAMPLES, ""), ("Hello?",), ("Hi", "Ho", "Hi")])
def test_where_nothing_is_repeated_there_is_no_guess(texts: tuple[str, ...]) -> None:
    assert guess_answer(chat(*texts)) == ""


def test_a_draft_goes_on_as_long_as_the_guess_was_right() -> None:
    guess = [1, 5, 6, 7]
    assert draft(guess, [], 9) == guess
    assert draft(guess, [1], 2) == [5, 6]
    assert draft(guess, guess, 9) == []
    assert draft(guess, [1, 4], 9) == []
    assert draft(guess, [1], -1) == []


def test_a_draft_goes_on_where_the_answer_says_the_same_again() -> None:
    guess = [1, 5, 6, 7, 8, 9, 5, 6, 7]
    assert draft(guess, [2, 3, 5, 6], 9) == []  # two in a row may be chance
    assert draft(guess, [2, 3, 6, 7, 8], 9) == [9, 5, 6, 7]
    assert draft(guess, [2, 3, 6, 7, 8], 2) == [9, 5]
    assert draft(guess, [2, 5, 6, 7], 9) == []  # the last place counts, and there it ends
    assert draft([1, 2], [3, 1, 2], 9) == []


def test_the_first_draft_is_short() -> None:
    guess = list(range(40))
    assert draft(guess, [], 99) == guess[:FIRST_DRAFT_TOKENS]
    assert draft(guess, guess[:1], 99) == guess[1 : 1 + MAX_DRAFT_TOKENS]
    assert max(FIRST_DRAFT_TOKENS, MAX_DRAFT_TOKENS) + 1 < FEW_TOKENS


def test_a_token_leads_clearly_when_no_other_is_near() -> None:
    assert leads_clearly(1, np.array([3, 5, 2], np.float32))
    assert not leads_clearly(1, np.array([4.5, 5, 2], np.float32))
    assert not leads_clearly(1, np.array([5, 5, 2], np.float32))


@given(st.lists(st.text("ab :\n", max_size=12), min_size=1, max_size=30))
def test_a_guess_is_part_of_the_question(said: list[str]) -> None:
    assert guess_answer(chat(*said)) in said[-1]
