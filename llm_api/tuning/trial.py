"""How fast a model is read and written with a plan: by all lanes at work, and by one alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from llm_api.engine.lane import FEW_TOKENS, ComputeError, Portion
from llm_api.engine.model import Model
from llm_api.engine.plan import Plan
from llm_api.engine.runner import LlamaLane

READ_TOKENS = 512
"""As much as an organization's prompt."""
STEPS = 6
LIMIT_SECONDS = 3.0
"""A slow model is measured on less."""
ANSWER_READS, ANSWER_WRITES = 117, 19
"""Tokens of one answer: what benchmarks.engine.ablation reads and writes for each question, from cold."""

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens a second."""

    read: float
    written: float

    @property
    def answer_seconds(self) -> float:
        """What an answer of usual size takes."""
        return ANSWER_READS / self.read + ANSWER_WRITES / self.written


def measure(path: Path, plan: Plan, slots: int) -> Speed:
    """Speed of the model file with a plan, `slots` answers written side by side over all lanes. Raises
    ComputeError where it cannot be computed so."""
    each = -(-slots // plan.lanes)
    at_once = threading.Barrier(plan.lanes)

    def work(model: Model, lane: LlamaLane, _: int) -> Speed:
        lane.use_threads(max(1, plan.threads // plan.lanes))
        return _work(lane, model, each, plan, at_once)

    found = _in_lanes(path, plan, each, work)
    return Speed(sum(speed.read for speed in found), sum(speed.written for speed in found))


def measure_alone(path: Path, plan: Plan, counts: Sequence[int]) -> list[Speed]:
    """Speed of one lane with each of these numbers of threads, one answer written at a time. The others rest,
    but each has worked alone before and keeps its threads, as in the service. Raises ComputeError as above.
    """
    one_by_one, at_once = threading.Lock(), threading.Barrier(plan.lanes)

    def alone(model: Model, lane: LlamaLane, count: int) -> Speed:
        lane.use_threads(count)
        return _work(lane, model, 1, plan, threading.Barrier(1))

    def work(model: Model, lane: LlamaLane, number: int) -> list[Speed]:
        try:
            with one_by_one:
                alone(model, lane, max(counts))
            at_once.wait()
            found = [alone(model, lane, count) for count in counts] if number == 0 else []
            at_once.wait()
        except BaseException:
            at_once.abort()
            raise
        return found

    return _in_lanes(path, plan, 1, work)[0]


def _in_lanes(
    path: Path, plan: Plan, slots: int, work: Callable[[Model, LlamaLane, int], Found]
) -> list[Found]:
    """What `work` finds with each of the plan's lanes, and its number, in a thread for each."""
    model = Model(path, plan.gpu_layers)
    lanes: list[LlamaLane] = []
    try:
        while len(lanes) < plan.lanes:
            lanes.append(LlamaLane(model, slots=slots, context_tokens=READ_TOKENS * 2, plan=plan))
        with ThreadPoolExecutor(len(lanes)) as pool:
            return list(pool.map(partial(work, model), lanes, range(len(lanes))))
    except threading.BrokenBarrierError as error:
        raise ComputeError("another lane failed") from error
    finally:
        for lane in lanes:
            lane.close()
        model.close()


def _work(lane: LlamaLane, model: Model, slots: int, plan: Plan, at_once: threading.Barrier) -> Speed:
    """Speed of one lane, beside the others that wait at the barrier."""
    for slot in range(slots):
        lane.clear(slot)
    tokens = [(100 + number) % model.vocabulary_size for number in range(READ_TOKENS)]
    done = 0

    def read() -> int:
        nonlocal done
        portion = tokens[done : done + plan.batch_tokens]
        lane.compute([Portion(0, done, portion)])
        done += len(portion)
        return len(portion)

    def write() -> int:
        nonlocal done
        portions = [Portion(slot, done, [tokens[0]]) for slot in range(slots)]
        most = 1 if plan.writes_alone else FEW_TOKENS - 1
        for at in range(0, slots, most):
            lane.compute(portions[at : at + most])
        done += 1
        return slots

    try:
        at_once.wait()
        speed = _rate(read, -(-READ_TOKENS // plan.batch_tokens))
        state = lane.save(0)
        if any(lane.restore(slot, state, done) != done for slot in range(1, slots)):
            raise ComputeError("this kind of model keeps no states")
        at_once.wait()
        return Speed(speed, _rate(write, STEPS))
    except BaseException:
        at_once.abort()
        raise


def _rate(work: Callable[[], int], times: int) -> float:
    """What `work` does a second, done so many times, or fewer where that takes too long."""
    began, count = time.perf_counter(), 0
    for _ in range(times):
        count += work()
        if time.perf_counter() - began > LIMIT_SECONDS:
            break
    return count / (time.perf_counter() - began)
