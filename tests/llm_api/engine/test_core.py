"""The engine's threads over lanes in memory, whose next token depends on every token before it: whatever is
restored, moved or batched wrongly changes the answer."""

from __future__ import annotations

import random
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from collections.abc import Sequence as Items
from contextlib import contextmanager

import numpy as np
import pytest

from llm_api.engine.base import EngineError, EngineUnavailableError, Event, Finished, Piece, Started
from llm_api.engine.core import Core, Shape
from llm_api.engine.lane import BATCH_TOKENS, FEW_TOKENS, ComputeError, Lane, Portion
from llm_api.engine.prefix_store import Prefix, PrefixStore, Spill
from llm_api.engine.sampling import Logits, Sampler
from llm_api.engine.sequence import Sequence, State
from llm_api.engine.text import TextStream
from llm_api.engine.worker import Job
from tests.llm_api.engine.chats import prompt, words

LETTERS = 26
END = LETTERS
CONTEXT = 400


def next_token(tokens: Items[int]) -> int:
    """Mostly a letter, sometimes the end."""
    digest = zlib.crc32(np.array(tokens, np.int32).tobytes())
    return END if digest % 29 == 0 else digest % LETTERS


def is_near_tie(tokens: Items[int]) -> bool:
    return zlib.crc32(np.array(tokens, np.int32).tobytes()) % 5 == 0


def told(asked: Sequence) -> str:
    """The answer that a sequence must get."""
    tokens = list(asked.prompt.tokens)
    while len(tokens) - len(asked.prompt.tokens) < asked.max_tokens:
        token = next_token(tokens)
        if token == END:
            break
        tokens.append(token)
    return "".join(chr(97 + token) for token in tokens[len(asked.prompt.tokens) :])


class Letters:
    def __init__(self, can_forget: bool = True) -> None:
        self.can_forget = can_forget

    def piece(self, token: int) -> bytes:
        return bytes([97 + token])

    def ends(self, token: int) -> bool:
        return token == END


class Faults:
    """What goes wrong with lanes, how many have been opened and closed, and what they computed at once: how
    many tokens of each slot."""

    def __init__(self) -> None:
        self.computes_until_crash: list[int] = []
        self.always = False
        self.unopenable = 0
        self.unsavable = 0
        self.kind: type[Exception] = ComputeError
        self.can_forget = True
        self.rounds = False
        self.opened = 0
        self.closed = 0
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()


class MemoryLane(Lane):
    """Keeps the tokens of each slot, and insists that they follow each other."""

    def __init__(self, slots: int, faults: Faults) -> None:
        if faults.unopenable:
            faults.unopenable -= 1
            raise faults.kind
        self._slots: list[list[int]] = [[] for _ in range(slots)]
        self._faults = faults
        faults.opened += 1

    def compute(self, portions: Items[Portion]) -> list[list[Logits]]:
        self._faults.gate.wait()
        crashes = self._faults.computes_until_crash
        if crashes:
            crashes[0] -= 1
            if crashes[0] == 0:
                crashes.pop(0)
                raise ComputeError
        if self._faults.always:
            raise ComputeError
        assert sum(len(portion.tokens) for portion in portions) <= BATCH_TOKENS
        assert len({portion.slot for portion in portions}) == len(portions)
        self._faults.batches.append([len(portion.tokens) for portion in portions])
        return [self._compute(portion) for portion in portions]

    def _compute(self, portion: Portion) -> list[Logits]:
        slot = self._slots[portion.slot]
        assert len(slot) == portion.position
        slot += portion.tokens
        assert len(slot) <= CONTEXT
        ends = range(len(slot) - portion.outputs + 1, len(slot) + 1)
        return [self._logits(slot[:end], len(portion.tokens) > 1) for end in ends]

    def _logits(self, tokens: list[int], together: bool) -> Logits:
        """Where two tokens are almost as likely, rounding decides, which is another one for what is computed
        together."""
        token = next_token(tokens)
        logits = np.zeros(LETTERS + 1, np.float32)
        if is_near_tie(tokens):
            logits[(token + 1) % LETTERS] = 2.5 if together and self._faults.rounds else 1.5
            logits[token] = 2
        else:
            logits[token] = 3
        return logits

    def save(self, slot: int) -> State:
        if self._faults.unsavable:
            self._faults.unsavable -= 1
            raise ComputeError
        return np.array(self._slots[slot], np.int32).view(np.uint8)

    def restore(self, slot: int, state: State, length: int) -> int:
        self._slots[slot] = state.view(np.int32)[:length].tolist()
        return len(self._slots[slot])

    def cut(self, slot: int, length: int) -> None:
        assert length <= len(self._slots[slot])
        if not self._faults.can_forget:
            raise ComputeError
        del self._slots[slot][length:]

    def clear(self, slot: int) -> None:
        self._slots[slot] = []

    def use_threads(self, threads: int) -> None:
        assert threads >= 1

    def close(self) -> None:
        self._faults.closed += 1


