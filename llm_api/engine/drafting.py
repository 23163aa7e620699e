"""Guesses at an answer before it is written: the model checks many tokens of a guess in the time of few.

Answers of this product often repeat what an organization has written: the worked examples in a chat show
questions with a fact and answers that repeat it. So the likeliest answer to a question is what stands in the
same place of it; the next ones are the examples' answers themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llm_api.engine.base import ChatMessage

MAX_DRAFT_TOKENS = 24
MAX_GUESSES = 12
_BORDER_CHARACTERS = 24
"""So much of what follows a repeated answer shows where it ends."""


def guess_answers(messages: Sequence[ChatMessage]) -> list[str]:
    """Texts that the answer to a chat may be, the likeliest first."""
    answers = [message.content for message in messages if message.role == "assistant"]
    guesses = [*_repeated(messages), *reversed(answers)]
    return [guess for guess in dict.fromkeys(guesses) if guess][:MAX_GUESSES]


def draft(guesses: Sequence[Sequence[int]], written: Sequence[int], limit: int) -> Sequence[int]:
    """How the answer may go on, in at most `limit` tokens: as the first guess that begins like it."""
    count = len(written)
    for guess in guesses:
        if len(guess) > count and list(guess[:count]) == list(written):
            return guess[count : count + limit]
    return ()


def _repeated(messages: Sequence[ChatMessage]) -> Iterator[str]:
    """What the answer would be if it repeats the part of its question that the last example repeats."""
    question = messages[-1].content
    for asked, answer in zip(messages[-3::-1], messages[-2::-1], strict=False):
        if asked.role != "user" or answer.role != "assistant" or not answer.content:
            continue
        before, found, after = asked.content.partition(answer.content)
        if not found or not question.startswith(before):
            continue
        rest = question[len(before) :]
        sizes = range(min(len(after), _BORDER_CHARACTERS), 0, -1)
        ending = next((after[:size] for size in sizes if after[:size] in rest), None)
        yield rest.partition(ending)[0] if ending else rest
        return
