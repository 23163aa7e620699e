"""How fast a model is read and written with a plan, all lanes at work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from llm_api.engine.lane import ComputeError, Portion
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


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens a second of the whole machine."""

    read: float
    written: float

    @property
    def answer_seconds(self) -> float:
        """What an answer of usual size takes."""
        return ANSWER_READS / self.read + ANSWER_WRITES / self.written


def measure(path: Path, plan: Plan, slots: int) -> Speed:
    """Speed of the model file with a plan, `slots` answers written side by side over all lanes. Raises
    ComputeError where it cannot be computed so."""
    model = Model(path, plan.gpu_layers)
    lanes: list[LlamaLane] = []
    each = -(-slots // plan.lanes)
    try:
        for _ in range(plan.lanes):
            lanes.append(LlamaLane(model, slots=each, context_tokens=READ_TOKENS * 2, plan=plan))
            lanes[-1].use_threads(max(1, plan.threads // plan.lanes))
        at_once = threading.Barrier(len(lanes))
        with ThreadPoolExecutor(len(lanes)) as pool:
            found = list(pool.map(lambda lane: _work(lane, model, each, plan, at_once), lanes))
        return Speed(sum(speed.read for speed in found), sum(speed.written for speed in found))
    finally:
        for lane in lanes:
            lane.close()
        model.close()


def _work(lane: LlamaLane, model: Model, slots: int, plan: Plan, at_once: threading.Barrier) -> Speed:
    """Speed of one lane, beside the others."""
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
        for batch in [[each] for each in portions] if plan.writes_alone else [portions]:
            lane.compute(batch)
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
