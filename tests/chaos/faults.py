"""Makes go wrong what the plan says, at its time, and writes down what really happened."""

import contextlib
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import psutil

from infra.local.health import answers
from infra.local.postgres import data_folder, is_ready
from tests.chaos import codes
from tests.chaos.organizations import Organizations
from tests.chaos.plan import TELEGRAM, Mishap, Trouble
from tests.chaos.poison import Poison, records
from tests.chaos.queues import Queues
from tests.fakes.llm import Failure, FakeLlm
from tests.fakes.platform import FakePlatform, Fault
from tests.fakes.platform.base import SILENCE_SECONDS
from tests.fakes.whatsapp import FakeWhatsApp
from tests.running_stack import RunningStack, StackFailed

UP_AGAIN_SECONDS = 60.0
LEAVING_SECONDS = 15.0
"""How long the runner's kill waits for a message that leaves."""
LOOK_SECONDS = 0.1
BATCH_SECONDS = 10.0
"""How long the runner's other kill waits for a batch."""
BATCH_LOOK_SECONDS = 0.02
MESSAGES_IN_BATCHES = 2

LEAVING = Fault(silence_seconds=SILENCE_SECONDS + 1, after=True)
"""As "silence", for the message during which the runner is killed."""
_AT_PLATFORMS = {
    Trouble.PLATFORM_ERROR: "error",
    Trouble.PLATFORM_BUSY: "too fast",
    Trouble.PLATFORM_SILENT: "silence",
}
_LLM = {
    Trouble.LLM_NOTHING: Failure.NOTHING,
    Trouble.LLM_GARBAGE: Failure.GARBAGE,
    Trouble.LLM_BREAKS_OFF: Failure.BROKEN_OFF,
    Trouble.LLM_NEVER: Failure.NEVER,
    Trouble.LLM_ERROR: Failure.ERROR,
}


@dataclass(frozen=True)
class Program:
    """A program of the stack: what its command line holds, and how it is known to be well."""

    module: str
    is_well: Callable[[], bool]


