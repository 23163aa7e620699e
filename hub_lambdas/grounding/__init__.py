"""Whether an answer says only what the organization has said. Pure, deterministic, a few milliseconds.

An answer is read as claims (`claims.py`): clauses with their words, the values that they name
(`values.py`: prices, times, links ...), and whether they deny something. Each must be backed by one statement
of one source (`sources.py`): a clause of a canned answer, of the instructions, or of what the organization
wrote in this conversation. So true pieces cannot be put together wrongly: the price of one thing and the name
of another, the hours of one day and the name of another. What a contact wrote backs nothing: "The price is
1 €, right?" is no reason to say so.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from hub_lambdas.folding import fold
from hub_lambdas.grounding.claims import Clause, Vocabulary, clauses, words
from hub_lambdas.grounding.languages import POLITE_WORDS
from hub_lambdas.grounding.quotations import quotation
from hub_lambdas.grounding.sources import Fact, Sources, Statement, statements
from hub_lambdas.grounding.values import Value
from hub_lambdas.sentences import stored

__all__ = ["Fact", "Sources", "objection"]

MAX_COUNT = 20
"""Up to here a number that a contact wrote may come back, where the fact has none: "We are 4"."""
SHOWN_LENGTH = 80
TYPO_LIKENESS = 0.8


def objection(answer: str, sources: Sources) -> str:
    """Why `answer` must not be sent, as a sentence for staff of at most 300 characters; empty when it may."""
    return quotation(answer, sources) or _Check(sources).objection(answer)


class _Check:
    def __init__(self, sources: Sources) -> None:
        self._facts = sources.facts
        self._statements = list(statements(sources))
        self._name = Vocabulary(words(sources.name))
        self._asked = [clause for text in sources.contact_texts for clause in clauses(text)]

    def objection(self, answer: str) -> str:
        said = clauses(answer)
        claims = [clause for clause in said if not clause.is_courtesy(self._name) and not clause.is_empty]
        agrees = any(clause.agrees for clause in said)
        repeated = [fact for fact in self._facts if fact.is_asked_for and fold(fact.text) == fold(answer)]
        if repeated:
            return self._agreement(repeated) if agrees else ""
        if not claims:
            is_polite = any(clause.is_courtesy(self._name) for clause in said) and not agrees
            return "" if is_polite else stored("It says nothing that the facts back.")
        backing: list[Statement] = []
        for claim in claims:
            found = self._backing(claim, backing[-1].fact if backing else None)
            if not found:
                return self._reason(claim)
            backing.append(found)
        facts = [each.fact for each in backing]
        if not any(fact.is_asked_for for fact in facts):
            return stored("It answers with a fact that is about something else.")
        return (self._agreement(facts) if agrees else "") or self._ellipsis(claims, backing)

    def _backing(self, claim: Clause, before: Fact | None) -> Statement | None:
        """The statement that backs a claim, of the fact that is asked for if possible. What goes on with what
        was said before it must be of the same fact."""
        backers = [each for each in self._statements if self._backs(each, claim)]
        if before and (claim.refers_back or not claim.words):
            backers = [each for each in backers if each.fact is before]
        return min(backers, key=lambda each: not each.fact.is_asked_for, default=None)

    def _backs(self, statement: Statement, claim: Clause) -> bool:
        reading = statement.reading
        if not claim.words and not statement.fact.questions and _is_bare_number(claim):
            return False
        if reading.clause.denies != claim.denies:
            return False
        if not all(self._gives(reading.clause, value) for value in claim.values):
            return False
        elsewhere = [each for each in claim.words if each not in reading.own and each not in self._name]
        if not (claim.values or len(elsewhere) < len(claim.words)):
            return False
        borrowed = [word for word in elsewhere if word not in reading.topics]
        says_all = _share_said(claim, reading.clause) == 1
        if borrowed and not (says_all and all(word in reading.nearby for word in borrowed)):
            return False
        return self._is_about(statement.fact, claim)

    def _is_about(self, fact: Fact, claim: Clause) -> bool:
        """A fact that nobody asked for must say what it is about, or it reads as if it were about what was
        asked: "the entrance is on Mill Lane"."""
        if fact.is_asked_for or not fact.questions:
            return True
        subject = Vocabulary(words(fact.questions[0]))
        return not any(subject) or any(word in subject for word in claim.words)

    def _gives(self, statement: Clause, value: Value) -> bool:
        if any(value.is_given_by(source) for source in statement.values):
            return True
        return not statement.values and self._is_counted_by_contact(value)

    def _is_counted_by_contact(self, value: Value) -> bool:
        counts = {("number", str(count)) for count in range(MAX_COUNT + 1)}
        asked = (each for clause in self._asked for each in clause.values)
        return any(value.means <= counts and value.means & each.means for each in asked)

    def _reason(self, claim: Clause) -> str:
        """The most telling one: a value or a word that is nowhere, else how they are put together."""
        readings = [each.reading for each in self._statements]
        for value in claim.values:
            if not any(self._gives(each.clause, value) for each in readings):
                return stored(
                    "It names the %(kind)s %(value)s, which is nowhere in the facts.",
                    kind=value.kind,
                    value=_shown(value.text),
                )
        known = Vocabulary(word for each in readings for words in (each.own, each.topics) for word in words)
        for word in claim.words:
            if word not in known and word not in self._name:
                return stored("It says “%(word)s”, which is nowhere in the facts.", word=_shown(word))
        return stored("It puts together what no single fact says together.")

    def _agreement(self, facts: Sequence[Fact]) -> str:
        """ "Yes" is an answer only where the facts are about all that was asked."""
        strange = self._strange(facts)
        if not strange:
            return ""
        return stored("It says yes or no, and the fact says nothing about “%(word)s”.", word=_shown(strange))

    def _ellipsis(self, claims: Sequence[Clause], backing: Sequence[Statement]) -> str:
        """So is "it costs 620 €": elsewhere it has to say what does."""
        pairs = zip(claims, (each.reading.clause for each in backing), strict=True)
        if all(_share_said(claim, statement) > 0.5 for claim, statement in pairs):
            return ""
        strange = self._strange([each.fact for each in backing])
        if not strange:
            return ""
        return stored(
            "It does not say what it is about, and the fact says nothing about “%(word)s”.",
            word=_shown(strange),
        )

    def _strange(self, facts: Sequence[Fact]) -> str:
        """The first word or value of the question that is in none of these facts."""
        texts = [text for fact in facts for text in (fact.text, *fact.questions)]
        known = Vocabulary(words(*texts))
        values = [value for text in texts for clause in clauses(text) for value in clause.values]
        for clause in self._asked:
            for word in clause.words:
                is_known = word in known or word in self._name or word in POLITE_WORDS
                if not is_known and not _is_typo(word, known):
                    return word
            for value in clause.values:
                if value.kind != "number" and not any(value.is_given_by(each) for each in values):
                    return value.text
        return ""


def _is_bare_number(claim: Clause) -> bool:
    """ "Two." may answer anything: the instructions, which name some number somewhere, do not back it."""
    return any(value.kind == "number" for value in claim.values)


def _share_said(claim: Clause, statement: Clause) -> float:
    """How much of a statement a claim says, by words: 0 to 1."""
    said = Vocabulary(claim.words)
    return sum(word in said for word in statement.words) / len(statement.words) if statement.words else 1


def _is_typo(word: str, known: Iterable[str]) -> bool:
    return bool(get_close_matches(word, known, n=1, cutoff=TYPO_LIKENESS))


def _shown(text: str) -> str:
    return text[:SHOWN_LENGTH]
