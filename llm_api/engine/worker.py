"""An engine thread: it owns a lane and does, step by step, what the scheduler says."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from collections.abc import Sequence as Items
from dataclasses import dataclass, field, fields

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
from llm_api.engine.drafting import leads_clearly
from llm_api.engine.lane import FEW_TOKENS, Lane, Portion, Vocabulary
from llm_api.engine.prefix_store import Match, Prefix, PrefixStore
from llm_api.engine.sampling import Logits, Sampler
from llm_api.engine.scheduler import Moves, Scheduler
from llm_api.engine.sequence import Sequence
from llm_api.engine.text import TextStream

log = logging.getLogger(__name__)

RETRIES = 1
REOPEN_SECONDS = 1.0
CRASHED = "The model failed twice on this request: try again."


@dataclass(eq=False, slots=True)
class Job:
    """A sequence, and who reads what becomes of it. `publish` is called from a lane's thread."""

    sequence: Sequence
    sampler: Sampler
    text: TextStream
    publish: Callable[[Event | EngineError], None]
    request_id: str = ""
    """For the log."""
    is_started: bool = False


@dataclass
class Counts:
    """What was done since the start."""

    read_tokens: int = 0
    written_tokens: int = 0
    drafted_tokens: int = 0
    accepted_tokens: int = 0
    restored_tokens: int = 0
    preemptions: int = 0
    restarts: int = 0
    steps: int = 0
    reading_seconds: float = 0.0
    writing_seconds: float = 0.0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


@dataclass(eq=False, slots=True)
class Shared:
    """What all workers use, and those who bring work: only with `changed` held, and it is notified."""

    vocabulary: Vocabulary
    store: PrefixStore
    scheduler: Scheduler
    threads: int
    batch_tokens: int
    writes_alone: bool
    jobs: dict[Sequence, Job] = field(default_factory=dict)
    busy: set[int] = field(default_factory=set)
    closing: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition)

    def forget(self, sequence: Sequence) -> None:
        self.scheduler.remove(sequence)
        self.jobs.pop(sequence, None)

    def match(self, sequence: Sequence) -> Match:
        """After a failure all is computed anew: what was restored may have been the cause."""
        return Match() if sequence.failures else self.store.match(sequence.group, sequence.prompt)