class Reader:
    """What one who asked has been told."""

    def __init__(self, core: Core, asked: Sequence) -> None:
        self.events: list[Event | EngineError] = []
        self.ended = threading.Event()
        self.begun = threading.Event()
        self.asked = asked
        self._core = core
        self.job = Job(asked, Sampler(0, 1, None), TextStream(), self._hear, f"for {asked.group}")
        core.submit(self.job)

    def _hear(self, event: Event | EngineError) -> None:
        self.events.append(event)
        if isinstance(event, Started | EngineError):
            self.begun.set()
        if isinstance(event, Finished | EngineError):
            self.ended.set()

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, Piece))

    @property
    def outcome(self) -> Event | EngineError:
        assert self.ended.wait(20), "it never ends"
        return self.events[-1]

    def check(self) -> None:
        assert isinstance(self.outcome, Finished)
        assert self.text == told(self.asked)
        assert [type(event) for event in self.events].count(Started) == 1

    def cancel(self) -> None:
        self._core.cancel(self.job)


@contextmanager
def running(
    lanes: int = 1,
    slots: int = 2,
    *,
    room: int | None = None,
    budget_bytes: int = 10**6,
    faults: Faults,
    spill: Spill | None = None,
) -> Iterator[Core]:
    core = Core(
        Letters(faults.can_forget), lambda: MemoryLane(slots, faults), Shape(lanes, slots, 2),
        PrefixStore(budget_bytes, spill),
        context_tokens=CONTEXT, room_tokens=room,
    )  # fmt: skip
    try:
        yield core
    finally:
        faults.gate.set()
        core.close()
        assert faults.closed == faults.opened


@pytest.fixture
def faults() -> Faults:
    return Faults()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.001)


def question(n: int, group: int = 0, write: int = 20, **fields: object) -> Sequence:
    """All of a group begin with the same 150 tokens. Every other one has a guess, most of them half right."""
    asked = prompt(words(1000 * group, 100), words(1000 * group + 200, 50), words(100_000 + 100 * n, 15))
    made = Sequence(asked, write, group=f"group {group}", **fields)  # type: ignore[arg-type]
    if n % 2:
        right = [ord(letter) - 97 for letter in told(made)]
        made.guess = (*right[: n % 19], *range(n % 5), 7)
    return made


def is_idle(core: Core) -> bool:
    return core.load.running == core.load.waiting == 0


def test_no_prompt_is_read_in_a_few_tokens_and_few_answers_are_written_together(faults: Faults) -> None:
    """llama.cpp rounds few and many tokens along different paths."""
    asked = prompt(words(0, 100), words(500, 5))
    with running(slots=60, faults=faults) as core:
        Reader(core, Sequence(asked, 5)).check()
        assert faults.batches[:2] == [[100], [16]]
        faults.gate.clear()
        readers = [Reader(core, Sequence(prompt(words(0, 100), words(600 + n, 5)), 60)) for n in range(60)]
        faults.gate.set()
        for reader in readers:
            reader.check()
    read = [batch for batch in faults.batches if batch[0] > 1]
    assert all(len(batch) == 1 and batch[0] >= 16 for batch in read)
    assert max(map(len, faults.batches)) == 15


@pytest.mark.parametrize("lanes", [1, 2, 3])
@pytest.mark.parametrize("budget_bytes", [0, 2000, 10**6], ids=["no memory", "little", "much"])
def test_everyone_gets_the_answer_they_would_get_alone(lanes: int, budget_bytes: int, faults: Faults) -> None:
    with running(lanes, budget_bytes=budget_bytes, faults=faults) as core:
        readers = [Reader(core, question(n, n % 4)) for n in range(40)]
        for reader in readers:
            reader.check()
        until(lambda: is_idle(core))


