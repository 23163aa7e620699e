"""A guess at an answer before it is written: the model checks many tokens in the time of few.

The worked examples in this product's chats show questions with a fact, and answers that repeat it. So the
likeliest answer to a question is what stands in the same place of it.

Where the answer parts from the guess and then says the same ("Yes, please call" for "Please call"), the guess
goes on from there.

The model rounds differently for tokens that it checks together and those that it writes one by one. So a
guessed token counts only where it leads clearly; otherwise the model writes that token alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from llm_api.engine.base import ChatMessage
from llm_api.engine.sampling import Logits

MAX_DRAFT_TOKENS = 14
"""With the token before them fewer than `lane.FEW_TOKENS`: they are rounded as answers are that are written
together."""
FIRST_DRAFT_TOKENS = 8
"""Most wrong guesses are wrong from the beginning: a right one costs a step more, a wrong one less."""
RESUMING_TOKENS = 3
"""So many in a row that agree are hardly chance."""
CLEAR_LEAD = 1.0
"""In logits, about twice what rounding was seen to move."""
_ENDING_CHARACTERS = 24
"""So much of what follows a repeated answer shows where it ends."""


def guess_answer(messages: Sequence[ChatMessage]) -> str:
    """The text that the answer to a chat may be: that part of its question which the last example repeats of
    its own. Empty where no example repeats anything, or the question has no such part."""
    question = messages[-1].content
    for asked, answer in zip(messages[-3::-1], messages[-2::-1], strict=False):
        if asked.role != "user" or answer.role != "assistant" or not answer.content:
            continue
        before, found, after = asked.content.partition(answer.content)
        if found and question.startswith(before):
            return _up_to(after, question[len(before) :])
    return ""


def draft(guess: Sequence[int], written: Sequence[int], limit: int) -> Sequence[int]:
    """How the answer may go on, in at most `limit` tokens: as the guess does, from its beginning as long as
    that was right, or from where the last tokens of the answer stand in it."""
    limit = max(0, min(limit, MAX_DRAFT_TOKENS if written else FIRST_DRAFT_TOKENS))
    at = _place(guess, written)
    return guess[at : at + limit]


def _place(guess: Sequence[int], written: Sequence[int]) -> int:
    """How far of the guess is written."""
    count = len(written)
    if list(guess[:count]) == list(written):
        return count
    last = list(written[-RESUMING_TOKENS:])
    ends = range(len(guess), RESUMING_TOKENS - 1, -1) if count >= RESUMING_TOKENS else ()
    return next((end for end in ends if list(guess[end - RESUMING_TOKENS : end]) == last), len(guess))


def leads_clearly(token: int, logits: Logits) -> bool:
    lead = logits[token] - CLEAR_LEAD
    return bool((logits > lead).sum() == 1)


def _up_to(after: str, rest: str) -> str:
    """The rest of a question without what follows its answer, which begins like `after`."""
    sizes = range(min(len(after), _ENDING_CHARACTERS), 0, -1)
    ending = next((after[:size] for size in sizes if after[:size] in rest), None)
    return rest.partition(ending)[0] if ending else rest
