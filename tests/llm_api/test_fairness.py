"""A flood beside calm organizations, simulated: what it costs them, itself and the box.

Time is simulated, and everything comes from seeds. The hub is as it is: no more than 8 requests of an
organization at the box, those that can still be in time first. `python -m tests.llm_api.test_fairness` prints
more settings than are asserted.
"""

from __future__ import annotations

import heapq
import itertools
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import pytest

from llm_api import waiting
from llm_api.consumer import LOOK_AHEAD_SECONDS
from llm_api.waiting import Terms, Waiting

HUB_SECONDS = 1.3
"""What of an answer's time is none of the box's: the burst window and six queues."""
ANSWER_BY_SECONDS = 3.0
EXPIRES_AFTER_SECONDS = 59.0
HELD_BY_ORGANIZATION = 8
FLOOD = "flood"
RUNS = 4


@dataclass(frozen=True)
class Load:
    """What is asked of a box. `calm_share` of what it can answer is asked by all calm organizations together,
    `flood_share` by the flooding one."""

    slots: int = 4
    service_seconds: float = 2.0
    calm: int = 5
    calm_share: float = 0.4
    flood_share: float = 0.0

    @property
    def duration_seconds(self) -> float:
        return 150 * self.service_seconds

    @property
    def shares(self) -> Mapping[str, float]:
        """What each organization asks for."""
        calm = {f"calm-{number}": self.calm_share / self.calm for number in range(self.calm)}
        return calm | {FLOOD: self.flood_share}


@dataclass(eq=False)
class Asked:
    organization: str
    at: float
    started_at: float = 0.0
    run: int = 0


@dataclass
class Outcome:
    """Seconds from each calm question to its answer, and what share of the box's time went into answers."""

    seconds: list[float] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    stopped: int = 0
    useful_share: float = 0.0

    @property
    def p95(self) -> float:
        return HUB_SECONDS + sorted(self.seconds)[int(0.95 * len(self.seconds))]


class Box:
    """Plays the consumer and the hub around a `Waiting`, event by event."""

    def __init__(self, load: Load, seed: int) -> None:
        self._load = load
        self._waiting: Waiting[Asked] = Waiting(load.slots)
        self._ledger: defaultdict[str, list[Asked]] = defaultdict(list)
        self._at_box: Counter[str] = Counter()
        self._free = load.slots
        self._keys: dict[Asked, str] = {}
        self._events: list[tuple[float, int, Asked, int]] = []
        self._numbers = itertools.count()
        self._service = random.Random(f"service {seed}")  # noqa: S311 - only for times
        self.outcome = Outcome()
        for organization, share in load.shares.items():
            chance = random.Random(f"{organization} {seed}")  # noqa: S311 - only for times
            self._plan(organization, share, chance)

    def _plan(self, organization: str, share: float, chance: random.Random) -> None:
        at, per_second = 0.0, share * self._load.slots / self._load.service_seconds
        while share and (at := at + chance.expovariate(per_second)) < self._load.duration_seconds:
            self._push(at, Asked(organization, at))

    def _push(self, at: float, asked: Asked, run: int = 0) -> None:
        """Something happens to a request: `run` 0 is its coming, another the end of its so-manieth run."""
        heapq.heappush(self._events, (at, next(self._numbers), asked, run))

    def play(self) -> Outcome:
        while self._events:
            now, _, asked, run = heapq.heappop(self._events)
            if run == 0:
                self._come(asked, now)
            elif run == asked.run:
                self._end(asked, now)
            self._fill(now)
        self.outcome.useful_share /= self._load.slots * self._load.duration_seconds
        return self.outcome

    def _come(self, asked: Asked, now: float) -> None:
        seen_at = now if self._free or now > asked.at else now + self._service.uniform(0, LOOK_AHEAD_SECONDS)
        if seen_at > now:
            self._push(seen_at, asked)
        else:
            self._ledger[asked.organization].append(asked)

    def _end(self, asked: Asked, now: float) -> None:
        self._waiting.finish(self._keys.pop(asked), now)
        self._free += 1
        self._at_box[asked.organization] -= 1
        if now <= self._load.duration_seconds:
            self.outcome.useful_share += now - asked.started_at
            self.outcome.answers[asked.organization] += 1
        if asked.organization != FLOOD:
            self.outcome.seconds.append(now - asked.at)

    def _fill(self, now: float) -> None:
        for expired in self._waiting.drop_expired(now):
            self._at_box[expired.organization] -= 1
        for organization, line in self._ledger.items():
            while line and now - line[0].at > EXPIRES_AFTER_SECONDS:
                line.pop(0)
            while line and self._at_box[organization] < HELD_BY_ORGANIZATION:
                self._admit(min(line, key=lambda asked: (now - asked.at > ANSWER_BY_SECONDS, asked.at)))
        while self._free and (asked := self._waiting.pick(now)):
            self._free -= 1
            self._start(asked, now)
        while stopped := self._waiting.find_way_giver(now):
            asked = self._waiting.pick(now)
            assert asked is not None
            self._waiting.wait_again(self._keys[stopped], now)
            stopped.run += 1
            self.outcome.stopped += 1
            self._start(asked, now)

    def _start(self, asked: Asked, now: float) -> None:
        asked.run += 1
        asked.started_at = now
        self._push(now + self._load.service_seconds * self._service.uniform(0.8, 1.2), asked, asked.run)

    def _admit(self, asked: Asked) -> None:
        self._ledger[asked.organization].remove(asked)
        self._at_box[asked.organization] += 1
        key = self._keys[asked] = str(next(self._numbers))
        times = (asked.at + ANSWER_BY_SECONDS, asked.at + EXPIRES_AFTER_SECONDS)
        self._waiting.add(key, asked, Terms(asked.organization, "interactive", *times))


