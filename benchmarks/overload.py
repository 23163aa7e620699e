"""What contacts get when ten times as much is asked as the LLM can answer, and when one organization floods.

    .venv/bin/python -m benchmarks.overload [--part fairness] [--rate 0.2] [--factor 10]
        [--seconds 60] [--rounds 3]

The whole system as `make run` starts it, with a fake platform and an LLM of a known rate, everything on the
loopback. Times are taken at the platform, from a contact's message to what the contact got. First all
organizations together ask `factor` times what the LLM can answer; then calm organizations are measured
alone, and once more, at the same times, while another one floods: some rounds of both. The flood is as strong
as in the first part, and the LLM faster: what is measured is whether the calm ones have to wait behind it.
"""

import argparse
import itertools
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from threading import Event, Thread

from tests.chaos import codes
from tests.chaos.counting import Books, Count, Got, Said
from tests.chaos.ledger import Ledger
from tests.chaos.organizations import Organizations
from tests.chaos.plan import CONTACTS, TELEGRAM, Plan, Writing
from tests.chaos.table import percentile, seconds
from tests.chaos.traffic import Traffic
from tests.fakes.llm import FakeLlm
from tests.fakes.telegram import FakeTelegram
from tests.running_stack import RunningStack

ORGANIZATIONS = 10
SLOTS = 4
IN_TIME_SECONDS = 5.0
CALM = range(5)
FLOODING = 5
CALM_TURNS_PER_SECOND = 0.8
FAIR_SERVICE_SECONDS = 2.0
"""How long the LLM takes for an answer in the second part: 2 a second, more than the calm ones ask for, and
less than they and the flood."""
MAX_RATIO = 1.2
PATIENCE_SECONDS = 180.0
LOOK_SECONDS = 0.5
SHOW_SECONDS = 10.0


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


