"""What contacts get when ten times as much is asked as the LLM can answer, and when one organization floods.

    .venv/bin/python -m benchmarks.overload [--part fairness] [--rate 0.2] [--factor 10]
        [--seconds 60] [--rounds 4]

The whole system as `make run` starts it, with a fake platform and an LLM of a known rate, everything on the
loopback. Times are taken at the platform, from a contact's message to what the contact got. First all
organizations together ask `factor` times what the LLM can answer; then calm organizations are measured
alone, and, at the same times, while another one floods: some rounds of both, with the other one first in each
second round. The flood is as strong as in the first part, and the LLM faster: what is measured is whether the
calm ones have to wait behind it.
"""

import argparse
import itertools
import random
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from threading import Event, Thread

from benchmarks.overload_report import (
    PATIENCE_SECONDS,
    Flooded,
    Phase,
    Round,
    report_fairness,
    report_overload,
    say,
)
from tests.chaos import codes
from tests.chaos.books import Books
from tests.chaos.counting import count
from tests.chaos.ledger import Ledger
from tests.chaos.organizations import Organizations
from tests.chaos.plan import CONTACTS, TELEGRAM, Plan, Writing
from tests.chaos.policies import Policy, plain
from tests.chaos.records import Got
from tests.chaos.traffic import Traffic
from tests.fakes.llm import FakeLlm
from tests.fakes.telegram import FakeTelegram
from tests.running_stack import RunningStack

ORGANIZATIONS = 10
SLOTS = 4
CALM = range(5)
FLOODING = 5
CALM_TURNS_PER_SECOND = 0.8
FAIR_SERVICE_SECONDS = 2.0
"""How long the LLM takes for an answer in the second part: 2 a second, more than the calm ones ask for, and
less than they and the flood."""
LOOK_SECONDS = 0.5
SHOW_SECONDS = 10.0


class Bench:
    """A running system that is written to in phases, each with new contacts."""

    def __init__(self, stack: RunningStack, telegram: FakeTelegram, seed: int) -> None:
        self._telegram = telegram
        self._ledger = Ledger(stack.home)
        self._platforms = {TELEGRAM: telegram}
        self._policies = [plain(number) for number in range(ORGANIZATIONS)]
        self._organizations = Organizations(stack, self._platforms, self._policies)
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
        plan = Plan(0, self._policies, ordered[-1].at, ordered, (), ())
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
        policies = {each.contact: self._policies[each.organization] for each in ordered}
        return self._phase(traffic, recovery, policies)

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

    def _phase(
        self, traffic: Traffic, recovery_seconds: float | None, policies: Mapping[str, Policy]
    ) -> Phase:
        said = traffic.said(TELEGRAM)
        contacts = {each.contact for each in said}
        sent = [each for each in list(self._telegram.sent) if each["contact"] in contacts]
        got = [Got(each["contact"], each["id"], each["text"], each["at"]) for each in sent]
        turns = [turn for turn in self._ledger.turns() if turn.contact in contacts]
        self._stored_before += len(said)
        return Phase(said, got, count(Books(said, got, turns, policies)), recovery_seconds)


def play_round(bench: Bench, llm: FakeLlm, asked: float, lasting: float, *, flood_first: bool) -> Round:
    times = bench.times(CALM_TURNS_PER_SECOND, lasting)
    if flood_first:
        beside = play_flood(bench, llm, times, asked, lasting)
        return Round(play_alone(bench, times), beside)
    return Round(play_alone(bench, times), play_flood(bench, llm, times, asked, lasting))


def play_alone(bench: Bench, times: Sequence[float]) -> Phase:
    return bench.play("calm", bench.turns(times, CALM))


def play_flood(bench: Bench, llm: FakeLlm, times: Sequence[float], asked: float, lasting: float) -> Flooded:
    calm, flood = bench.turns(times, CALM), bench.turns(bench.times(asked, lasting), [FLOODING])
    answered, broken_off, began_at = llm.answered, llm.hung_up, time.monotonic()
    beside = bench.play("flood", [*calm, *flood])
    seconds_of_slots = SLOTS * (time.monotonic() - began_at)
    useful_share = (llm.answered - answered) * FAIR_SERVICE_SECONDS / seconds_of_slots
    of_calm, of_flood = (beside.of(each.contact for each in writings) for writings in (calm, flood))
    return Flooded(of_calm, of_flood, llm.hung_up - broken_off, useful_share)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=0.2, help="answers a second that the LLM can give")
    parser.add_argument("--factor", type=float, default=10, help="so many times that is asked")
    parser.add_argument("--seconds", type=float, default=60, help="how long each part is written to")
    parser.add_argument(
        "--rounds", type=int, default=4, help="of calm organizations, alone and beside a flood"
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
            rounds = [
                play_round(bench, llm, asked, lasting, flood_first=number % 2 == 1)
                for number in range(arguments.rounds)
            ]
    is_met = [report_overload(overload)] if overload else []
    is_met += [report_fairness(rounds)] if rounds else []
    sys.exit(0 if all(is_met) else 1)


if __name__ == "__main__":
    main()
