"""Codes that mark what a contact wrote, so that an answer can be traced to its question.

A code is three words, as "amber-basil-cedar". Each organization has some of its own, and its prompt says that
the order of each is ready: so an answer with a code says nothing that the organization has not said. A chat
uses none of them twice.
"""

import re

PER_ORGANIZATION = 16
"""More than any contact writes messages."""
WORDS = (
    *("amber", "basil", "cedar", "delta", "ember", "fjord", "gable", "hazel"),
    *("ivory", "jumbo", "kayak", "lemon", "maple", "noble", "olive", "pearl"),
    *("quilt", "raven", "sable", "tulip", "umber", "vigor", "wagon", "xenon"),
    *("yacht", "zebra", "acorn", "birch", "coral", "daisy", "eagle", "fable"),
)
_ALL = len(WORDS) ** 3
_STEP = 7919  # has no factor in common with their number: neighbours look different, and none comes twice
_WORD = "|".join(WORDS)
_CODE = re.compile(rf"\b(?:{_WORD})-(?:{_WORD})-(?:{_WORD})\b")


def code(organization: int, number: int) -> str:
    """A code of an organization; they begin anew after PER_ORGANIZATION of them."""
    place = (organization * PER_ORGANIZATION + number % PER_ORGANIZATION) * _STEP % _ALL
    first, rest = divmod(place, len(WORDS) ** 2)
    return "-".join(WORDS[index] for index in (first, *divmod(rest, len(WORDS))))


def codes_of(organization: int) -> list[str]:
    """All codes of an organization."""
    return [code(organization, number) for number in range(PER_ORGANIZATION)]


def find(text: str) -> list[str]:
    """The codes in a text, in order."""
    return _CODE.findall(text)


def fact(code: str) -> str:
    """What an organization says of a code."""
    return f"Order {code} is ready."


def answer(asked: str) -> str:
    """What an LLM says that keeps to the facts: `asked` is the question, behind the facts given with it."""
    return " ".join(map(fact, find(asked.rpartition("Question:")[2]))) or "Hello."
