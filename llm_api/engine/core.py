"""The engine behind its asyncio face: jobs in, one worker for each lane."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llm_api.engine.base import EngineUnavailableError
from llm_api.engine.lane import BATCH_TOKENS, ComputeError, Lane, Vocabulary
from llm_api.engine.prefix_store import PrefixStore
from llm_api.engine.scheduler import Scheduler
from llm_api.engine.worker import Counts, Job, Shared, Worker

CLOSED = "The engine is shutting down: ask another box."


@dataclass(frozen=True, slots=True)
class Shape:
    """How many lanes, of how many slots each. `threads` are shared by the lanes that are busy; `batch_tokens`
    are computed at once, and the next tokens of answers, too, unless each `writes_alone`."""

    lanes: int
    slots: int
    threads: int
    batch_tokens: int = BATCH_TOKENS
    writes_alone: bool = False


@dataclass(frozen=True, slots=True)
class Load:
    """Requests that wait for a slot, and that have one."""

    waiting: int
    running: int


@dataclass(frozen=True, slots=True)
class Kept:
    """Prefixes that are known, and the bytes of those in memory."""

    prefixes: int
    prefix_bytes: int


class Core:
    """Runs jobs until `close`."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        open_lane: Callable[[], Lane],
        shape: Shape,
        store: PrefixStore,
        *,
        context_tokens: int,
        room_tokens: int | None = None,
    ) -> None:
        """Open the lanes, each slot of which takes `context_tokens`. `room_tokens` of a lane is less than its
        slots hold only to set sequences aside sooner. Raises ComputeError where memory is short."""
        scheduler = Scheduler(
            lanes=shape.lanes,
            slots=shape.slots,
            room_tokens=room_tokens or shape.slots * context_tokens,
            portion_tokens=shape.batch_tokens,
            known_tokens=lambda sequence: self._shared.match(sequence).length,
            shares=store.budget_bytes > 0,
        )
        self._shared = Shared(
            vocabulary, store, scheduler, shape.threads, shape.batch_tokens, shape.writes_alone
        )
        self._workers: list[Worker] = []
        try:
            for number in range(shape.lanes):
                self._workers.append(Worker(number, open_lane, self._shared))
        except ComputeError:
            for worker in self._workers:
                worker.close_unstarted()
            raise
        for worker in self._workers:
            worker.start()

    @property
    def load(self) -> Load:
        with self._shared.changed:
            return Load(self._shared.scheduler.waiting, self._shared.scheduler.running)

    @property
    def kept(self) -> Kept:
        with self._shared.changed:
            return Kept(len(self._shared.store), self._shared.store.bytes)

    @property
    def counts(self) -> Counts:
        return sum((worker.counts for worker in self._workers), Counts())

    @property
    def problem(self) -> str | None:
        """Why not all lanes compute, as a short phrase."""
        alive = all(worker.is_alive() for worker in self._workers)
        return None if alive else "an engine thread has ended"

    def submit(self, job: Job) -> None:
        shared = self._shared
        with shared.changed:
            if shared.closing:
                job.publish(EngineUnavailableError(CLOSED))
                return
            shared.jobs[job.sequence] = job
            shared.scheduler.add(job.sequence)
            shared.changed.notify_all()

    def cancel(self, job: Job) -> None:
        """Stop a job, if it still runs: at once, or after the step that it is in."""
        with self._shared.changed:
            job.sequence.cancelled = True
            if job.sequence.lane is None:
                self._shared.forget(job.sequence)
            self._shared.changed.notify_all()

    def close(self) -> None:
        """Stop all work; jobs that are left fail. Returns when the lanes are closed."""
        with self._shared.changed:
            self._shared.closing = True
            self._shared.changed.notify_all()
        for worker in self._workers:
            worker.join()
        for job in list(self._shared.jobs.values()):
            job.publish(EngineUnavailableError(CLOSED))