class Worker(threading.Thread):
    """Runs until the engine closes. The lock is not held while the model computes."""

    def __init__(self, number: int, open_lane: Callable[[], Lane], shared: Shared) -> None:
        """Open the self._lane. Raises ComputeError where memory is short."""
        super().__init__(name=f"llama-{number}", daemon=True)
        self._number = number
        self._open_lane = open_lane
        self._shared = shared
        self._lane = open_lane()
        self.counts = Counts()

    def close_unstarted(self) -> None:
        self._lane.close()

    def run(self) -> None:
        while self._wait_for_work():
            try:
                self._turn()
            except Exception as error:  # whatever it was: the thread must live on
                # The text of the error may quote the prompt: only its kind leaves this function.
                fields = {"error": type(error).__name__, "request_ids": self._request_ids()}
                log.error("engine crashed, restarting", extra={"fields": fields})
                self.counts.restarts += 1
                self._set_back()
                if not self._reopen():
                    return
        self._lane.close()

    def _wait_for_work(self) -> bool:
        """Whether there is more to do, once there is; False when the engine closes."""
        shared = self._shared
        with shared.changed:
            while not shared.closing and not shared.scheduler.has_work(self._number):
                self._rest()
            shared.busy.add(self._number)
            return not shared.closing

    def _rest(self) -> None:
        """Until something changes; the lock is held."""
        self._shared.busy.discard(self._number)
        if not self._shared.closing:
            self._shared.changed.wait()

    def _turn(self) -> None:
        shared = self._shared
        self._drop_cancelled()
        with shared.changed:
            moves = shared.scheduler.move(self._number, time.time(), shared.busy)
            if not moves.left and not shared.scheduler.running_in(self._number):
                self._rest()  # what waits is for another lane, or read by it just now
                return
        self._carry_out(moves)
        with shared.changed:
            step = shared.scheduler.next_step(self._number, time.time())
            self._lane.use_threads(max(1, shared.threads // len(shared.busy)))
        if step.writing:
            self._write(step.writing)
        if step.reading:
            self._read(step.reading, step.portion_tokens)
        self.counts.steps += 1
        with shared.changed:
            shared.changed.notify_all()

    def _drop_cancelled(self) -> None:
        with self._shared.changed:
            running = self._shared.scheduler.running_in(self._number)
        for sequence in running:
            if sequence.cancelled:
                self._leave(sequence)

    def _carry_out(self, moves: Moves) -> None:
        try:
            for sequence, slot in moves.left:
                self.counts.preemptions += 1
                sequence.saved = self._lane.save(slot)
                self._lane.clear(slot)
        finally:
            with self._shared.changed:
                for sequence, _ in moves.left:
                    if sequence.cancelled:
                        self._shared.forget(sequence)
                    elif sequence.saved is None:
                        self._begin_anew(sequence)
                    else:
                        self._shared.scheduler.wait_again(sequence)
        for sequence in moves.came:
            self._fill_slot(sequence)
            job = self._shared.jobs[sequence]
            if not job.is_started:
                job.is_started = True
                job.publish(Started(time.time()))

    def _fill_slot(self, sequence: Sequence) -> None:
        """Bring back what is known of a sequence: its own state, or that of a prompt that begins alike."""
        slot = _slot(sequence)
        if sequence.saved is not None:
            sequence.computed = self._lane.restore(slot, sequence.saved, sequence.computed)
            sequence.saved = None
            return
        self._lane.clear(slot)
        sequence.computed = 0
        with self._shared.changed:
            match = self._shared.match(sequence)
        fetched = self._shared.store.fetch(match)
        with self._shared.changed:
            state = self._shared.store.take(match, sequence.prompt, fetched)
        if state is None or match.prefix is None:
            return
        sequence.computed = sequence.restored = self._lane.restore(slot, state, match.length)
        self.counts.restored_tokens += sequence.restored
        if sequence.computed == 0:
            with self._shared.changed:
                self._shared.store.drop(match.prefix)
        elif match.length < len(match.prefix):
            self._keep(sequence, parted_from=match.prefix)

    def _read(self, sequence: Sequence, count: int) -> None:
        count += self._go_back(sequence, min(FEW_TOKENS, self._shared.batch_tokens) - count)
        start = sequence.computed
        tokens = sequence.tokens[start : start + count]
        room = self._shared.batch_tokens - count if count == sequence.missing else 0
        portion, guess = _with_draft(sequence, tokens, room)
        began = time.perf_counter()
        [logits] = self._lane.compute([portion])
        self.counts.reading_seconds += time.perf_counter() - began
        sequence.computed += count
        self.counts.read_tokens += count
        if sequence.missing == 0:
            self._append(sequence, guess, logits, is_exact=True)
        elif sequence.computed == sequence.prompt.question_at:
            self._keep(sequence)

    def _go_back(self, sequence: Sequence, count: int) -> int:
        """Forget up to so many of the last tokens that are computed, and say how many."""
        count = min(count, sequence.computed)
        if count <= 0 or not self._shared.vocabulary.can_forget:
            return 0
        sequence.computed -= count
        sequence.restored = min(sequence.restored, sequence.computed)
        self._lane.cut(_slot(sequence), sequence.computed)
        return count

    def _write(self, sequences: Items[Sequence]) -> None:
        room = self._shared.batch_tokens - 1
        drafted = [(each, *_with_draft(each, each.tokens[-1:], room)) for each in sequences]
        # What has a guess goes alone: of portions that differ in length llama.cpp computes the first token of
        # all together and then the rest, and each time it reads all weights.
        all_alone = self._shared.writes_alone
        together = [each for each in drafted if not (all_alone or each[2])]
        alone = [[each] for each in drafted if all_alone or each[2]]
        most = FEW_TOKENS - 1
        for batch in [*(together[at : at + most] for at in range(0, len(together), most)), *alone]:
            self._write_together(batch)

    def _write_together(self, drafted: Items[tuple[Sequence, Portion, Items[int]]]) -> None:
        began = time.perf_counter()
        computed = self._lane.compute([portion for _, portion, _ in drafted])
        self.counts.writing_seconds += time.perf_counter() - began
        for (sequence, _, guess), logits in zip(drafted, computed, strict=True):
            sequence.computed += 1
            self._append(sequence, guess, logits)

    def _append(
        self, sequence: Sequence, guess: Items[int], logits: Items[Logits], *, is_exact: bool = False
    ) -> None:
        """Take the next token from what follows the last one, and as many more as the guess was right in."""
        job = self._shared.jobs[sequence]
        chosen = _choose(job.sampler, guess, logits, is_exact)
        self.counts.drafted_tokens += len(guess)
        self.counts.accepted_tokens += sum(
            token == guessed for token, guessed in zip(chosen, guess, strict=False)
        )
        sequence.is_unsure = len(chosen) <= len(guess) and chosen == list(guess[: len(chosen)])
        for token in chosen:
            if not self._tell(job, token):
                return
        self._cut(sequence)

    def _cut(self, sequence: Sequence) -> None:
        """Forget what is computed of a guess, and of the last token, which is computed next."""
        sequence.computed = len(sequence.tokens) - 1
        if self._shared.vocabulary.can_forget:
            self._lane.cut(_slot(sequence), sequence.computed)

    def _tell(self, job: Job, token: int) -> bool:
        """Add a token to the answer, and say whether that goes on."""
        sequence = job.sequence
        if self._shared.vocabulary.ends(token):
            self._finish(job, "stop")
            return False
        self.counts.written_tokens += 1
        sequence.tokens.append(token)
        if text := job.text.feed(self._shared.vocabulary.piece(token)):
            job.publish(Piece(text))
        if job.text.stopped or sequence.written == sequence.max_tokens:
            self._finish(job, "stop" if job.text.stopped else "length")
            return False
        return True

    def _finish(self, job: Job, reason: FinishReason) -> None:
        sequence = job.sequence
        if text := job.text.finish():
            job.publish(Piece(text))
        prompt = sequence.prompt
        job.publish(
            Finished(reason, len(prompt.tokens), sequence.written, sequence.restored, prompt.dropped_messages)
        )
        sequence.cancelled = True  # nobody waits for what is left to do: after a crash it is not done again
        self._cut(sequence)
        self._keep(sequence)
        self._leave(sequence)

    def _keep(self, sequence: Sequence, *, parted_from: Prefix | None = None) -> None:
        """Let other sequences begin with what is computed of this one."""
        tokens = np.array(sequence.tokens[: sequence.computed], np.int32)
        with self._shared.changed:
            if not self._shared.store.wants(sequence.group, tokens):
                return
        state = self._lane.save(_slot(sequence))
        with self._shared.changed:
            self._shared.store.add(sequence.group, tokens, state, sequence.prompt, parted_from=parted_from)

    def _leave(self, sequence: Sequence) -> None:
        self._lane.clear(_slot(sequence))
        with self._shared.changed:
            self._shared.forget(sequence)

    def _request_ids(self) -> list[str]:
        """Of what is in work here."""
        shared = self._shared
        with shared.changed:
            return [shared.jobs[each].request_id for each in shared.scheduler.running_in(self._number)]

    def _set_back(self) -> None:
        """After a crash: the lane's sequences are computed anew."""
        with self._shared.changed:
            for sequence in self._shared.scheduler.running_in(self._number):
                self._begin_anew(sequence)

    def _begin_anew(self, sequence: Sequence) -> None:
        """Let a sequence wait without what was computed of it, but not for ever; the lock is held."""
        shared = self._shared
        sequence.failures += 1
        sequence.computed, sequence.saved = 0, None
        if sequence.cancelled:
            shared.forget(sequence)
        elif sequence.failures > RETRIES:
            shared.jobs[sequence].publish(EngineUnavailableError(CRASHED))
            shared.forget(sequence)
        else:
            shared.scheduler.wait_again(sequence)

    def _reopen(self) -> bool:
        """A new lane in place of the broken one, as soon as there is memory for it; False when the engine
        closes before."""
        shared = self._shared
        self._lane.close()
        with shared.changed:
            shared.scheduler.shut(self._number)
            shared.busy.discard(self._number)
            shared.changed.notify_all()
        while True:
            try:
                self._lane = self._open_lane()
            except Exception as error:  # as above
                log.warning("engine not restarted yet", extra={"fields": {"error": type(error).__name__}})
                with shared.changed:
                    if shared.changed.wait_for(lambda: shared.closing, REOPEN_SECONDS):
                        return False
                continue
            with shared.changed:
                shared.scheduler.open(self._number)
            return True


def _choose(sampler: Sampler, guess: Items[int], logits: Items[Logits], is_exact: bool) -> list[int]:
    """The tokens of the guess that are right, and the one that comes instead of the rest. Where rounding may
    decide which, none: it must be computed alone. `is_exact` says that the first one needs no such care."""
    chosen: list[int] = []
    for guessed, after in zip([*guess, None], logits, strict=True):
        token = sampler.choose(after)
        if guess and not (is_exact and not chosen) and not leads_clearly(token, after):
            break
        chosen.append(token)
        if token != guessed:
            break
    return chosen


def _with_draft(sequence: Sequence, tokens: list[int], room: int) -> tuple[Portion, Items[int]]:
    """Tokens to compute, and behind them the guess that is to be checked."""
    guess = () if sequence.is_unsure else sequence.draft(room)
    outputs = len(guess) + 1
    return Portion(_slot(sequence), sequence.computed, [*tokens, *guess], outputs), guess


def _slot(sequence: Sequence) -> int:
    assert sequence.slot is not None  # it runs
    return sequence.slot
