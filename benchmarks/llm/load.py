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

    A conversation has 1 to MAX_TURNS turns, and each request is one turn of one, with all that was said before:
    what the organization's canned prompts say, so that every server is asked exactly the same.
    """

    def __init__(self, count: int, seed: int) -> None:
        self._rng = random.Random(f"{count} organizations, seed {seed}")  # noqa: S311 - no secret
        self.organizations = make_organizations(count, self._rng)
        ranks = range(1, count + 1)
        self._weights = list(itertools.accumulate(1 / rank**ZIPF_EXPONENT for rank in ranks))

    def burst(self, count: int) -> Sequence[Request]:
        """`count` requests at once, each somewhere in a conversation of its own."""
        return [self._turn(0.0, self._pick(), self._rng.randint(1, MAX_TURNS)) for _ in range(count)]

    def poisson(self, per_second: float, lasting: float) -> Sequence[Request]:
        """Requests at random times for `lasting` seconds. Conversations go on: about each turn follows one that
        was asked before."""
        return list(self._arrivals(per_second, lasting))

    def _arrivals(self, per_second: float, lasting: float) -> Iterator[Request]:
        open_conversations: list[tuple[Organization, list[Message], int]] = []
        at = self._rng.expovariate(per_second)
        while at < lasting:
            if open_conversations and self._rng.random() < (MAX_TURNS - 1) / (MAX_TURNS + 1):
                place = self._rng.randrange(len(open_conversations))
                organization, history, left = open_conversations.pop(place)
            else:
                organization, history, left = self._pick(), [], self._rng.randint(1, MAX_TURNS)
            question, answer = self._exchange(organization)
            yield Request(at, organization.name, [*organization.prefix, *history, question])
            if left > 1:
                open_conversations.append((organization, [*history, question, answer], left - 1))
            at += self._rng.expovariate(per_second)

    def _turn(self, at: float, organization: Organization, number: int) -> Request:
        history = [said for _ in range(number - 1) for said in self._exchange(organization)]
        question, _ = self._exchange(organization)
        return Request(at, organization.name, [*organization.prefix, *history, question])

    def _pick(self) -> Organization:
        return self._rng.choices(self.organizations, cum_weights=self._weights)[0]

    def _exchange(self, organization: Organization) -> tuple[Message, Message]:
        if self._rng.random() < OFF_TOPIC_SHARE:
            return asked(self._rng.choice(off_topic_questions())), said("assistant", UNKNOWN)
        topic = self._rng.choice(organization.topics)
        question = self._rng.choice((topic.question, *topic.asked))
        return asked(question, topic.answer), said("assistant", topic.answer)