def test_what_a_group_has_in_common_is_read_once(faults: Faults) -> None:
    with running(2, 4, faults=faults) as core:
        for reader in [Reader(core, question(n, n % 2)) for n in range(20)]:
            reader.check()
        assert core.counts.read_tokens == 2 * 150 + 20 * FEW_TOKENS  # for questions of 15
        assert core.counts.restored_tokens == 18 * 150


def test_a_guess_never_changes_an_answer(faults: Faults) -> None:
    """Not even where rounding would: the first token apart, which is computed with the prompt in any case."""
    faults.rounds = True
    asked = [question(n, 0, 60) for n in range(1, 200, 2)]
    asked = [each for each in asked if not is_near_tie(each.prompt.tokens)]
    with running(2, 3, faults=faults) as core:
        for reader in [Reader(core, each) for each in asked]:
            reader.check()
        assert 200 < core.counts.accepted_tokens < core.counts.drafted_tokens


def test_when_room_is_short_sequences_are_set_aside_and_go_on(faults: Faults) -> None:
    with running(1, 4, room=CONTEXT, faults=faults) as core:
        asked = [question(n, n, write=100) for n in range(12) if len(told(question(n, n, 100))) > 15]
        readers = [Reader(core, each) for each in asked]
        for reader in readers:
            reader.check()
        assert core.counts.preemptions > 0


def test_an_interactive_request_goes_before_a_test_run_in_work(faults: Faults) -> None:
    with running(1, 1, faults=faults) as core:
        faults.gate.clear()
        test = Reader(core, question(1, priority="test"))
        assert test.begun.wait(20)
        asked = Reader(core, question(2))
        faults.gate.set()
        for reader in (asked, test):
            reader.check()
        assert core.counts.preemptions == 1


def test_a_cancelled_request_leaves_at_once(faults: Faults) -> None:
    with running(1, 1, faults=faults) as core:
        faults.gate.clear()
        first, waiting = Reader(core, question(1)), Reader(core, question(2))
        assert first.begun.wait(20)
        assert (core.load.running, core.load.waiting) == (1, 1)
        waiting.cancel()
        assert core.load.waiting == 0
        first.cancel()
        faults.gate.set()
        until(lambda: is_idle(core))
        Reader(core, question(3)).check()
        assert waiting.events == []
        assert not first.ended.is_set()


@pytest.mark.parametrize("crash_at", [1, 2, 3, 8, 15])
def test_after_a_crash_all_go_on_without_a_gap(faults: Faults, crash_at: int) -> None:
    with running(2, 2, faults=faults) as core:
        faults.computes_until_crash = [crash_at]
        for reader in [Reader(core, question(n, n)) for n in range(6)]:
            reader.check()
        assert core.counts.restarts == 1
    assert faults.opened == 3


def test_what_was_cancelled_before_a_crash_is_not_computed_again(faults: Faults) -> None:
    with running(1, 1, faults=faults) as core:
        faults.gate.clear()
        reader = Reader(core, question(1))
        assert reader.begun.wait(20)
        reader.cancel()
        faults.computes_until_crash = [1]
        faults.gate.set()
        until(lambda: is_idle(core))
        assert (core.counts.restarts, core.counts.read_tokens) == (1, 0)


def test_an_answer_that_was_told_is_not_computed_again_because_its_state_cannot_be_kept(
    faults: Faults,
) -> None:
    with running(1, 1, faults=faults) as core:
        asked = Sequence(prompt(words(0, 2), words(200, 40)), 20)  # too short to be kept before its answer
        faults.unsavable = 1
        reader = Reader(core, asked)
        reader.check()
        until(lambda: is_idle(core))
        assert core.counts.restarts == 1
        assert core.counts.written_tokens == len(told(asked))
        assert [isinstance(event, Finished) for event in reader.events].count(True) == 1


def test_a_sequence_that_cannot_be_set_aside_is_computed_anew(faults: Faults) -> None:
    with running(1, 1, faults=faults) as core:
        faults.gate.clear()
        test = Reader(core, question(2, priority="test"))
        assert test.begun.wait(20)
        faults.unsavable = 1
        asked = Reader(core, question(4, 1))
        faults.gate.set()
        for reader in (asked, test):
            reader.check()
        assert (core.counts.restarts, test.asked.failures) == (1, 1)


def test_a_model_that_cannot_forget_is_served_without_what_needs_it(faults: Faults) -> None:
    """Prefixes and guesses; what ends by itself as well as what is cut off."""
    faults.can_forget = False
    with running(2, budget_bytes=0, faults=faults) as core:
        asked = [question(n, n % 4, 40) for n in range(0, 40, 2)]
        assert {len(told(each)) == 40 for each in asked} == {True, False}
        for reader in [Reader(core, each) for each in asked]:
            reader.check()
        assert core.counts.restarts == 0


