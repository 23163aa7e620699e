"""What an answer may draw on, read as statements."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from hub_lambdas.folding import fold
from hub_lambdas.grounding.claims import Clause, Sentence, Vocabulary, clauses, sentences, words
from hub_lambdas.grounding.languages import MANNERS, QUESTION_WORDS


@dataclass(frozen=True)
class Fact:
    """Something the organization said, with the questions that it answers, if any. `is_asked_for`: the
    contact's question is about it."""

    text: str
    questions: Sequence[str] = ()
    is_asked_for: bool = False


@dataclass(frozen=True)
class Sources:
    """What an answer may draw on. `said`: what the organization wrote in this conversation, the bot's
    answers among it. `name`: the organization's. `rule`: what else the LLM was told."""

    instructions: str
    facts: Sequence[Fact] = ()
    said: Sequence[str] = ()
    contact_texts: Sequence[str] = ()
    name: str = ""
    rule: str = ""


@dataclass(frozen=True)
class Reading:
    """A clause of a fact. A claim that it backs may use its `own` words, the `topics` that the fact's
    questions name, and, where it says all of the clause, those `nearby`."""

    clause: Clause
    own: Vocabulary
    nearby: Vocabulary
    topics: Vocabulary


@dataclass(frozen=True)
class Statement:
    """A clause, and the fact that it is from."""

    reading: Reading
    fact: Fact


def statements(sources: Sources) -> Iterator[Statement]:
    """All that the sources state, clause by clause. The instructions may be about any question, what was said
    before only about one that no canned prompt answers."""
    is_found = any(fact.is_asked_for for fact in sources.facts)
    said = (Fact(text, is_asked_for=not is_found) for text in sources.said)
    paragraphs = (Fact(_facts_in(line), is_asked_for=True) for line in sources.instructions.splitlines())
    for fact in (*sources.facts, *said, *paragraphs):
        for reading in _readings(fact.text, tuple(fact.questions)):
            yield Statement(reading, fact)


def _facts_in(paragraph: str) -> str:
    """Instructions without the sentences about the bot: "answer in one or two sentences" is no reason to say
    "it is two"."""
    told = re.split(r"(?<=[.!?])\s+", paragraph)
    return " ".join(each for each in told if MANNERS.isdisjoint(re.findall(r"\w+", fold(each))))


@lru_cache(maxsize=2048)
def _readings(text: str, questions: Sequence[str]) -> Sequence[Reading]:
    topics = Vocabulary(_topics(text, questions) - words(text))
    found: list[Reading] = []
    before: Sentence = ()
    for sentence in sentences(text):
        for index, clause in enumerate(sentence):
            nearby = {*sentence[0].words, *sentence[max(index - 1, 0)].words}
            if clause.refers_back:
                nearby |= {word for each in before for word in each.words}
            if not clause.is_empty:
                found.append(Reading(clause, Vocabulary(clause.words), Vocabulary(nearby), topics))
        before = sentence
    return found


def _topics(text: str, questions: Sequence[str]) -> set[str]:
    """ "What is your address?" names what the answer is. "Do you take cheques?" does not, unless that is
    answered with yes."""
    first = next(iter(clauses(text)), None)
    agrees = first is not None and first.agrees
    return words(*(each for each in questions if agrees or "?" not in each or _asks_for_something(each)))


def _asks_for_something(question: str) -> bool:
    return any(word in QUESTION_WORDS for word in re.findall(r"[\w']+", fold(question)))
