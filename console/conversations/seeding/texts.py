"""What contacts, the bot and staff say in made-up conversations, and what they are called."""

import tomllib
from pathlib import Path
from random import Random
from typing import Any

_WORDS: dict[str, Any] = tomllib.loads(Path(__file__).with_name("texts.toml").read_text(encoding="utf-8"))
HOLDING_LINE: str = _WORDS["holding_line"]
FALLBACK: str = _WORDS["fallback"]
MINUTES = ("00", "15", "30", "45")


def organization_name(number: int) -> str:
    """Another for each number."""
    places, trades = _WORDS["places"], _WORDS["trades"]
    place, trade = places[number % len(places)], trades[number // len(places) % len(trades)]
    return f"{place} {trade} {number + 1}"


def person(random: Random) -> str:
    return f"{_any('first_names', random)} {_any('last_names', random)}"


def question(random: Random) -> str:
    return _filled(_any("questions", random), random)


def answer(random: Random) -> str:
    return _filled(_any("answers", random), random)


def by_staff(random: Random) -> str:
    return _filled(_any("by_staff", random), random)


def note(random: Random) -> str:
    return _any("notes", random)


def canned(random: Random, number: int) -> tuple[str, str]:
    """A question, another for each number, and its answer."""
    return f"How much is a {_WORDS['services'][number]}?", answer(random)


def _any(what: str, random: Random) -> str:
    chosen: str = random.choice(_WORDS[what])
    return chosen


def _filled(text: str, random: Random) -> str:
    return text.format(
        service=_any("services", random),
        day=_any("days", random),
        hour=f"{random.randrange(10, 20)}:{random.choice(MINUTES)}",
        number=f"{random.randrange(2024, 2027)}-{random.randrange(100_000):05}",
        price=random.randrange(15, 400),
        small=random.randrange(2, 9),
        name=person(random),
        first=_any("first_names", random),
    )
