"""What people may want to know of a running service: collected here, shown by `stats_page`."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from llm_api.consumer import Consumer
from llm_api.engine.base import Engine
from llm_api.metrics import PRIORITIES, Metrics
from llm_api.slots import Slots

SAMPLE_SECONDS = 2.0
KEPT_SAMPLES = 150
LATELY_SECONDS = 60.0
SOURCES = ("queue", "http")
OUTCOMES = ("completed", "cancelled", "refused", "failed")


@dataclass(frozen=True, slots=True)
class Flow:
    """Tokens a second: in the last minute, in each piece of the last minutes, and while the model computes
    such tokens (None where that is not known)."""

    lately: float
    course: list[float]
    at_work: float | None


@dataclass(frozen=True, slots=True)
class Facts:
    """`problems` in short phrases; `waiting` by class; times in seconds, None before there was any; shares
    from 0 to 1, None of nothing."""

    model: str
    problems: list[str]
    up_seconds: float
    slots: int
    taken: int
    waiting: Mapping[str, int]
    first_token_half: float | None
    first_token_most: float | None
    read: Flow
    written: Flow
    prefix_hits: float | None
    drafts_accepted: float | None
    prefixes: int | None
    prefix_bytes: float
    spill_reads: int
    about: Mapping[str, str]
    since_start: Mapping[str, float]


class History:
    """How numbers that only grow have grown lately."""

    def __init__(self, read: Callable[[], tuple[float, float]], clock: Callable[[], float]) -> None:
        self._read = read
        self._clock = clock
        self._samples: deque[tuple[float, tuple[float, float]]] = deque(maxlen=KEPT_SAMPLES)

    def sample(self) -> None:
        self._samples.append((self._clock(), self._read()))

    def course(self, which: int) -> list[float]:
        """Growth a second from each sample to the next."""
        return [
            max(0.0, now[which] - before[which]) / max(at - before_at, 0.001)
            for (before_at, before), (at, now) in itertools.pairwise(self._samples)
        ]

    def lately(self, which: int) -> float:
        """Growth a second in the last minute."""
        if len(self._samples) < 2:
            return 0.0
        at, now = self._samples[-1]
        first_at, first = next(each for each in self._samples if each[0] >= at - LATELY_SECONDS)
        return max(0.0, now[which] - first[which]) / max(at - first_at, 0.001)


class Stats:
    """Samples while `run` runs."""

    def __init__(
        self,
        engine: Engine,
        consumer: Consumer,
        slots: Slots,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._consumer = consumer
        self._slots = slots
        self._metrics = metrics
        self._clock = clock
        self._began = clock()
        self.history = History(self._tokens, clock)

    async def run(self) -> None:
        while True:
            self.history.sample()
            await asyncio.sleep(SAMPLE_SECONDS)

    async def facts(self) -> Facts:
        numbers = self._engine.numbers()
        named = {"engine": await self._engine.check(), "queue": self._consumer.problem()}
        times = sorted(self._metrics.first_tokens)
        return Facts(
            model=self._engine.model,
            problems=[f"{part}: {problem}" for part, problem in named.items() if problem],
            up_seconds=self._clock() - self._began,
            slots=self._slots.total,
            taken=self._slots.taken,
            waiting={each: int(self._metrics.value("waiting", priority=each)) for each in PRIORITIES},
            first_token_half=_quantile(times, 0.5),
            first_token_most=_quantile(times, 0.95),
            read=self._flow(0, numbers, "read_tokens_total", "reading_seconds_total"),
            written=self._flow(1, numbers, "written_tokens_total", "writing_seconds_total"),
            prefix_hits=_share(numbers.get("prefix_hits_total", 0), numbers.get("prefix_misses_total", 0)),
            drafts_accepted=_share(
                accepted := numbers.get("accepted_tokens_total", 0),
                numbers.get("drafted_tokens_total", 0) - accepted,
            ),
            prefixes=int(numbers["prefixes"]) if "prefixes" in numbers else None,
            prefix_bytes=numbers.get("prefix_bytes", 0),
            spill_reads=int(numbers.get("prefix_spill_reads_total", 0)),
            about=self._engine.about,
            since_start=self._since_start(numbers),
        )

    def _tokens(self) -> tuple[float, float]:
        """Read and written so far; a server that is asked tells it with each answer."""
        numbers = self._engine.numbers()
        told = (self._metrics.value("tokens_total", kind=kind) for kind in ("prompt", "completion"))
        read, written = (numbers.get(name) for name in ("read_tokens_total", "written_tokens_total"))
        first, second = told
        return first if read is None else read, second if written is None else written

    def _flow(self, which: int, numbers: Mapping[str, float], tokens: str, seconds: str) -> Flow:
        spent = numbers.get(seconds, 0.0)
        at_work = numbers[tokens] / spent if spent else None
        return Flow(self.history.lately(which), self.history.course(which), at_work)

    def _since_start(self, numbers: Mapping[str, float]) -> dict[str, float]:
        found = {
            f"Requests {outcome}": sum(
                self._metrics.value("requests_total", source=source, outcome=outcome) for source in SOURCES
            )
            for outcome in OUTCOMES
        }
        if not numbers:
            return found
        return found | {
            "Tokens read": numbers["read_tokens_total"],
            "Tokens from memory": numbers["restored_tokens_total"],
            "Tokens written": numbers["written_tokens_total"],
            "Tokens guessed right": numbers["accepted_tokens_total"],
            "Prompts dropped from memory": numbers["prefix_evicted_total"],
            "Answers set aside": numbers["preemptions_total"],
            "Engine restarts": numbers["restarts_total"],
        }


def _quantile(ordered: list[float], share: float) -> float | None:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def _share(part: float, rest: float) -> float | None:
    return part / (part + rest) if part + rest else None