class Faults:
    """What goes wrong in a run. `say` gets a line for each fault as it happens."""

    def __init__(
        self,
        mishaps: Sequence[Mishap],
        stack: RunningStack,
        platforms: Mapping[str, FakePlatform],
        llm: FakeLlm,
        organizations: Organizations,
        queues: Queues,
        say: Callable[[str], None],
    ) -> None:
        self._mishaps = mishaps
        self._stack = stack
        self._platforms = platforms
        self._llm = llm
        self._organizations = organizations
        self._queues = queues
        self._say = say
        self._done: Counter[tuple[Trouble, str]] = Counter()
        self.poison: list[Poison] = []

    def run(self, is_over: threading.Event) -> None:
        """Do everything at its time, counted from now; a kill ends when its program is well again."""
        begin = time.monotonic()
        for mishap in self._mishaps:
            is_over.wait(max(0.0, begin + mishap.at - time.monotonic()))
            if is_over.is_set():
                return
            self._do(mishap)

    def counts(self) -> Mapping[tuple[Trouble, str], int]:
        """How often each trouble met the hub, by the platform where it did ("" for everywhere): what was
        prepared and met no call does not count."""
        met = Counter(self._done)
        for name, platform in self._platforms.items():
            hits = [hit.fault for hit in platform.hits]
            for trouble, fault in _AT_PLATFORMS.items():
                met[trouble, name] = hits.count(platform.troubles[fault])
            if isinstance(platform, FakeWhatsApp):
                met[Trouble.PLATFORM_LOSES, name] = len(platform.lost)
        met |= {(trouble, ""): self._llm.failed[failure] for trouble, failure in _LLM.items()}
        met[Trouble.POISON, ""] = len(self.poison)
        return met

    def _do(self, mishap: Mishap) -> None:
        trouble = mishap.trouble
        if trouble in _AT_PLATFORMS:
            platform = self._platforms[mishap.platform]
            platform.fail_next(platform.sends, platform.troubles[_AT_PLATFORMS[trouble]])
        elif trouble is Trouble.PLATFORM_LOSES:
            platform = self._platforms[mishap.platform]
            assert isinstance(platform, FakeWhatsApp), "only there the hub is told"
            platform.lose_next(lambda text: bool(codes.find(text)))
        elif trouble in _LLM:
            self._llm.fail_next(_LLM[trouble])
        elif trouble is Trouble.POISON:
            self.poison += records(self._organizations.channel_id(TELEGRAM, mishap.organization))
            self._queues.put(self.poison)
            self._say(f"{trouble}: {len(self.poison)}")
        elif trouble is Trouble.TOKEN_EXPIRES:
            self._organizations.expire_token(mishap.platform, mishap.organization)
            self._note(mishap)
        elif trouble is Trouble.TOKEN_REPAIRED:
            self._organizations.repair(mishap.organization)
            self._note(mishap)
        else:
            self._kill(mishap)

    def _note(self, mishap: Mishap, more: str = "") -> None:
        self._done[mishap.trouble, mishap.platform] += 1
        self._say(" ".join(filter(None, [mishap.trouble, mishap.platform, more])))

    # --- programs ---

    def _kill(self, mishap: Mishap) -> None:
        program = self._program(mishap.trouble)
        if mishap.trouble is Trouble.KILL_RUNNER:
            self._wait_until_a_message_leaves(self._platforms[mishap.platform])
        if mishap.trouble is Trouble.KILL_RUNNER_IN_BATCH:
            self._wait_until_batches_are_in_hand()
        victim = self._stack.process(program.module)
        family = {victim.pid, *(child.pid for child in victim.children(recursive=True))}
        if mishap.trouble is Trouble.RESTART_POSTGRES:
            victim.send_signal(signal.SIGINT)
        else:
            kill(victim)
        left = self._queues.in_batches() if mishap.trouble is Trouble.KILL_RUNNER_IN_BATCH else 0
        began = time.monotonic()
        while not self._is_back(program, family):
            if time.monotonic() > began + UP_AGAIN_SECONDS:
                raise StackFailed(f"{program.module} did not come back:\n{self._stack.output}")
            time.sleep(LOOK_SECONDS)
        half_done = f", {left} messages half done" if left else ""
        self._note(mishap, f"(back after {time.monotonic() - began:.1f} s{half_done})")

    def _wait_until_a_message_leaves(self, platform: FakePlatform) -> None:
        """The platform takes it and is silent: the sender dies without an answer."""
        platform.fail_next(platform.sends, LEAVING)
        with contextlib.suppress(TimeoutError):
            platform.wait_until(
                lambda fake: any(hit.fault == LEAVING and hit.at > time.time() - 1 for hit in fake.hits),
                LEAVING_SECONDS,
            )

    def _wait_until_batches_are_in_hand(self) -> None:
        give_up_at = time.monotonic() + BATCH_SECONDS
        while self._queues.in_batches() < MESSAGES_IN_BATCHES and time.monotonic() < give_up_at:
            time.sleep(BATCH_LOOK_SECONDS)

    def _is_back(self, program: Program, family: set[int]) -> bool:
        """Whether another process runs in the place of those that were killed, and is well."""
        try:
            return self._stack.process(program.module).pid not in family and program.is_well()
        except StackFailed:
            return False

    def _program(self, trouble: Trouble) -> Program:
        home = self._stack.home
        postgres = Program(str(data_folder(home)), lambda: is_ready(home))
        runner = Program("infra.local.lambdas", lambda: True)
        return {
            Trouble.KILL_LLM: Program("llm_api", lambda: answers(f"{self._stack.llm_url}/healthz")),
            Trouble.KILL_RUNNER: runner,
            Trouble.KILL_RUNNER_IN_BATCH: runner,
            Trouble.KILL_WEBHOOK: Program(
                "infra.local.gateway:make_application()",
                lambda: answers(f"{self._stack.webhook_url}/healthz"),
            ),
            Trouble.KILL_CONSOLE: Program(
                "console.wsgi:application", lambda: answers(f"{self._stack.console_url}/healthz")
            ),
            Trouble.KILL_WORKER: Program("console.celery:app", lambda: True),
            Trouble.KILL_POSTGRES: postgres,
            Trouble.RESTART_POSTGRES: postgres,
        }[trouble]


def kill(process: psutil.Process) -> None:
    """kill -9 of a process and everything that it has forked, in one go."""
    family = [process, *process.children(recursive=True)]
    for each in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.suspend()  # so that nobody mourns a parent before it is their turn
    for each in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
