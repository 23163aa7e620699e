"""A run from start to report: the system, a platform, an LLM, contacts, faults, and the count."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg

from tests.chaos import codes, policies, table
from tests.chaos.books import Books
from tests.chaos.counting import broken_by_poison, count, still_to_be_buried, untold_letters
from tests.chaos.faults import Faults
from tests.chaos.ledger import Ledger
from tests.chaos.organizations import Organizations
from tests.chaos.plan import TELEGRAM, WHATSAPP, Plan, Trouble
from tests.chaos.platforms import describe, platforms
from tests.chaos.poison import MARK, End
from tests.chaos.queues import Queues
from tests.chaos.records import Count, Fate, Got, Letter
from tests.chaos.traffic import Traffic
from tests.fakes.llm import FakeLlm
from tests.fakes.platform import FakePlatform
from tests.fakes.whatsapp import FakeWhatsApp
from tests.running_stack import RunningStack

LLM_SLOTS = 6
LLM_SECONDS = 0.8
"""Together 7.5 answers a second, about twice what the contacts of a run ask for."""
LOOK_SECONDS = 1.0
SHOW_SECONDS = 5.0
LETTER_SECONDS = 2.0
"""A dead letter is written down a moment before it leaves its queue."""
QUIET_LOOKS = 4
"""Nothing to do at so many looks in a row: it is over."""
SABOTAGE = Path(__file__).with_name("sabotage")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """How a run is made. `patience_seconds`: how long after the last message everything must be over.
    `without`: the safeguards that are switched off in it (sabotage/sitecustomize.py)."""

    handover_after_seconds: int = 60
    llm_visibility_seconds: int = 30
    patience_seconds: float = 240.0
    without: str = ""

    def settings(self) -> dict[str, str]:
        """What the system is started with, besides where its surroundings are."""
        settings = {
            "HUB_LLM_SLOTS": str(LLM_SLOTS),
            "HUB_LLM_VISIBILITY_SECONDS": str(self.llm_visibility_seconds),
        }
        if self.without:
            settings |= {"PYTHONPATH": str(SABOTAGE), "CHAOS_WITHOUT": self.without}
        return settings


@dataclass(frozen=True)
class Outcome:
    """A finished run. `counts`: of each platform alone."""

    count: Count
    counts: Mapping[str, Count]
    report: str


def run(plan: Plan, options: Options, say: Say) -> Outcome:
    """Carry a plan out on a system of its own. `say` gets a line now and then."""
    with platforms(plan.seed) as found, FakeLlm(codes.answer, LLM_SLOTS, LLM_SECONDS) as llm:
        surroundings = {name: value for each in found.values() for name, value in each.hub_settings.items()}
        with RunningStack(HUB_LLM_URL=llm.url, **surroundings, **options.settings()) as stack:
            return Run(plan, options, stack, found, llm, say).play()


class Run:
    """One run on a system that is up."""

    def __init__(
        self,
        plan: Plan,
        options: Options,
        stack: RunningStack,
        platforms: Mapping[str, FakePlatform],
        llm: FakeLlm,
        say: Say,
    ) -> None:
        self._plan = plan
        self._options = options
        self._stack = stack
        self._platforms = platforms
        self._llm = llm
        self._print = say
        self._began = self._shown = time.monotonic()
        self._ledger = Ledger(stack.home)
        self._queues = Queues(int(stack.aws_url.rpartition(":")[2]))
        self._organizations = Organizations(stack, platforms, plan.policies, options.handover_after_seconds)
        self._traffic = Traffic(plan, platforms, self._organizations)
        self._faults = Faults(
            plan.mishaps, stack, platforms, llm, self._organizations, self._queues, self._say
        )

    def play(self) -> Outcome:
        """Everything from the first message to the report."""
        self._organizations.load()
        self._say(f"{len(self._plan.policies)} organizations are connected; seed {self._plan.seed}")
        self._let_it_happen()
        self._wait_until_quiet()
        self._say(f"the platforms deliver {len(self._plan.replays)} old messages once more")
        self._traffic.replay()
        is_quiet = self._wait_until_quiet()
        reported = json.loads(self._stack.manage("ledger", "--json"))
        counts = {name: self._count(name, books) for name, books in self._books().items()}
        waiting, letters = self._queues.waiting(), self._ledger.dead_letters(MARK)
        total = _total(counts, reported, list(broken_by_poison(self._faults.poison, letters, waiting)))
        quiet = {"quiet at the end": "yes" if is_quiet else "NO"}
        facts = {**self._facts(reported), **self._ends(letters), **quiet}
        webhooks = {name: describe(each, self._traffic.order(name)) for name, each in self._platforms.items()}
        return Outcome(total, counts, table.report(total, counts, self._troubles(), webhooks, facts))

    # --- while it runs ---

    def _let_it_happen(self) -> None:
        is_over = threading.Event()
        with ThreadPoolExecutor(2) as threads:
            parts = [threads.submit(part.run, is_over) for part in (self._traffic, self._faults)]
            try:
                while not all(part.done() for part in parts):
                    self._look()
                    _raise_failure(parts)
            finally:
                is_over.set()
        _raise_failure(parts)

    def _wait_until_quiet(self) -> bool:
        """Whether nothing is left to be done; False after a time that is long enough for everything."""
        deadline = time.monotonic() + self._options.patience_seconds
        quiet = 0
        while quiet < QUIET_LOOKS:
            if time.monotonic() > deadline:
                return False
            quiet = quiet + 1 if self._look() else 0
        return True

    def _look(self) -> bool:
        """Wait a moment; whether there is nothing to do any more, as far as can be seen."""
        time.sleep(LOOK_SECONDS)
        try:
            now = self._ledger.progress()
            letters = self._ledger.dead_letters(MARK)
        except psycopg.OperationalError:
            return False  # it is being restarted
        queued, untold = self._queued(letters), now.untold + len(untold_letters(self._faults.poison, letters))
        if time.monotonic() > self._shown + SHOW_SECONDS:
            self._shown = time.monotonic()
            self._say(
                f"sent {self._traffic.count}, answered {now.answered}, handed over {now.handed_over}, "
                f"open {now.open}; {queued} queued, {now.unsent} to send, {untold} to tell staff of"
            )
        is_stored = now.stored >= self._traffic.count
        return is_stored and not (now.open or now.unsent or untold or queued)

    def _queued(self, letters: Sequence[Letter]) -> int:
        """What waits on the queues, but for poison that is to be delivered again."""
        written = [letter for letter in letters if letter.age_seconds >= LETTER_SECONDS]
        poison = still_to_be_buried(self._faults.poison, written)
        return sum(
            max(0, waiting - poison.get(queue, 0)) for queue, waiting in self._queues.waiting().items()
        )

    def _say(self, line: str) -> None:
        self._print(f"{time.monotonic() - self._began:6.1f} s  {line}")

    # --- when it is over ---

    def _books(self) -> Mapping[str, Books]:
        """Of each platform: no contact is on two."""
        turns, found = self._ledger.turns(), {}
        chosen = {each.contact: self._plan.policies[each.organization] for each in self._plan.writings}
        for name, platform in self._platforms.items():
            said = self._traffic.said(name)
            contacts = {each.contact for each in said}
            lost = platform.lost if isinstance(platform, FakeWhatsApp) else ()
            got = [
                Got(line["contact"], line["id"], line["text"], line["at"], line["id"] not in lost)
                for line in platform.sent
            ]
            own = [turn for turn in turns if turn.contact in contacts]
            found[name] = Books(said, got, own, chosen, self._blocked() & contacts)
        return found

    def _count(self, name: str, books: Books) -> Count:
        found = count(books)
        answered = found.fates.get(Fate.ANSWERED, 0)
        vain = [f"only {answered} of {found.said} were answered on {name}: give it more --seconds"]
        more = {
            "taken, reported on, and not known to the ledger": found.unclaimed if name == WHATSAPP else [],
            "a run that proves little": vain if 2 * answered < found.said else [],
        }
        return replace(found, broken={**found.broken, **more})

    def _blocked(self) -> frozenset[str]:
        return frozenset(each.contact for each in self._plan.writings if each.blocks)

    def _troubles(self) -> Mapping[Trouble, Mapping[str, int]]:
        """By trouble and platform."""
        met = {**self._faults.counts(), (Trouble.CONTACT_BLOCKS, TELEGRAM): len(self._blocked())}
        found: dict[Trouble, dict[str, int]] = {trouble: {} for trouble in Trouble}
        for (trouble, name), times in met.items():
            if times:
                found[trouble][name] = times
        return {trouble: times for trouble, times in found.items() if times}

    def _facts(self, reported: Mapping[str, Any]) -> dict[str, str]:
        reasons = ", ".join(
            f"{reason} {turns}" for reason, turns in reported["reasons"]["handed_over"].items()
        )
        return {
            **{f"organizations by {name}": chosen for name, chosen in policies.describe(self._plan.policies)},
            "turns handed over": reasons or "none",
            "old messages delivered once more at the end": f"{len(self._plan.replays)}",
            "requests to the LLM": f"{self._llm.asked} ({self._llm.hung_up} hung up)",
            "seconds in all": f"{time.monotonic() - self._began:.0f}",
        }

    def _ends(self, letters: Sequence[Letter]) -> dict[str, str]:
        """How much of the poison has come to its end, by what that is."""
        put = Counter(each.end for each in self._faults.poison)
        left = still_to_be_buried(self._faults.poison, letters)
        buried = sum(put[end] for end in (End.LETTER, End.TOLD)) - sum(left.values())
        on_queues = ", ".join(f"{queue} {count}" for queue, count in sorted(left.items())) or "none"
        return {
            **{f"poison that has to end as {end}": str(count) for end, count in put.items()},
            "poison in the list of dead letters": str(buried),
            "poison that its queue is to deliver again": on_queues,
        }


def _total(counts: Mapping[str, Count], reported: Mapping[str, Any], poison: Sequence[str]) -> Count:
    """All platforms together, what `manage.py ledger` says of all, and what became of poison."""
    each = list(counts.values())
    wrong = [f"{name} is {reported[name]}" for name in ("open", "overdue", "duplicates") if reported[name]]
    promises = list(dict.fromkeys(promise for count in each for promise in count.broken))
    broken = {promise: [found for count in each for found in count.broken[promise]] for promise in promises}
    return Count(
        said=sum(count.said for count in each),
        turns=sum(count.turns for count in each),
        got=sum((Counter(count.got) for count in each), Counter()),
        fates=sum((Counter(count.fates) for count in each), Counter()),
        broken={
            **broken,
            "what `manage.py ledger` objects to": wrong,
            "poison that did not end as it has to": poison,
        },
        first_reply_seconds=sorted(found for count in each for found in count.first_reply_seconds),
        unclaimed=[found for count in each for found in count.unclaimed],
        twice=[found for count in each for found in count.twice],
    )


def _raise_failure(parts: list[Future[None]]) -> None:
    for part in parts:
        if part.done():
            part.result()
