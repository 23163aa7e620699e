"""Whether an answer tells how the LLM is asked, in place of answering."""

import re
from collections.abc import Sequence

from hub_lambdas.folding import fold
from hub_lambdas.grounding.languages import ORDERS
from hub_lambdas.grounding.sources import Sources
from hub_lambdas.sentences import stored

RULE_WORDS = 5
ORDER_WORDS = 8
"""So many words in a row are a quotation, and not chance."""

_SCAFFOLD = re.compile(r"(?:^|[\n.!?]\s*)(?:facts?|question|system|user|assistant)\s*:|<\||\bsystem prompt\b")


def quotation(answer: str, sources: Sources) -> str:
    """What is quoted, as a sentence for staff; empty when nothing is."""
    folded = fold(answer)
    scaffold = _SCAFFOLD.search(folded)
    if scaffold and not any(scaffold[0].strip() in fold(fact.text) for fact in sources.facts):
        return stored("It shows how the LLM is asked.")
    if _shares_run(folded, fold(sources.rule), RULE_WORDS):
        return stored("It quotes what the LLM is told.")
    for sentence in re.split(r"(?<=[.!?])\s+|\n", fold(sources.instructions)):
        length = _telling_length(re.findall(r"\w+", sentence))
        if length and _shares_run(folded, sentence, length):
            return stored("It quotes the instructions.")
    return ""


def _telling_length(sentence: Sequence[str]) -> int:
    """How many words of a sentence of the instructions are a quotation; 0: it tells the bot
    nothing, is a fact, and may be told. A short "never give discounts" must not."""
    if ORDERS.isdisjoint(sentence):
        return 0
    return min(ORDER_WORDS, len(sentence)) if sentence[0] in ORDERS else ORDER_WORDS


def _shares_run(one: str, other: str, length: int) -> bool:
    words, others = re.findall(r"\w+", one), re.findall(r"\w+", other)
    runs = {tuple(others[start : start + length]) for start in range(len(others) - length + 1)}
    return any(tuple(words[start : start + length]) in runs for start in range(len(words) - length + 1))
