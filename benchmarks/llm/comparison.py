"""The rounds of a run: each server after the other, freshly started, with the same requests."""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.llm import climbing
from benchmarks.llm.client import Answer, play
from benchmarks.llm.figures import Figures, figures, waits_of
from benchmarks.llm.load import Request, Traffic
from benchmarks.llm.others import Others
from benchmarks.llm.progress import Progress
from benchmarks.llm.servers import Kind, Server
from benchmarks.llm.unavoidable import Speeds, distinct_tokens, measure_speeds, tokenize

SETTLE_SECONDS = 60.0
PROBE_PATIENCE_SECONDS = 20.0
WARMING_PATIENCE_SECONDS = 1200.0


@dataclass(frozen=True)
class Plan:
    """What is run. `climbed`: the numbers of organizations with Poisson arrivals as well as a burst, in the
    first `climbing_rounds` rounds. `serial_seconds`: the patience with a server that answers one after the
    other, whose rate is seen soon. `is_warm`: every organization was asked before, as in a hub that runs."""

    model: Path
    threads: int
    kinds: Sequence[Kind]
    organizations: Sequence[int]
    climbed: Sequence[int]
    rounds: int
    climbing_rounds: int
    burst: int
    patience_seconds: float
    serial_seconds: float
    probe_seconds: float
    limit_seconds: float
    seed: int
    is_warm: bool = False

    def patience(self, kind: Kind) -> float:
        """Seconds after which a request of a burst is given up."""
        return self.serial_seconds if kind.is_serial else self.patience_seconds

    def weights(self, kind: Kind) -> Path:
        """The file that a server computes with."""
        return kind.weights or self.model

    def climbs(self, kind: Kind, count: int, round_number: int) -> bool:
        """Whether a server's rate is looked for; that of a serial one is far below the others'."""
        return count in self.climbed and round_number < self.climbing_rounds and not kind.is_serial


@dataclass
class Results:
    """What was seen, by number of organizations and name of server, a list entry per round."""

    bursts: dict[tuple[int, str], list[Figures]] = field(default_factory=lambda: defaultdict(list))
    waits: dict[tuple[int, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    texts: dict[tuple[int, str], list[str | None]] = field(default_factory=lambda: defaultdict(list))
    """The answers to the bursts of all rounds, in the order of the requests; None where there is none."""
    rates: dict[tuple[int, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    probes: dict[tuple[int, str], dict[float, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    """The share answered in time at each rate that was tried."""
    speeds: dict[Path, list[Speeds]] = field(default_factory=lambda: defaultdict(list))
    """Of a plain loop with the weights of a file."""
    prompt_tokens: dict[int, int] = field(default_factory=dict)
    distinct_tokens: dict[int, int] = field(default_factory=dict)
    problems: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    rounds: int = 0


class Comparison:
    """`run` it once."""

    def __init__(self, plan: Plan, folder: Path, progress: Progress) -> None:
        self._plan = plan
        self._folder = folder
        self._progress = progress
        self._results = Results()

    def run(self) -> Results:
        """All rounds, or as many as end within the limit."""
        plan, results = self._plan, self._results
        traffics = {count: Traffic(count, plan.seed) for count in plan.organizations}
        for count, traffic in traffics.items():
            prompts = tokenize(plan.model, traffic.burst(plan.burst))
            known = tokenize(plan.model, traffic.introductions()) if plan.is_warm else []
            results.prompt_tokens[count] = sum(map(len, prompts))
            results.distinct_tokens[count] = distinct_tokens([*known, *prompts]) - distinct_tokens(known)
        started_at = time.monotonic()
        for number in range(plan.rounds):
            self._round(number, traffics)
            results.rounds += 1
            lasted = time.monotonic() - started_at
            if number + 1 < plan.rounds and lasted * (number + 2) / (number + 1) > plan.limit_seconds:
                self._progress.say(f"Only {results.rounds} rounds: another would not end in time.")
                break
        return results

    def _round(self, number: int, traffics: dict[int, Traffic]) -> None:
        for weights in dict.fromkeys(map(self._plan.weights, self._plan.kinds)):
            self._results.speeds[weights].append(measure_speeds(weights, self._plan.threads))
        for count, traffic in traffics.items():
            for kind in _rotated(self._plan.kinds, number):
                name = f"round {number + 1}, {count} organizations, {kind.name}"
                folder = self._folder / name.replace(" ", "-")
                with Server(kind, self._plan.model, self._plan.threads, folder) as server:
                    self._burst(server, count, traffic, name)
                    if self._plan.climbs(kind, count, number):
                        self._climb(server, count, traffic, name)

    def _burst(self, server: Server, count: int, traffic: Traffic, name: str) -> None:
        kind = server.kind
        if self._plan.is_warm:
            show = self._progress.of(f"{name}, warming up")
            play(server.url, traffic.introductions(), WARMING_PATIENCE_SECONDS, show)
        self._settle(server)  # a first decode: maps the weights
        requests = traffic.burst(self._plan.burst)
        others = Others(server)
        patience = self._plan.patience(kind)
        answers = play(server.url, requests, patience, self._progress.of(f"{name}, burst"))
        taken = others.share()
        self._note_problems(kind, answers)
        lasted = [each.seconds for each in answers if each.seconds is not None]
        seconds = max(lasted) if len(lasted) == len(answers) else patience
        computed = kind.computed(server.log) if kind.computed else None
        seen = figures(answers, seconds, computed, server.peak_bytes, taken)
        self._results.bursts[count, kind.name].append(seen)
        self._results.waits[count, kind.name].extend(waits_of(answers))
        texts = [None if each.seconds is None else each.text for each in answers]
        self._results.texts[count, kind.name].extend(texts)

    def _climb(self, server: Server, count: int, traffic: Traffic, name: str) -> None:
        key = count, server.kind.name
        rates = self._results.rates[key]
        burst_rate = self._results.bursts[key][-1].answers_per_second
        start = climbing.start_near(rates[-1] * 1.01 if rates else burst_rate)

        def passes(rate: float) -> bool:
            self._settle(server)
            requests = traffic.poisson(rate, self._plan.probe_seconds)
            tolerated = climbing.tolerated_misses(len(requests))
            show = self._progress.of(f"{name}, {rate:.2f} a second")
            answers = play(server.url, requests, PROBE_PATIENCE_SECONDS, show, tolerated)
            in_time = sum(each.is_in_time for each in answers)
            self._results.probes[key][rate].append(in_time / len(answers) if answers else 1.0)
            return in_time >= len(answers) - tolerated

        rates.append(climbing.climb(passes, start))

    def _settle(self, server: Server) -> None:
        """Wait until the server is ready, and has put away what was given up before."""
        short = Request(0.0, "", [{"role": "user", "content": "Hi"}])
        play(server.url, [short], SETTLE_SECONDS, lambda *_: None)

    def _note_problems(self, kind: Kind, answers: Sequence[Answer]) -> None:
        self._results.problems[kind.name] |= {each.problem for each in answers if each.problem}


def _rotated(kinds: Sequence[Kind], number: int) -> Iterator[Kind]:
    """Another one begins in each round."""
    first = number % len(kinds)
    yield from kinds[first:]
    yield from kinds[:first]
