"""Which messages are for staff before the LLM is asked: an organization's words and topics, and contacts who
ask for a person. Pure, and the same for the same text: whole words, whatever the case and the accents."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from hub_lambdas.folding import fold
from hub_lambdas.turns import persons
from hub_lambdas.turns.reasons import Reason

_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Of scripts that put no space between words (Thai, Lao, Burmese, Khmer, Japanese, Chinese)."""


@dataclass(frozen=True)
class Topic:
    """A subject that is for staff, by what contacts say of it."""

    label: str
    phrases: Sequence[str]


@dataclass(frozen=True)
class Rules:
    """An organization's. `person_phrases`: how its contacts ask for a person, besides the usual."""

    words: Sequence[str] = ()
    topics: Sequence[Topic] = ()
    asks_for_person: bool = True
    """Whether who asks for a person gets one at once."""
    person_phrases: Sequence[str] = ()


@dataclass(frozen=True)
class Match:
    """Why a message is for staff. `detail`: the word, or the topic's label."""

    reason: Reason
    detail: str = ""


def find(rules: Rules, texts: Iterable[str]) -> Match | None:
    """The first rule that what a contact wrote meets; None: the LLM may answer."""
    written = _folded("\n".join(texts))
    if rules.asks_for_person and _asks_for_person(written, rules.person_phrases):
        return Match(Reason.ASKED_FOR_PERSON)
    for topic in rules.topics:
        if any(_holds(written, phrase) for phrase in topic.phrases):
            return Match(Reason.HANDOVER_TOPIC, topic.label)
    word = next((each for each in rules.words if _holds(written, each)), None)
    return Match(Reason.HANDOVER_WORD, word) if word else None


def _asks_for_person(written: str, phrases: Sequence[str]) -> bool:
    return any(pattern.search(written) for pattern in persons.patterns()) or any(
        _holds(written, phrase) for phrase in phrases
    )


def _holds(written: str, phrase: str) -> bool:
    return _pattern(phrase).search(written) is not None


@lru_cache(maxsize=4096)
def _pattern(phrase: str) -> re.Pattern[str]:
    """Any space between its words; borders of words around it, where its script has them."""
    words = r"\s+".join(re.escape(word) for word in _folded(phrase).split())
    if not words:
        return re.compile(r"(?!)")
    return re.compile(words if _UNSPACED.search(phrase) else rf"(?<!\w){words}(?!\w)")


def _folded(text: str) -> str:
    return fold(text.replace("’", "'"))
