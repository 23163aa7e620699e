"""Prompts and sequences of plain numbers, for what needs no model."""

from __future__ import annotations

from collections.abc import Sequence as Items
from itertools import accumulate

from llm_api.engine.base import Priority
from llm_api.engine.prompt import Prompt
from llm_api.engine.sequence import Sequence


def prompt(*messages: Items[int]) -> Prompt:
    """Each message is a list of tokens; the last one is the question."""
    ends = list(accumulate(len(message) for message in messages))
    borders = (0, *ends[:-1])
    return Prompt(tuple(token for message in messages for token in message), borders, borders[-1])


def words(first: int, count: int) -> range:
    return range(first, first + count)


def sequence(
    group: str = "smile",
    read: int = 10,
    write: int = 5,
    *,
    priority: Priority = "interactive",
    answer_by: float | None = None,
    first: int = 0,
) -> Sequence:
    """A prompt of one message. Those with another `first` have nothing in common."""
    asked = prompt(words(first, read))
    return Sequence(asked, write, group=group, priority=priority, answer_by=answer_by)
