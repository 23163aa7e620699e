"""What contacts got in a run of the overload benchmark, as it is printed, and whether the aims were met."""

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.chaos import codes
from tests.chaos.records import Count, Got, Said
from tests.chaos.table import percentile, seconds

IN_TIME_SECONDS = 5.0
MAX_RATIO = 1.2
PATIENCE_SECONDS = 180.0
"""How long whoever got nothing is taken to have waited."""


@dataclass(frozen=True)
class Phase:
    """What was written and received in one part of the benchmark. `recovery_seconds`: from the last message
    to the last outcome; None where some turn never had one."""

    said: Sequence[Said]
    got: Sequence[Got]
    count: Count
    recovery_seconds: float | None

    def waits(self, is_it: Callable[[Got, Said], bool] = lambda got, said: True) -> list[float | None]:
        """Seconds from each message to the first that its contact got (of what `is_it`); None for none."""
        return [self._wait(said, is_it) for said in self.said]

    def of(self, contacts: Iterable[str]) -> "Phase":
        """The part of it that is about some contacts."""
        known = set(contacts)
        said = [each for each in self.said if each.contact in known]
        return Phase(said, self.got, self.count, self.recovery_seconds)

    def _wait(self, said: Said, is_it: Callable[[Got, Said], bool]) -> float | None:
        times = [each.at for each in self.got if each.contact == said.contact and is_it(each, said)]
        return min(times) - said.at if times else None


def is_answer(got: Got, said: Said) -> bool:
    """Whether a message answers another."""
    return said.code in codes.find(got.text)


def report_overload(phase: Phase) -> bool:
    """Print what contacts got; whether the aims were met."""
    say("\nOverload")
    waits = phase.waits()
    in_time = sum(wait is not None and wait <= IN_TIME_SECONDS for wait in waits)
    received = sorted(wait for wait in waits if wait is not None)
    answers = sorted(wait for wait in phase.waits(is_answer) if wait is not None)
    lost = sum(len(phase.count.broken[name]) for name in ("turns without outcome", "unanswered"))
    doubled = len(phase.count.broken["duplicate replies"])
    line("turns", phase.count.turns)
    line("with an answer or a line within 5 s", f"{100 * in_time / len(waits):.1f} %")
    line("first reply", seconds(received))
    line("answer, where there was one", seconds(answers))
    for fate, number in phase.count.fates.items():
        line(str(fate), number)
    line("turns lost (aim: 0)", lost)
    line("duplicate replies (aim: 0)", doubled)
    recovery = phase.recovery_seconds
    line("nothing open after", "never" if recovery is None else f"{recovery:.0f} s")
    p99 = percentile(received, 0.99)
    is_in_time = len(received) == len(waits) and p99 is not None and p99 <= IN_TIME_SECONDS
    line("aim: first reply within 5 s (p99)", "met" if is_in_time else "missed")
    return is_in_time and not lost and not doubled


@dataclass(frozen=True)
class Flooded:
    """The calm organizations beside the flood, the flood itself, how many of the LLM's answers were broken
    off meanwhile, and what share of its time went into the others."""

    calm: Phase
    flood: Phase
    broken_off: int
    useful_share: float


@dataclass(frozen=True)
class Round:
    """The calm organizations alone, and beside the flood."""

    alone: Phase
    beside: Flooded


def report_fairness(rounds: Sequence[Round]) -> bool:
    """Print how the calm organizations fared; whether the aim was met."""
    say("\nFairness")
    medians = []
    for name, is_it in (("first reply", lambda got, said: True), ("answer", is_answer)):
        ratios = []
        for each in rounds:
            before, during = (sorted(filled(phase.waits(is_it))) for phase in (each.alone, each.beside.calm))
            line(f"{name}, alone", f"{seconds(before)} of {len(before)}")
            line(f"{name}, beside the flood", f"{seconds(during)} of {len(during)}")
            ratios.append((percentile(during, 0.95) or 0.0) / (percentile(before, 0.95) or 1.0))
        medians.append(statistics.median(ratios))
        every = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        line(f"{name}, ratio of p95, median of {every} (aim: under {MAX_RATIO})", f"{medians[-1]:.2f}")
    for each in rounds:
        beside = each.beside
        answered = sum(wait is not None for wait in beside.flood.waits(is_answer))
        line("turns of the flood that were answered", f"{answered} of {len(beside.flood.said)}")
        line("the LLM's answers broken off, its time used", f"{beside.broken_off}, {beside.useful_share:.0%}")
    phases = [phase for each in rounds for phase in (each.alone, each.beside.calm, each.beside.flood)]
    lost = sum(len(phase.count.broken["turns without outcome"]) for phase in phases)
    doubled = sum(len(phase.count.broken["duplicate replies"]) for phase in phases)
    line("turns lost (aim: 0)", lost)
    line("duplicate replies (aim: 0)", doubled)
    return max(medians) < MAX_RATIO and not lost and not doubled


def filled(waits: Iterable[float | None]) -> Iterator[float]:
    """Who got nothing waits for ever."""
    return (PATIENCE_SECONDS if wait is None else wait for wait in waits)


def line(name: str, value: object) -> None:
    say(f"  {name:<58} {value!s:>34}")


def say(text: str) -> None:
    print(text, flush=True)
