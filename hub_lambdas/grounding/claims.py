"""A text as the claims that it makes: sentences of clauses, with the words and values of each."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from hub_lambdas.folding import fold
from hub_lambdas.grounding.languages import (
    AGREEMENTS,
    BACK_REFERENCES,
    CONJUNCTIONS,
    CONTRASTS,
    COURTESIES,
    DENIALS,
    FUNCTION_WORDS,
    LIMITS,
    POLITE_WORDS,
    SUBJECTS,
)
from hub_lambdas.grounding.values import Value, alike, read

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_BEHIND = re.compile(r"[ -]?([^\W\d_]+)")
_LEADING_AGREEMENTS = AGREEMENTS - DENIALS - FUNCTION_WORDS
_LITTLE_WORDS = FUNCTION_WORDS | CONJUNCTIONS
_ENDS_QUESTION = "?？؟"
_ENDS_SENTENCE = f".!…。！।;；\n{_ENDS_QUESTION}"
_ENDS_CLAUSE = ",:()،，、"


class Vocabulary:
    """Words that know their other forms: `"parking" in Vocabulary(["park"])`."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._words = frozenset(words)
        self._by_start: dict[str, list[str]] = defaultdict(list)
        for word in self._words:
            self._by_start[word[:3]].append(word)

    def __contains__(self, word: str) -> bool:
        return word in self._words or any(alike(word, each) for each in self._by_start.get(word[:3], ()))

    def __iter__(self) -> Iterator[str]:
        return iter(self._words)


@dataclass
class Clause:
    """`words`: those that claim something. `denies`: it says that something is not so. `agrees`: it says yes
    or no. `starts_anew`: it has a subject of its own. `refers_back`: it is about what was said before it."""

    words: list[str] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    denies: bool = False
    agrees: bool = False
    is_question: bool = False
    starts_anew: bool = False
    refers_back: bool = False
    first: str = ""

    def is_courtesy(self, name: Vocabulary) -> bool:
        """A greeting, thanks, a farewell, or "how can I help?", with the organization's name or without:
        nothing that must be known."""
        is_polite = self.is_question or any(word in COURTESIES for word in self.words)
        is_only_polite = all(word in POLITE_WORDS or word in name for word in self.words)
        return is_polite and is_only_polite and not self.values and not self.denies

    @property
    def is_empty(self) -> bool:
        """Nothing but function words, as in "as it is"."""
        return not (self.words or self.values or self.denies)


Sentence = Sequence[Clause]


@lru_cache(maxsize=4096)
def sentences(text: str) -> Sequence[Sentence]:
    """What `text` claims, in order."""
    found: list[list[Clause]] = [[Clause()]]
    for token in _tokens(re.sub(r"[^\S\n]+", " ", fold(text))):
        sentence = found[-1]
        if isinstance(token, Value):
            sentence[-1].values.append(token)
        elif token in _ENDS_SENTENCE:
            for clause in sentence:
                clause.is_question = token in _ENDS_QUESTION
            found.append([Clause()])
        elif token in _ENDS_CLAUSE or token in CONJUNCTIONS:
            sentence.append(Clause(starts_anew=token in CONTRASTS))
        else:
            _add(sentence[-1], token, is_lead=len(sentence) == 1 and not sentence[-1].first)
    for sentence in found:
        _carry_denials(sentence)
    kept = ([clause for clause in sentence if not clause.is_empty or clause.agrees] for sentence in found)
    return [sentence for sentence in kept if sentence]


def clauses(text: str) -> list[Clause]:
    """All clauses of `text`, in order."""
    return [clause for sentence in sentences(text) for clause in sentence]


def words(*texts: str) -> set[str]:
    """All words in `texts` that claim something."""
    return {word for text in texts for clause in clauses(text) for word in clause.words}


def _tokens(text: str) -> Iterator[str | Value]:
    """Words, values, and the marks that separate claims."""
    position, before = 0, ""
    while position < len(text):
        values, end = read(text, position)
        if values:
            yield from (_with_neighbours(value, before, text, end) for value in values)
        elif word := _WORD.match(text, position):
            end = word.end()
            before = word[0]
            yield from _parts(word[0])
        else:
            end = position + 1
            if text[position] in _ENDS_SENTENCE or text[position] in _ENDS_CLAUSE:
                yield text[position]
        position = end


def _parts(word: str) -> Sequence[str]:
    """ "l'heure" is two words; "don't" is one."""
    plain = word.replace("’", "'")
    return [plain] if plain in FUNCTION_WORDS or plain in DENIALS else plain.split("'")


def _with_neighbours(value: Value, before: str, text: str, end: int) -> Value:
    """A number knows what it counts, and a price whether it is only a limit ("from 90 €")."""
    if value.kind in ("price", "percentage"):
        return replace(value, is_limit=before in LIMITS)
    behind = _BEHIND.match(text, end)
    if value.kind != "number" or not behind or behind[1] in _LITTLE_WORDS:
        return value
    return replace(value, unit=behind[1])


def _add(clause: Clause, word: str, *, is_lead: bool) -> None:
    clause.first = clause.first or word
    clause.starts_anew |= clause.is_empty and (word in SUBJECTS or word in CONTRASTS)
    clause.refers_back |= clause.is_empty and word in BACK_REFERENCES
    if is_lead and word in _LEADING_AGREEMENTS:
        clause.agrees = True
    elif word in DENIALS:
        clause.denies = True
    elif word not in FUNCTION_WORDS and not (len(word) == 1 and word.isascii()):
        clause.words.append(word)


def _carry_denials(sentence: Sequence[Clause]) -> None:
    """ "We take no cash, cards or cheques": what is denied first is denied of the rest, up to a new start. A
    "no" alone is an answer, and denies nothing by itself."""
    denied = False
    for clause in sentence:
        if clause.first in AGREEMENTS and not clause.words and not clause.values:
            clause.agrees, clause.denies = True, False
        denied = clause.denies or (denied and not clause.starts_anew)
        clause.denies = denied
