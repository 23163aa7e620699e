"""Tokens a second that lanes read and write here: `python -m benchmarks.engine.speed`."""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections.abc import Callable

from llm_api.engine.lane import BATCH_TOKENS, Portion
from llm_api.engine.model import Model
from llm_api.engine.runner import LlamaLane
from llm_api.settings import find_packaged_model

READ = 5 * BATCH_TOKENS
STEPS = 8
ROUNDS = 3
SHAPES = ((1, 1, 1), (1, 1, 8), (1, 2, 1), (1, 2, 8), (2, 1, 1), (2, 1, 4))
"""Lanes, threads of each, sequences in each."""


class Loaded:
    """A lane whose slots hold READ tokens."""

    def __init__(self, model: Model, threads: int, slots: int) -> None:
        self.lane = LlamaLane(model, slots=slots, context_tokens=1024)
        self.lane.use_threads(threads)
        self.slots = range(slots)
        self.read()
        state = self.lane.save(0)
        for slot in self.slots:
            self.lane.restore(slot, state, READ)

    def read(self) -> None:
        self.lane.clear(0)
        for start in range(0, READ, BATCH_TOKENS):
            self.lane.compute([Portion(0, start, range(100 + start, 100 + start + BATCH_TOKENS))])

    def write(self) -> None:
        for step in range(STEPS):
            self.lane.compute([Portion(slot, READ + step, [1000 + step]) for slot in self.slots])
        for slot in self.slots:
            self.lane.cut(slot, READ)


def at_once(work: list[Callable[[], None]]) -> float:
    """Median seconds until all are done."""
    seconds = []
    for _ in range(ROUNDS):
        threads = [threading.Thread(target=each) for each in work]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def main() -> None:
    model = Model(find_packaged_model())
    for lanes, threads, slots in SHAPES:
        loaded = [Loaded(model, threads, slots) for _ in range(lanes)]
        written = lanes * slots * STEPS / at_once([each.write for each in loaded])
        read = lanes * READ / at_once([each.read for each in loaded])
        began = time.perf_counter()
        state = loaded[0].lane.save(0)
        saved = time.perf_counter()
        loaded[0].lane.restore(0, state, READ)
        restored = time.perf_counter()
        sys.stdout.write(
            f"{lanes} lanes of {threads} threads, {slots} sequences: {read:.0f} read, {written:.0f} written; "
            f"{READ} tokens saved in {1000 * (saved - began):.1f} ms, restored in "
            f"{1000 * (restored - saved):.1f} ms, {len(state) / 1e6:.1f} MB\n"
        )
        sys.stdout.flush()
        for each in loaded:
            each.lane.close()
    model.close()


if __name__ == "__main__":
    main()