class SlowDisk:
    """Has one prefix, and takes as long as it is told to."""

    def __init__(self, kept: Prefix) -> None:
        self._kept = kept
        self.reading = threading.Event()
        self.may_go_on = threading.Event()

    def load(self) -> Iterator[Prefix]:
        yield Prefix(self._kept.group, self._kept.tokens, None, is_branch=True, is_spilled=True)

    def read(self, prefix: Prefix) -> State | None:
        self.reading.set()
        assert self.may_go_on.wait(20)
        return self._kept.state

    def write(self, prefix: Prefix) -> None:
        """Nothing else."""

    def has(self, prefix: Prefix) -> bool:
        return True

    def touch(self, prefix: Prefix) -> None:
        """It does not matter when."""


def test_while_the_disk_is_read_others_are_answered(faults: Faults) -> None:
    asked = question(2)
    tokens = np.array(asked.prompt.tokens[:150], np.int32)
    disk = SlowDisk(Prefix(asked.group, tokens, tokens.view(np.uint8)))
    with running(2, 1, faults=faults, spill=disk) as core:
        reader = Reader(core, asked)
        assert disk.reading.wait(20)
        Reader(core, question(4, 1)).check()
        until(lambda: core.load.running == 1)
        disk.may_go_on.set()
        reader.check()
        assert core.counts.restored_tokens == 150


def test_a_request_that_fails_twice_is_given_back(faults: Faults, caplog: pytest.LogCaptureFixture) -> None:
    with running(faults=faults) as core:
        faults.always = True
        reader = Reader(core, question(1))
        assert isinstance(reader.outcome, EngineUnavailableError)
        assert "try again" in str(reader.outcome)
        faults.always = False
        Reader(core, question(2)).check()
        assert core.counts.restarts == 2
    crashes = [each for each in caplog.records if each.getMessage() == "engine crashed, restarting"]
    said = {"error": "ComputeError", "request_ids": ["for group 0"]}
    assert [vars(each)["fields"] for each in crashes] == [said, said]


@pytest.mark.parametrize("kind", [ComputeError, ValueError])
def test_a_lane_that_cannot_be_opened_again_holds_up_nobody(faults: Faults, kind: type[Exception]) -> None:
    faults.kind = kind
    with running(2, 4, faults=faults) as core:
        faults.computes_until_crash = [1]
        faults.unopenable = 10**6
        for reader in [Reader(core, question(n, n)) for n in range(6)]:
            reader.check()
        faults.unopenable = 0
        assert core.problem is None


def test_closing_tells_everyone(faults: Faults) -> None:
    with running(1, 1, faults=faults) as core:
        faults.gate.clear()
        readers = [Reader(core, question(n)) for n in range(3)]
        assert readers[0].begun.wait(20)
        closing = threading.Thread(target=core.close)
        closing.start()
        faults.gate.set()
        closing.join(20)
        late = Reader(core, question(9))
        for reader in (*readers[1:], late):
            assert isinstance(reader.outcome, EngineUnavailableError)


def test_a_storm_of_requests_cancels_edits_and_crashes_leaves_nothing_behind(faults: Faults) -> None:
    dice = random.Random(1)  # noqa: S311  no secret
    with running(2, 3, room=700, budget_bytes=20_000, faults=faults) as core:
        readers: list[Reader] = []
        cancelled: list[Reader] = []
        for n in range(400):
            edited = dice.randrange(3) if n > 200 else 0
            priority = dice.choice(["interactive", "interactive", "test"])
            readers.append(
                Reader(
                    core, question(n, dice.randrange(5) + 10 * edited, dice.randint(1, 60), priority=priority)
                )
            )
            if dice.random() < 0.2:
                cancelled.append(dice.choice(readers))
                cancelled[-1].cancel()
            if n % 97 == 50:
                faults.computes_until_crash.append(5)
            until(lambda: core.load.waiting < 20)
        told_all = [reader for reader in readers if reader not in cancelled]
        failed = [reader for reader in told_all if isinstance(reader.outcome, EngineError)]
        for reader in told_all:
            if reader not in failed:
                reader.check()
        assert len(failed) <= 12  # who was in two crashes
        until(lambda: is_idle(core))
        assert 0 < core.counts.restarts <= 4
