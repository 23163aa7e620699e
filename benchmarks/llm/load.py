"""Requests from a seed: whose they are, what they ask, and when they come."""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.llm.organizations import (
    UNKNOWN,
    Message,
    Organization,
    asked,
    make_organizations,
    off_topic_questions,
    said,
)

MAX_TURNS = 6
HISTORY_TURNS = 2
"""So many of the turns before are repeated in a request, as by the hub, and without their facts."""
CONTINUED_SHARE = (MAX_TURNS - 1) / (MAX_TURNS + 1)
"""Of all turns, those that are not the first of their conversation, where its number of turns is uniform."""
OFF_TOPIC_SHARE = 0.15
MAX_ANSWER_TOKENS = 60
ZIPF_EXPONENT = 1.0


@dataclass(frozen=True)
class Request:
    """One question to an LLM, `at` seconds from the start of its load."""

    at: float
    organization: str
    messages: Sequence[Message]

    def body(self) -> dict[str, object]:
        """The same for every server: the likeliest answer, whole, of at most so many tokens."""
        return {
            "model": "any",
            "messages": list(self.messages),
            "temperature": 0.0,
            "seed": 1,
            "max_tokens": MAX_ANSWER_TOKENS,
        }


class Traffic:
    """Contacts of `count` organizations, of which few are asked much and many little (Zipf).

    A conversation has 1 to MAX_TURNS turns, and each request is one turn of one, with the turns before it
    that the hub repeats. What was answered in them is what the organization's canned prompts say, so that
    every server is asked exactly the same.
    """

    def __init__(self, count: int, seed: int) -> None:
        self._seed = f"{count} organizations, seed {seed}"
        self.organizations = make_organizations(count, self._random(""))
        ranks = range(1, count + 1)
        self._weights = list(itertools.accumulate(1 / rank**ZIPF_EXPONENT for rank in ranks))

    def burst(self, count: int) -> Sequence[Request]:
        """`count` requests at once, each somewhere in a conversation of its own."""
        rng = self._random(f"burst of {count}")
        return [self._turn(rng) for _ in range(count)]

    def introductions(self) -> Sequence[Request]:
        """A first question to each organization: a server that answered them has read every prompt."""
        rng = self._random("introductions")
        return [_Conversation(each, (), 1).request(0.0, _exchange(each, rng)) for each in self.organizations]

    def poisson(self, per_second: float, lasting: float) -> Sequence[Request]:
        """Requests at random times for `lasting` seconds, in conversations that go on."""
        return list(self._arrivals(per_second, lasting, self._random(f"{per_second:.3f} a second")))

    def _random(self, purpose: str) -> random.Random:
        """Chances of its own for each load: none changes with what was asked for before."""
        return random.Random(f"{self._seed}, {purpose}")  # noqa: S311 - no secret

    def _arrivals(self, per_second: float, lasting: float, rng: random.Random) -> Iterator[Request]:
        conversations: list[_Conversation] = []
        at = rng.expovariate(per_second)
        while at < lasting:
            if conversations and rng.random() < CONTINUED_SHARE:
                conversation = conversations.pop(rng.randrange(len(conversations)))
            else:
                conversation = self._begin(rng)
            exchange = _exchange(conversation.organization, rng)
            yield conversation.request(at, exchange)
            if conversation.turns_left > 1:
                conversations.append(conversation.after(exchange))
            at += rng.expovariate(per_second)

    def _turn(self, rng: random.Random) -> Request:
        conversation = self._begin(rng)
        for _ in range(conversation.turns_left - 1):
            conversation = conversation.after(_exchange(conversation.organization, rng))
        return conversation.request(0.0, _exchange(conversation.organization, rng))

    def _begin(self, rng: random.Random) -> "_Conversation":
        organization = rng.choices(self.organizations, cum_weights=self._weights)[0]
        return _Conversation(organization, (), rng.randint(1, MAX_TURNS))


@dataclass(frozen=True)
class _Exchange:
    question: str
    fact: str
    answer: str

    def messages(self) -> tuple[Message, Message]:
        return said("user", self.question), said("assistant", self.answer)


@dataclass(frozen=True)
class _Conversation:
    organization: Organization
    exchanges: Sequence[_Exchange]
    turns_left: int

    def request(self, at: float, exchange: _Exchange) -> Request:
        history = [message for each in self.exchanges[-HISTORY_TURNS:] for message in each.messages()]
        question = asked(exchange.question, exchange.fact)
        return Request(at, self.organization.name, (*self.organization.prefix, *history, question))

    def after(self, exchange: _Exchange) -> "_Conversation":
        return _Conversation(self.organization, (*self.exchanges, exchange), self.turns_left - 1)


def _exchange(organization: Organization, rng: random.Random) -> _Exchange:
    """A question to an organization, and what its canned prompts say to it."""
    if rng.random() < OFF_TOPIC_SHARE:
        return _Exchange(rng.choice(off_topic_questions()), "", UNKNOWN)
    topic = rng.choice(organization.topics)
    return _Exchange(rng.choice((topic.question, *topic.asked)), topic.answer, topic.answer)
