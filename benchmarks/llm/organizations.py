"""Organizations from a seed, with instructions and canned prompts as `hub_lambdas.prompting` puts them."""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

MIN_PREFIX_TOKENS, MAX_PREFIX_TOKENS = 250, 1000
MARGIN_TOKENS = 60
"""A prefix is made of whole examples, by an estimate that is up to 4 % off what SmolLM2's tokenizer says."""
TOKENS_PER_MESSAGE = 5
"""Of the chat template."""
_PIECE = re.compile(r"[^\W\d]+|\d|[^\w\s]|\n")
TOKENS_PER_PIECE = 1.07
"""A piece is a word, a digit, a sign or a line break. The factor is SmolLM2's on these texts."""
RULE = "Answer from the facts given with each question. If they do not answer it, write only: [HANDOVER]"
UNKNOWN = "[HANDOVER]"

Message = Mapping[str, str]


@dataclass(frozen=True)
class Topic:
    """A canned prompt, and how contacts ask for it."""

    question: str
    asked: Sequence[str]
    answer: str


@dataclass(frozen=True)
class Organization:
    """`prefix`: the messages that every request of it begins with. `topics`: what its contacts ask."""

    name: str
    prefix: Sequence[Message]
    topics: Sequence[Topic]


def make_organizations(count: int, rng: random.Random) -> Sequence[Organization]:
    """`count` organizations, no two with the same prefix."""
    return [_make(number, rng) for number in range(count)]


def off_topic_questions() -> Sequence[str]:
    """What no organization has an answer to."""
    return list(_texts()["off_topic"])


def said(role: str, text: str) -> Message:
    """A message as the API takes it."""
    return {"role": role, "content": text}


def asked(question: str, fact: str = "") -> Message:
    """A question behind the fact that answers it, as the hub asks."""
    return said("user", f"Facts: {fact or 'none'}\n\nQuestion: {question}")


def estimate_tokens(messages: Sequence[Message]) -> int:
    """Roughly how many tokens a model counts."""
    pieces = sum(len(_PIECE.findall(each["content"])) + TOKENS_PER_MESSAGE for each in messages)
    return round(TOKENS_PER_PIECE * pieces)


def _make(number: int, rng: random.Random) -> Organization:
    trade = rng.choice(_texts()["trades"])
    values = _fillings(rng) | _figures(rng)
    # The number keeps names apart where there are more organizations than names.
    values |= {
        "name": f"{rng.choice(_texts()['names'])} {trade['suffix']} {number + 1}",
        "kind": trade["kind"],
    }
    topics = [_fill(each, values | _figures(rng)) for each in (*trade["topics"], *_texts()["common"])]
    rng.shuffle(topics)
    least, most = MIN_PREFIX_TOKENS + MARGIN_TOKENS, MAX_PREFIX_TOKENS - MARGIN_TOKENS
    wanted = least * (most / least) ** rng.random()  # more short ones than long ones
    return Organization(values["name"], _prefix(topics, values, wanted, rng), topics)


def _prefix(
    topics: Sequence[Topic], values: Mapping[str, str], wanted: float, rng: random.Random
) -> Sequence[Message]:
    """Instructions, then so many examples as bring it closest to `wanted` tokens."""
    manners = [each.format(**values) for each in rng.sample(_texts()["manners"], rng.randint(1, 6))]
    opening = _texts()["opening"].format(**values)
    prefix = [said("system", " ".join([opening, *manners, RULE]))]
    examples = [(asked(rng.choice(each.asked), each.answer), each.answer) for each in topics]
    unknown = [(asked(each), UNKNOWN) for each in rng.sample(off_topic_questions(), 2)]
    for question, answer in (*examples[:2], *unknown, *examples[2:]):
        pair = [question, said("assistant", answer)]
        if estimate_tokens(prefix) + estimate_tokens(pair) / 2 > wanted:
            break
        prefix += pair
    return prefix


def _fill(topic: Mapping[str, Any], values: Mapping[str, str]) -> Topic:
    return Topic(topic["question"], topic["asked"].split(" | "), topic["answer"].format(**values))


def _fillings(rng: random.Random) -> dict[str, str]:
    """What fills the gaps in all texts of one organization."""
    streets = ("Garden Street", "Mill Lane", "High Street", "Church Road", "Station Road", "Queen's Square")
    landmarks = ("Central Station", "the town hall", "the old bridge", "the university", "the market square")
    return {
        "street": f"{rng.randint(1, 180)} {rng.choice(streets)}",
        "landmark": rng.choice(landmarks),
        "phone": f"0{rng.randint(20, 89)} 555 {rng.randint(1000, 9999):04}",
        "opens": rng.choice(("8:00", "8:30", "9:00", "10:00")),
        "closes": rng.choice(("17:30", "18:00", "19:00", "20:00")),
        "year": str(rng.randint(1921, 2015)),
    }


def _figures(rng: random.Random) -> dict[str, str]:
    """What fills the gaps in one text."""
    return {
        "price": str(rng.randint(9, 69)),
        "big_price": str(rng.randint(8, 49) * 10),
        "minutes": str(rng.randint(2, 9) * 5),
        "hours": rng.choice(("12", "24", "36", "48")),
        "few": str(rng.randint(2, 9)),
    }


@cache
def _texts() -> Mapping[str, Any]:
    texts: Mapping[str, Any] = yaml.safe_load(
        Path(__file__).with_name("trades.yaml").read_text(encoding="utf-8")
    )
    return texts