class Bench:
    """A running system that is written to in phases, each with new contacts."""

    def __init__(self, stack: RunningStack, telegram: FakeTelegram, seed: int) -> None:
        self._telegram = telegram
        self._ledger = Ledger(stack.home)
        self._platforms = {TELEGRAM: telegram}
        self._organizations = Organizations(stack, self._platforms, ORGANIZATIONS)
        self._people = itertools.count()
        self._rng = random.Random(seed)  # noqa: S311 - only for times
        self._organizations.load()

    def times(self, per_second: float, lasting: float) -> list[float]:
        """Random times."""
        return [self._rng.uniform(0, lasting) for _ in range(round(per_second * lasting))]

    def turns(self, times: Sequence[float], organizations: Sequence[int]) -> list[Writing]:
        """One message each of new contacts, of one organization after the other."""
        return [self._turn(at, number, organizations) for number, at in enumerate(times)]

    def _turn(self, at: float, number: int, organizations: Sequence[int]) -> Writing:
        organization = organizations[number % len(organizations)]
        code = codes.code(organization, number // len(organizations))
        contact = CONTACTS[TELEGRAM].format(next(self._people))
        return Writing(at, TELEGRAM, contact, organization, code, f"Is order {code} ready?")

    def play(self, name: str, writings: Iterable[Writing]) -> Phase:
        """Let contacts write, and wait until every turn has its outcome."""
        ordered = sorted(writings, key=lambda each: each.at)
        plan = Plan(0, ORGANIZATIONS, ordered[-1].at, ordered, (), ())
        traffic, is_over = Traffic(plan, self._platforms, self._organizations), Event()
        thread = Thread(target=traffic.run, args=(is_over,))
        thread.start()
        try:
            self._show_while(name, traffic, thread)
            ended_at = time.monotonic()
            is_done = self._wait_until_settled(name, traffic, ended_at + PATIENCE_SECONDS)
        finally:
            is_over.set()
            thread.join()
        recovery = time.monotonic() - ended_at if is_done else None
        return self._phase(traffic, recovery)

    def _show_while(self, name: str, traffic: Traffic, thread: Thread) -> None:
        while thread.is_alive():
            self._show(name, traffic)
            thread.join(SHOW_SECONDS)

    def _wait_until_settled(self, name: str, traffic: Traffic, deadline: float) -> bool:
        shown = time.monotonic()
        while True:
            now = self._ledger.progress()
            if now.stored >= self._stored_before + traffic.count and not (now.open or now.unsent):
                return True
            if time.monotonic() > deadline:
                return False
            if time.monotonic() > shown + SHOW_SECONDS:
                shown = time.monotonic()
                self._show(name, traffic)
            time.sleep(LOOK_SECONDS)

    _stored_before = 0

    def _show(self, name: str, traffic: Traffic) -> None:
        now = self._ledger.progress()
        say(f"  {name}: sent {traffic.count}, answered {now.answered}, open {now.open}")

    def _phase(self, traffic: Traffic, recovery_seconds: float | None) -> Phase:
        said = traffic.said(TELEGRAM)
        contacts = {each.contact for each in said}
        sent = [each for each in list(self._telegram.sent) if each["contact"] in contacts]
        got = [Got(each["contact"], each["id"], each["text"], each["at"]) for each in sent]
        turns = [turn for turn in self._ledger.turns() if turn.contact in contacts]
        self._stored_before += len(said)
        return Phase(said, got, Books(said, got, turns, self._ledger.texts()).count(), recovery_seconds)


# --- the report ---------------------------------------------------------------------------------------------


def report_overload(phase: Phase) -> bool:
    """Print what contacts got; whether the aims were met."""
    say("\nOverload")
    waits = phase.waits()
    in_time = sum(wait is not None and wait <= IN_TIME_SECONDS for wait in waits)
    received = sorted(wait for wait in waits if wait is not None)
    answers = sorted(wait for wait in phase.waits(is_answer) if wait is not None)
    lost = sum(len(phase.count.broken[name]) for name in ("turns without outcome", "unanswered"))
    line("turns", phase.count.turns)
    line("with an answer or a line within 5 s", f"{100 * in_time / len(waits):.1f} %")
    line("first reply", seconds(received))
    line("answer, where there was one", seconds(answers))
    for fate, number in phase.count.fates.items():
        line(str(fate), number)
    line("turns lost (aim: 0)", lost)
    line("duplicate replies (aim: 0)", len(phase.count.broken["duplicate replies"]))
    recovery = phase.recovery_seconds
    line("nothing open after", "never" if recovery is None else f"{recovery:.0f} s")
    p99 = percentile(received, 0.99)
    is_in_time = len(received) == len(waits) and p99 is not None and p99 <= IN_TIME_SECONDS
    line("aim: first reply within 5 s (p99)", "met" if is_in_time else "missed")
    return is_in_time and not lost


@dataclass(frozen=True)
class Round:
    """The calm organizations alone and beside the flood, the flood itself, how many of the LLM's answers were
    broken off meanwhile, and what share of its time went into the others."""

    alone: Phase
    beside: Phase
    flood: Phase
    broken_off: int
    useful_share: float


def report_fairness(rounds: Sequence[Round]) -> bool:
    """Print how the calm organizations fared; whether the aim was met."""
    say("\nFairness")
    medians = []
    for name, is_it in (("first reply", lambda got, said: True), ("answer", is_answer)):
        ratios = []
        for each in rounds:
            before, during = (sorted(filled(phase.waits(is_it))) for phase in (each.alone, each.beside))
            line(f"{name}, alone", f"{seconds(before)} of {len(before)}")
            line(f"{name}, beside the flood", f"{seconds(during)} of {len(during)}")
            ratios.append((percentile(during, 0.95) or 0.0) / (percentile(before, 0.95) or 1.0))
        medians.append(statistics.median(ratios))
        every = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        line(f"{name}, ratio of p95, median of {every} (aim: under {MAX_RATIO})", f"{medians[-1]:.2f}")
    for each in rounds:
        answered = sum(wait is not None for wait in each.flood.waits(is_answer))
        line("turns of the flood that were answered", f"{answered} of {len(each.flood.said)}")
        line("the LLM's answers broken off, its time used", f"{each.broken_off}, {each.useful_share:.0%}")
    lost = sum(len(each.flood.count.broken["turns without outcome"]) for each in rounds)
    line("turns lost beside the flood (aim: 0)", lost)
    return max(medians) < MAX_RATIO


def filled(waits: Iterable[float | None]) -> Iterator[float]:
    """Who got nothing waits for ever."""
    return (PATIENCE_SECONDS if wait is None else wait for wait in waits)


def line(name: str, value: object) -> None:
    say(f"  {name:<58} {value!s:>34}")


def say(text: str) -> None:
    print(text, flush=True)


def play_round(bench: Bench, llm: FakeLlm, asked: float, lasting: float) -> Round:
    times = bench.times(CALM_TURNS_PER_SECOND, lasting)
    alone = bench.play("calm", bench.turns(times, CALM))
    calm, flood = bench.turns(times, CALM), bench.turns(bench.times(asked, lasting), [FLOODING])
    answered, broken_off, began_at = llm.answered, llm.hung_up, time.monotonic()
    beside = bench.play("flood", [*calm, *flood])
    seconds_of_slots = SLOTS * (time.monotonic() - began_at)
    useful_share = (llm.answered - answered) * FAIR_SERVICE_SECONDS / seconds_of_slots
    of_calm, of_flood = (beside.of(each.contact for each in writings) for writings in (calm, flood))
    return Round(alone, of_calm, of_flood, llm.hung_up - broken_off, useful_share)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=0.2, help="answers a second that the LLM can give")
    parser.add_argument("--factor", type=float, default=10, help="so many times that is asked")
    parser.add_argument("--seconds", type=float, default=60, help="how long each part is written to")
    parser.add_argument(
        "--rounds", type=int, default=3, help="of calm organizations alone, then beside a flood"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the times at which contacts write")
    parser.add_argument("--part", choices=["overload", "fairness"], help="only one of the two")
    arguments = parser.parse_args()
    rate, asked, lasting = arguments.rate, arguments.rate * arguments.factor, arguments.seconds
    overload: Phase | None = None
    rounds: list[Round] = []
    with (
        FakeTelegram() as telegram,
        FakeLlm(codes.answer, SLOTS, SLOTS / rate) as llm,
        RunningStack(
            HUB_TELEGRAM_API_URL=telegram.url, HUB_LLM_URL=llm.url, HUB_LLM_SLOTS=str(SLOTS)
        ) as stack,
    ):
        bench = Bench(stack, telegram, arguments.seed)
        if arguments.part != "fairness":
            say(f"Overload: {asked:g} turns a second for {lasting:g} s, of which the LLM can answer {rate:g}")
            overload = bench.play("overload", bench.turns(bench.times(asked, lasting), range(ORGANIZATIONS)))
        llm.service_seconds = FAIR_SERVICE_SECONDS
        if arguments.part != "overload":
            say(
                f"Fairness: {len(CALM)} calm organizations, then they and {asked:g} turns a second of another"
            )
            rounds = [play_round(bench, llm, asked, lasting) for _ in range(arguments.rounds)]
    is_met = [report_overload(overload)] if overload else []
    is_met += [report_fairness(rounds)] if rounds else []
    sys.exit(0 if all(is_met) else 1)


if __name__ == "__main__":
    main()
