"""The engine's threads: each owns a lane and does, step by step, what the scheduler says.

One lock guards the scheduler, the prefix store and the jobs; it is not held while the model computes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from collections.abc import Sequence as Items
from dataclasses import dataclass

import numpy as np

from llm_api.engine.base import (
    EngineError,
    EngineUnavailableError,
    Event,
    Finished,
    FinishReason,
    Piece,
    Started,
)
from llm_api.engine.drafting import MAX_DRAFT_TOKENS
from llm_api.engine.lane import BATCH_TOKENS, ComputeError, Lane, Portion, Vocabulary
from llm_api.engine.prefix_store import Match, PrefixStore
from llm_api.engine.sampling import Logits, Sampler
from llm_api.engine.scheduler import Moves, Scheduler
from llm_api.engine.sequence import Sequence
from llm_api.engine.text import TextStream

log = logging.getLogger(__name__)

RETRIES = 1
REOPEN_SECONDS = 1.0
CRASHED = "The model failed twice on this request: try again."
CLOSED = "The engine is shutting down: ask another box."


@dataclass(eq=False, slots=True)
class Job:
    """A sequence, and who reads what becomes of it. `publish` is called from a lane's thread."""

    sequence: Sequence
    sampler: Sampler
    text: TextStream
    publish: Callable[[Event | EngineError], None]
    is_started: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """How many lanes, of how many slots each. `threads` are shared by the lanes that are busy."""

    lanes: int
    slots: int
    threads: int


@dataclass
class Counts:
    """What the engine has done since it started."""

    read_tokens: int = 0
    written_tokens: int = 0
    drafted_tokens: int = 0
    accepted_tokens: int = 0
    restored_tokens: int = 0
    preemptions: int = 0
    restarts: int = 0
    steps: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """Requests that wait for a slot, and that have one."""

    waiting: int
    running: int


