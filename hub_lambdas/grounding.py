"""Whether an answer says only what the organization has said. Pure and deterministic."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Sources:
    """What an answer may draw on. `facts`: canned prompts, and what the organization said in this
    conversation. `contact_texts`: what the contact wrote."""

    instructions: str
    facts: Sequence[str]
    contact_texts: Sequence[str] = ()


def objection(answer: str, sources: Sources) -> str:
    """Why `answer` must not be sent, as a sentence for staff; empty when it may."""
    known = _numbers([sources.instructions, *sources.facts])
    for number in _numbers([answer]):
        if number not in known:
            return f"It names {number}, which is nowhere in the organization's facts."
    return ""


def _numbers(texts: Iterable[str]) -> list[str]:
    return [found for text in texts for found in re.findall(r"\d+(?:[.,:]\d+)*", text)]
