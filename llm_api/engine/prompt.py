"""A chat as the tokens that the model reads, cut to its context."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Protocol

from llm_api.engine.base import ChatMessage, ContextLengthExceededError

ANSWER_TOKENS = 256
"""History makes room for an answer of this length, where more is not asked for anyway."""


class Reader(Protocol):
    """What is needed of a model."""

    control_tokens: frozenset[int]

    def render(self, messages: Sequence[ChatMessage]) -> str: ...

    def tokenize(self, text: str) -> list[int]: ...


@dataclass(frozen=True, slots=True)
class Prompt:
    """`borders` are the places where two chats of one organization may part: a message begins or ends there.
    One of them is `question_at`: the words of the last message begin there, which are new each time.
    `dropped_messages` did not fit."""

    tokens: tuple[int, ...]
    borders: tuple[int, ...]
    question_at: int
    dropped_messages: int = 0

    def border_before(self, length: int) -> int:
        """The last border within the first `length` tokens; 0 where there is none."""
        at = bisect_right(self.borders, length)
        return self.borders[at - 1] if at else 0


def read_prompt(
    model: Reader, messages: Sequence[ChatMessage], *, context_tokens: int, max_tokens: int | None
) -> Prompt:
    """Tokenize a chat; where it leaves no room for an answer, without its oldest exchanges.

    The system messages at the beginning and the last question stay. Between them whole exchanges go, the
    oldest first: a message of the user and all that follows it up to the next one. Raises
    ContextLengthExceededError when the rest still fills the context.
    """
    wanted = min(max_tokens or ANSWER_TOKENS, ANSWER_TOKENS, context_tokens // 4)
    given = len(messages)
    tokens = model.tokenize(model.render(messages))
    if len(tokens) + wanted > context_tokens:
        messages, tokens = _shorten(model, messages, context_tokens - wanted)
    if len(tokens) >= context_tokens:
        raise ContextLengthExceededError(
            f"The model's context is {context_tokens} tokens and the messages have {len(tokens)}: "
            "shorten them or raise HUB_LLM_CONTEXT_TOKENS."
        )
    question_at = max(0, min(_words_at(model, messages, tokens), len(tokens) - 1))
    controls = {n for n, token in enumerate(tokens) if token in model.control_tokens}
    borders = tuple(sorted(controls | {question_at}))
    return Prompt(tuple(tokens), borders, question_at, given - len(messages))


def common_length(one: Sequence[int], two: Sequence[int]) -> int:
    """How many tokens two chats have in common from the beginning."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, two, strict=False)))


def _shorten(
    model: Reader, messages: Sequence[ChatMessage], most_tokens: int
) -> tuple[Sequence[ChatMessage], list[int]]:
    """The chat with as few exchanges dropped as make it fit, or with none left."""
    first = next((n for n, message in enumerate(messages) if message.role != "system"), len(messages))
    users = [n for n, message in enumerate(messages) if message.role == "user" and n > first]

    def without(dropped: int) -> Sequence[ChatMessage]:
        return [*messages[:first], *messages[users[dropped] :]] if users else messages

    def size(dropped: int) -> int:
        return len(model.tokenize(model.render(without(dropped))))

    low, high = 0, max(0, len(users) - 1)  # halving, since each try reads the whole chat
    while low < high:
        middle = (low + high) // 2
        if size(middle) <= most_tokens:
            high = middle
        else:
            low = middle + 1
    return without(low), model.tokenize(model.render(without(low)))


def _words_at(model: Reader, messages: Sequence[ChatMessage], tokens: Sequence[int]) -> int:
    """Where the words of the last message begin: up to there another question leads to the same tokens."""
    last = messages[-1]
    other = "?" if not last.content.startswith("?") else "!"
    return common_length(
        tokens, model.tokenize(model.render([*messages[:-1], ChatMessage(last.role, other)]))
    )