class Core:
    """Runs jobs until `close`."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        open_lane: Callable[[], Lane],
        shape: Shape,
        store: PrefixStore,
        *,
        room_tokens: int | None = None,
    ) -> None:
        """Open the lanes. `room_tokens` of a lane is less than its slots hold only to set sequences aside
        sooner. Raises ComputeError where memory is short."""
        self._vocabulary = vocabulary
        self._open_lane = open_lane
        self._shape = shape
        self._store = store
        self._jobs: dict[Sequence, Job] = {}
        self._changed = threading.Condition()
        self._closing = False
        self._busy: set[int] = set()
        self.counts = Counts()
        lanes = [self._open_lane() for _ in range(shape.lanes)]
        self.context_tokens = min(lane.context_tokens for lane in lanes)
        self._scheduler = Scheduler(
            lanes=shape.lanes,
            slots=shape.slots,
            room_tokens=room_tokens or shape.slots * self.context_tokens,
            known_tokens=lambda sequence: self._match(sequence).length,
        )
        self._threads = [
            threading.Thread(target=self._run, args=(number, lane), name=f"llama-{number}", daemon=True)
            for number, lane in enumerate(lanes)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def load(self) -> Load:
        with self._changed:
            return Load(self._scheduler.waiting, self._scheduler.running)

    @property
    def problem(self) -> str | None:
        """Why nothing is computed just now, as a short phrase."""
        alive = any(thread.is_alive() for thread in self._threads)
        return None if alive else "no engine thread is running"

    def submit(self, job: Job) -> None:
        with self._changed:
            if self._closing:
                job.publish(EngineUnavailableError(CLOSED))
                return
            self._jobs[job.sequence] = job
            self._scheduler.add(job.sequence)
            self._changed.notify_all()

    def cancel(self, job: Job) -> None:
        """Stop a job, if it still runs: at once, or after the step that it is in."""
        with self._changed:
            sequence = job.sequence
            sequence.cancelled = True
            if sequence.lane is None:
                self._forget(sequence)
            self._changed.notify_all()

    def close(self) -> None:
        """Stop all work; jobs that are left fail. Returns when the lanes are closed."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        for job in list(self._jobs.values()):
            job.publish(EngineUnavailableError(CLOSED))

    def _run(self, number: int, lane: Lane | None) -> None:
        while lane and self._wait_for_work(number):
            try:
                self._turn(number, lane)
            except Exception as error:  # whatever it was: the thread must live on
                # The text of the error may quote the prompt: only its kind leaves this function.
                log.error("engine crashed, restarting", extra={"fields": {"error": type(error).__name__}})
                self._set_back(number)
                lane.close()
                lane = self._reopen(number)
        if lane:
            lane.close()

    def _wait_for_work(self, number: int) -> bool:
        """Whether there is more to do, once there is; False when the engine closes."""
        with self._changed:
            while not self._closing and not self._scheduler.has_work(number):
                self._rest(number)
            self._busy.add(number)
            return not self._closing

    def _rest(self, number: int) -> None:
        """Until something changes; the lock is held."""
        self._busy.discard(number)
        self._changed.wait()

    def _turn(self, number: int, lane: Lane) -> None:
        self._drop_cancelled(number, lane)
        with self._changed:
            moves = self._scheduler.move(number, time.time())
        self._carry_out(moves, lane)
        with self._changed:
            step = self._scheduler.next_step(number, time.time())
            if not step:
                self._rest(number)  # what waits is for another lane, or read by it just now
                return
            lane.use_threads(max(1, self._shape.threads // len(self._busy)))
        if step.writing:
            self._write(step.writing, lane)
        for sequence, count in step.reading:
            self._read(sequence, count, lane)
        self.counts.steps += 1
        with self._changed:
            self._changed.notify_all()

    def _drop_cancelled(self, number: int, lane: Lane) -> None:
        with self._changed:
            cancelled = [each for each in self._scheduler.running_in(number) if each.cancelled]
        for sequence in cancelled:
            self._leave(sequence, lane)

    def _carry_out(self, moves: Moves, lane: Lane) -> None:
        for sequence, slot in moves.left:
            self.counts.preemptions += 1
            sequence.saved = lane.save(slot)
            lane.clear(slot)
            with self._changed:
                if sequence in self._jobs:  # not cancelled meanwhile
                    self._scheduler.wait_again(sequence)
        for sequence in moves.came:
            self._fill_slot(sequence, lane)
            job = self._jobs[sequence]
            if not job.is_started:
                job.is_started = True
                job.publish(Started(time.time()))

    def _fill_slot(self, sequence: Sequence, lane: Lane) -> None:
        """Bring back what is known of a sequence: its own state, or that of a prompt that begins alike."""
        slot = _slot(sequence)
        if sequence.saved is not None:
            sequence.computed = lane.restore(slot, sequence.saved, sequence.computed)
            sequence.saved = None
            return
        lane.clear(slot)
        sequence.computed = 0
        with self._changed:
            match = self._match(sequence)
            state = self._store.take(match, sequence.prompt)
        if state is None or match.prefix is None:
            return
        sequence.computed = sequence.restored = lane.restore(slot, state, match.length)
        self.counts.restored_tokens += sequence.restored
        if sequence.computed == 0:
            with self._changed:
                self._store.drop(match.prefix)
        elif match.length < len(match.prefix):
            self._keep(sequence, lane, is_branch=True)

    def _match(self, sequence: Sequence) -> Match:
        """After a failure all is computed anew: what was restored may have been the cause."""
        return Match() if sequence.failures else self._store.match(sequence.group, sequence.prompt)

    def _read(self, sequence: Sequence, count: int, lane: Lane) -> None:
        start = sequence.computed
        tokens = sequence.tokens[start : start + count]
        room = BATCH_TOKENS - count if count == sequence.missing else 0
        portion, guess = _with_draft(sequence, tokens, room)
        [logits] = lane.compute([portion])
        sequence.computed += count
        self.counts.read_tokens += count
        if sequence.missing == 0:
            self._append(sequence, guess, logits, lane)
        elif sequence.computed == sequence.prompt.question_at:
            self._keep(sequence, lane)

    def _write(self, sequences: Items[Sequence], lane: Lane) -> None:
        room = BATCH_TOKENS // len(sequences) - 1
        drafted = [_with_draft(sequence, sequence.tokens[-1:], room) for sequence in sequences]
        computed = lane.compute([portion for portion, _ in drafted])
        for sequence, (_, guess), logits in zip(sequences, drafted, computed, strict=True):
            sequence.computed += 1
            self._append(sequence, guess, logits, lane)

    def _append(self, sequence: Sequence, guess: Items[int], logits: Items[Logits], lane: Lane) -> None:
        """Take the next token from what follows the last one, and as many more as the guess was right in."""
        job = self._jobs[sequence]
        chosen = _choose(job.sampler, guess, logits)
        self.counts.drafted_tokens += len(guess)
        self.counts.accepted_tokens += len(chosen) - 1
        if len(chosen) <= len(guess):
            lane.cut(_slot(sequence), sequence.computed + len(chosen) - 1)
        for token in chosen[:-1]:
            if not self._tell(job, token, lane):
                return
            sequence.computed += 1
        self._tell(job, chosen[-1], lane)

    def _tell(self, job: Job, token: int, lane: Lane) -> bool:
        """Add a token to the answer, and say whether that goes on."""
        sequence = job.sequence
        if self._vocabulary.ends(token):
            self._finish(job, "stop", lane)
            return False
        self.counts.written_tokens += 1
        sequence.tokens.append(token)
        if text := job.text.feed(self._vocabulary.piece(token)):
            job.publish(Piece(text))
        if job.text.stopped or sequence.written == sequence.max_tokens:
            self._finish(job, "stop" if job.text.stopped else "length", lane)
            return False
        return True

    def _finish(self, job: Job, reason: FinishReason, lane: Lane) -> None:
        sequence = job.sequence
        if text := job.text.finish():
            job.publish(Piece(text))
        job.publish(Finished(reason, len(sequence.prompt.tokens), sequence.written, sequence.restored))
        lane.cut(_slot(sequence), sequence.computed)  # the guess may have gone further
        self._keep(sequence, lane)
        self._leave(sequence, lane)

    def _keep(self, sequence: Sequence, lane: Lane, *, is_branch: bool = False) -> None:
        """Let other sequences begin with what is computed of this one."""
        tokens = np.array(sequence.tokens[: sequence.computed], np.int32)
        with self._changed:
            if not self._store.wants(sequence.group, tokens):
                return
        state = lane.save(_slot(sequence))
        with self._changed:
            self._store.add(sequence.group, tokens, state, sequence.prompt, is_branch=is_branch)

    def _leave(self, sequence: Sequence, lane: Lane) -> None:
        lane.clear(_slot(sequence))
        with self._changed:
            self._forget(sequence)

    def _forget(self, sequence: Sequence) -> None:
        self._scheduler.remove(sequence)
        self._jobs.pop(sequence, None)

    def _set_back(self, number: int) -> None:
        """After a crash: the lane's sequences are computed anew, but not for ever."""
        self.counts.restarts += 1
        with self._changed:
            for sequence in self._scheduler.running_in(number):
                sequence.failures += 1
                sequence.computed, sequence.saved = 0, None
                if sequence.failures > RETRIES:
                    self._jobs[sequence].publish(EngineUnavailableError(CRASHED))
                    self._forget(sequence)
                else:
                    self._scheduler.wait_again(sequence)

    def _reopen(self, number: int) -> Lane | None:
        """A new lane in place of a broken one, as soon as there is memory for it; None when the engine
        closes."""
        with self._changed:
            self._scheduler.shut(number)
            self._busy.discard(number)
        while True:
            try:
                lane = self._open_lane()
            except ComputeError:
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, REOPEN_SECONDS)
                    if self._closing:
                        return None
                continue
            with self._changed:
                self._scheduler.open(number)
            return lane


def _choose(sampler: Sampler, guess: Items[int], logits: Items[Logits]) -> list[int]:
    """The tokens of the guess that are right, and the one that comes instead of the rest."""
    chosen: list[int] = []
    for after in logits:
        chosen.append(sampler.choose(after))
        if chosen != list(guess[: len(chosen)]):
            break
    return chosen


def _with_draft(sequence: Sequence, tokens: list[int], room: int) -> tuple[Portion, Items[int]]:
    """Tokens to compute, and behind them the guess that is to be checked."""
    guess = sequence.draft(min(room, MAX_DRAFT_TOKENS))
    outputs = len(guess) + 1
    return Portion(_slot(sequence), sequence.computed, [*tokens, *guess], outputs), guess


def _slot(sequence: Sequence) -> int:
    assert sequence.slot is not None  # it runs
    return sequence.slot
