"""What of a chat the model reads: a model whose tokens are words, and messages begin with a bar."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_api.engine.base import ChatMessage, ContextLengthExceededError, Role
from llm_api.engine.prompt import Prompt, common_length, read_prompt

BAR = 1


class Words:
    control_tokens = frozenset([BAR])

    def render(self, messages: Sequence[ChatMessage]) -> str:
        return "".join(f"| {m.role} {m.content} " for m in messages) + "| assistant"

    def tokenize(self, text: str) -> list[int]:
        return [BAR if word == "|" else hash(word) for word in text.split()]


def chat(*said: str) -> list[ChatMessage]:
    """S:… is the system, U:… the user, A:… the assistant."""
    roles: dict[str, Role] = {"S": "system", "U": "user", "A": "assistant"}
    return [ChatMessage(roles[text[0]], text[2:]) for text in said]


def read(
    messages: Sequence[ChatMessage], context_tokens: int = 1000, max_tokens: int | None = None
) -> Prompt:
    return read_prompt(Words(), messages, context_tokens=context_tokens, max_tokens=max_tokens)


def left_of(messages: Sequence[ChatMessage], context_tokens: int) -> list[ChatMessage]:
    """Which messages are still read, found by their tokens."""
    tokens = read(messages, context_tokens, max_tokens=1).tokens
    return [m for m in messages if hash(m.content) in tokens]


def test_borders_are_where_messages_begin_and_where_the_question_does() -> None:
    prompt = read(chat("S:be nice", "U:hi", "A:hello you", "U:how much is it"))
    assert prompt.borders == (0, 4, 7, 11, 13, 17)
    assert prompt.question_at == 13
    assert [prompt.border_before(length) for length in (0, 3, 4, 10, 16)] == [0, 0, 4, 7, 13]


@pytest.mark.parametrize("question", ["U:?", "U:!", "U:? and more", "U:"])
def test_the_question_is_found_whatever_it_is(question: str) -> None:
    assert read(chat("S:be nice", "U:hi", "A:hello", question)).question_at == 12


def test_what_fits_is_read_whole() -> None:
    messages = chat("S:s", "U:a", "A:b", "U:c")
    assert left_of(messages, 17) == messages


@pytest.mark.parametrize(
    ("context_tokens", "kept"),
    [(24, "S:s U:a A:b A:c U:d A:e U:f"), (21, "S:s U:d A:e U:f"), (15, "S:s U:d A:e U:f"), (14, "S:s U:f")],
)
def test_the_oldest_exchanges_go_first_and_whole(context_tokens: int, kept: str) -> None:
    messages = chat("S:s", "U:a", "A:b", "A:c", "U:d", "A:e", "U:f")
    assert left_of(messages, context_tokens) == chat(*kept.split())
    assert read(messages, context_tokens, 1).dropped_messages == len(messages) - len(kept.split())


def test_the_answer_is_given_room() -> None:
    messages = chat("S:s", "U:a", "A:b", "U:c")
    assert len(read(messages, 20, max_tokens=4).tokens) == 14
    assert len(read(messages, 20, max_tokens=50).tokens) == 14  # a quarter of the context is enough
    assert len(read(messages, 18, max_tokens=50).tokens) == 14
    assert len(read(messages, 17, max_tokens=50).tokens) == 8


def test_what_cannot_be_dropped_must_fit() -> None:
    with pytest.raises(ContextLengthExceededError, match=r"is 64 tokens and the messages have 10\d"):
        read(chat("S:s", "U:a", "A:b", "U:" + "c " * 100), 64)
    with pytest.raises(ContextLengthExceededError):
        read(chat("S:" + "s " * 100, "U:a"), 64)


@given(
    st.lists(st.sampled_from(["S:s", "U:a b", "A:c d e", "U:f"]), min_size=1, max_size=30),
    st.integers(16, 90),
)
def test_what_is_read_fits_and_nothing_is_dropped_without_need(said: list[str], context_tokens: int) -> None:
    messages = chat(*said)
    whole = len(Words().tokenize(Words().render(messages)))
    try:
        prompt = read(messages, context_tokens, max_tokens=1)
    except ContextLengthExceededError:
        assert whole >= context_tokens
        return
    assert len(prompt.tokens) < context_tokens
    assert (len(prompt.tokens) == whole) == (whole < context_tokens)
    assert 0 <= prompt.question_at < len(prompt.tokens)


@given(st.lists(st.integers(0, 2)), st.lists(st.integers(0, 2)))
def test_common_length(one: list[int], two: list[int]) -> None:
    length = common_length(one, two)
    assert one[:length] == two[:length]
    assert one[length : length + 1] != two[length : length + 1] or length == len(one) == len(two)