def play(load: Load) -> Outcome:
    """Several runs as one."""
    runs = [Box(load, seed).play() for seed in range(RUNS)]
    return Outcome(
        [seconds for run in runs for seconds in run.seconds],
        sum((run.answers for run in runs), Counter()),
        sum(run.stopped for run in runs),
        sum(run.useful_share for run in runs) / RUNS,
    )


LOADS = {
    "4 slots": Load(),
    "1 slot": Load(slots=1),
    "2 slots": Load(slots=2),
    "8 slots": Load(slots=8),
    "short answers": Load(service_seconds=0.5),
    "long answers": Load(service_seconds=4),
    "20 calm organizations": Load(calm=20),
    "one calm organization": Load(calm=1, calm_share=0.2),
    "a busy box": Load(calm_share=0.6),
}


@pytest.mark.parametrize("load", LOADS.values(), ids=LOADS)
def test_a_flood_raises_the_others_p95_by_less_than_a_fifth(load: Load) -> None:
    alone, beside = play(load), play(replace(load, flood_share=1))
    assert beside.p95 < 1.2 * alone.p95
    assert beside.useful_share > 0.85
    assert alone.stopped < 0.02 * len(alone.seconds), "without a flood hardly anybody gives way"


def test_a_stronger_flood_does_no_more_harm() -> None:
    alone, beside = play(Load()), play(Load(flood_share=10))
    assert beside.p95 < 1.2 * alone.p95


def test_on_a_box_that_is_nearly_full_hardly_anybody_gives_way_without_a_flood(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load = Load(calm_share=0.9, service_seconds=4)
    full = play(load)
    monkeypatch.setattr(waiting, "MAX_STOPS", 0)
    assert full.stopped < 0.05 * len(full.seconds)
    assert full.p95 < 1.2 * play(load).p95


def test_a_flood_that_keeps_its_slots_does_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MAX_STOPS", 0)
    alone, beside = play(Load()), play(Load(flood_share=1))
    assert beside.p95 > 1.2 * alone.p95


def table() -> Iterator[str]:
    """Each load with a flood of what the box can answer, and of ten times that."""
    yield f"{'':<24}{'flood':>6}{'p95 alone':>11}{'beside it':>11}{'ratio':>7}{'useful':>8}{'stops/s':>9}"
    for name, load in LOADS.items():
        alone = play(load)
        for share in (1, 10):
            beside = play(replace(load, flood_share=share))
            ratio, stops = beside.p95 / alone.p95, beside.stopped / RUNS / load.duration_seconds
            seconds = f"{alone.p95:>9.2f} s{beside.p95:>9.2f} s"
            yield f"{name:<24}{share:>5}x{seconds}{ratio:>7.2f}{beside.useful_share:>8.0%}{stops:>9.2f}"


if __name__ == "__main__":
    for row in table():
        sys.stdout.write(f"{row}\n")
