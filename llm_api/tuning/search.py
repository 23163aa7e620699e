"""The search for the fastest plan that changes nothing in what a model says.

One thing after the other: the format of the weights, what a GPU computes, lanes and threads, the size of
portions, attention and its memory, and with how many threads a lane works that is alone. Each thing's choices
are measured in turns and the best run of each counts, for what else the machine does makes runs slower and
never faster. A choice must gain enough to be more than chance.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, get_args

from llm_api.engine.base import EngineError
from llm_api.engine.lane import ComputeError
from llm_api.engine.model import has_gpu
from llm_api.engine.plan import KvType, Plan, default_plan
from llm_api.tuning import trial, weights
from llm_api.tuning.record import Records, Tuned
from llm_api.tuning.trial import Speed
from llm_api.tuning.weights import Difference

ROUNDS = {"weights": 4}
USUAL_ROUNDS = 2
"""Of all choices the format of the weights counts most, and those of two formats may be close."""
GAIN = 1.05
FLASH_GAIN = 1.10
"""With flash attention an answer depends, in near ties, on what is computed beside it: that must be worth it.
Not so over a cache of BF16, where llama.cpp takes each token by itself, and so does amx_attention.h."""
KV_GAIN = 1.02
"""Another kind of number in the KV cache, of the same size, costs nothing."""
BATCHES = (64, 256)
UNCHANGED = Difference(0.0, 1.0)


class Tools(Protocol):
    """What the search does to a model."""

    def measure(self, path: Path, plan: Plan) -> Speed: ...

    def measure_alone(self, path: Path, plan: Plan, counts: Sequence[int]) -> list[Speed]: ...

    def requantize(self, source: Path, target: Path, form: str) -> None: ...

    def difference(self, path: Path, plan: Plan) -> Difference: ...


class LlamaTools:
    """The same with llama.cpp. Differences are those from `model` as `plan` computes it; the service is to
    have so many `slots`."""

    def __init__(self, model: Path, plan: Plan, slots: int) -> None:
        self._usual = weights.chances(model, plan)
        self._slots = slots

    def measure(self, path: Path, plan: Plan) -> Speed:
        return trial.measure(path, plan, self._slots)

    def measure_alone(self, path: Path, plan: Plan, counts: Sequence[int]) -> list[Speed]:
        return trial.measure_alone(path, plan, counts)

    def requantize(self, source: Path, target: Path, form: str) -> None:
        weights.requantize(source, target, form)

    def difference(self, path: Path, plan: Plan) -> Difference:
        return weights.difference(self._usual, weights.chances(path, plan))


@dataclass(frozen=True, slots=True)
class Choice:
    """A way to compute the model: the format of its weights ("" for the file's own) and a plan."""

    weights: str
    plan: Plan
    difference: Difference = UNCHANGED


def shapes(cpus: int, slots: int) -> list[tuple[int, int]]:
    """Lanes and threads worth a try: CPUs may be two threads of one core, and barriers cost more the more
    threads wait at them. A lane has a slot at least."""
    halves = [cpus, max(1, cpus // 2)]
    found = [(lanes, threads) for threads in halves for lanes in (1, max(1, threads // 2), threads)]
    return list(dict.fromkeys((min(lanes, slots), threads) for lanes, threads in found))


def thread_counts(threads: int) -> list[int]:
    """Numbers of threads worth a try for one lane: powers of two, and all."""
    return [*(2**n for n in range(threads.bit_length()) if 2**n < threads), threads]


class Search:
    """`tell` is called before each piece of work, with what it is and the share that is done."""

    def __init__(
        self,
        records: Records,
        model: Path,
        tools: Tools,
        tell: Callable[[str, float], None],
        plan: Plan,
        slots: int,
    ) -> None:
        self._records = records
        self._model = model
        self._tools = tools
        self._tell = tell
        self._slots = slots
        self._best = Choice("", plan)
        self._speeds: dict[Choice, Speed] = {}
        self._stages: Mapping[str, Callable[[], Iterable[Choice]]] = {
            "weights": self._formats,
            "GPU": self._gpu,
            "lanes and threads": self._shapes,
            "portions": self._batches,
            "attention": self._attentions,
        }
        self._share = 1 / (len(self._stages) + 1)
        """Of the work that one stage is; the last one is about a lane alone."""

    def run(self) -> Tuned:
        """Raises ComputeError where the model cannot even be computed as usual."""
        usual = self._best
        for number, (name, choices) in enumerate(self._stages.items()):
            done = number * self._share
            self._tell(name, done)
            self._best = self._fastest(name, [self._best, *choices()], done)
        best = self._best
        before, after = self._speeds[usual], self._speeds[best]
        return Tuned(self._limit_threads(), best.weights, before, after, best.difference, time.time())

    def _fastest(self, name: str, choices: list[Choice], done: float) -> Choice:
        """The fastest of the choices, of which the first one is as good as one that gains too little."""
        if len(choices) == 1 and choices[0] in self._speeds:
            return choices[0]
        runs = [choice for _ in range(ROUNDS.get(name, USUAL_ROUNDS)) for choice in choices]
        for number, choice in enumerate(runs):
            self._tell(f"{name}: {_name(name, choice)}", done + number / len(runs) * self._share)
            self._note(choice, self._run(choice))
        usual, *others = (each for each in choices if each in self._speeds)
        seconds = {each: self._speeds[each].answer_seconds * _gain(usual, each) for each in others}
        return min([usual, *others], key=lambda each: seconds.get(each, self._speeds[usual].answer_seconds))

    def _run(self, choice: Choice) -> Speed | None:
        """None for what this machine cannot compute."""
        try:
            return self._tools.measure(self._records.weights(choice.weights), choice.plan)
        except (ComputeError, EngineError):
            if choice == self._best:
                raise
            return None

    def _note(self, choice: Choice, speed: Speed | None) -> None:
        known = self._speeds.get(choice)
        if speed and (known is None or speed.answer_seconds < known.answer_seconds):
            self._speeds[choice] = speed

    def _limit_threads(self) -> Plan:
        """The best plan, with what one lane gains by threads: they wait for each other at barriers, and the
        fewer tokens they compute the more of the time that takes."""
        path, plan = self._records.weights(self._best.weights), self._best.plan
        counts = thread_counts(plan.threads)
        if len(counts) == 1:
            return plan
        runs: list[list[Speed]] = []
        for number in range(USUAL_ROUNDS):
            self._tell("a lane alone", 1 - self._share * (1 - number / USUAL_ROUNDS))
            try:
                runs.append(self._tools.measure_alone(path, plan, counts))
            except (ComputeError, EngineError):
                return plan
        speeds = list(zip(*runs, strict=True))
        reading = _fewest(counts, [max(speed.read for speed in of) for of in speeds])
        writing = _fewest(counts, [max(speed.written for speed in of) for of in speeds])
        return replace(plan, reading_threads=reading, writing_threads=writing)

    # --- the choices ----------------------------------------------------------------------------------------

    def _formats(self) -> Iterable[Choice]:
        if self._model.stat().st_size > weights.MAX_FILE_BYTES:
            return
        for form, how in weights.FORMATS.items():
            self._tell(f"weights: {form}", 0.0)
            plan = how.plan(self._best.plan)
            target = self._records.weights(form)
            try:
                self._tools.requantize(self._model, target, form)
                found = self._tools.difference(target, plan)
            except (ComputeError, EngineError):
                continue
            if found.is_small:
                yield Choice(form, plan, found)

    def _gpu(self) -> Iterable[Choice]:
        if has_gpu():
            yield self._with(gpu_layers=0)

    def _shapes(self) -> Iterable[Choice]:
        for lanes, threads in shapes(os.cpu_count() or 1, self._slots):
            yield from self._others(lanes=lanes, threads=threads)

    def _batches(self) -> Iterable[Choice]:
        for tokens in BATCHES:
            yield from self._others(batch_tokens=tokens)

    def _attentions(self) -> Iterable[Choice]:
        for is_flash, kv_type in itertools.product((False, True), get_args(KvType)):
            if kv_type == "q8_0" and not is_flash:
                continue
            choice = self._with(flash_attention=is_flash, kv_type=kv_type)
            if choice == self._best:
                continue
            try:
                found = self._tools.difference(self._records.weights(choice.weights), choice.plan)
            except (ComputeError, EngineError):
                continue
            if found.is_small:
                yield replace(choice, difference=found)

    def _with(self, **changes: object) -> Choice:
        return replace(self._best, plan=replace(self._best.plan, **changes))  # type: ignore[arg-type]

    def _others(self, **changes: object) -> Iterable[Choice]:
        choice = self._with(**changes)
        if choice != self._best:
            yield choice


def tune(
    records: Records, model: Path, tell: Callable[[str, float], None], slots: int, threads: int | None = None
) -> Tuned:
    """Find the plan that is fastest for a service of so many slots, which takes the machine for itself for a
    while, and keep it. Raises ComputeError or ModelLoadError."""
    usual = default_plan(threads)
    plan = replace(usual, lanes=min(usual.lanes, slots))
    tell("the model as it is", 0.0)
    tuned = Search(records, model, LlamaTools(model, plan, slots), tell, plan, slots).run()
    records.keep(tuned)
    return tuned


def _fewest(counts: Sequence[int], speeds: Sequence[float]) -> int:
    """The number of threads behind which more gain too little."""
    best, *others = zip(counts, speeds, strict=True)
    for each in others:
        if each[1] >= best[1] * GAIN:
            best = each
    return best[0]


def _gain(usual: Choice, other: Choice) -> float:
    """What another choice must gain, as a factor."""
    if other.plan.flash_attention and not usual.plan.flash_attention and other.plan.kv_type != "bf16":
        return FLASH_GAIN
    is_cache_alone = other.weights == usual.weights and other.plan.kv_type != usual.plan.kv_type
    return KV_GAIN if is_cache_alone else GAIN


def _name(stage: str, choice: Choice) -> str:
    plan = choice.plan
    return {
        "weights": choice.weights or "as in the file",
        "GPU": "none" if plan.gpu_layers == 0 else "all layers",
        "lanes and threads": f"{plan.lanes} and {plan.threads}",
        "portions": f"{plan.batch_tokens} tokens",
        "attention": f"{'flash' if plan.flash_attention else 'plain'}, KV {plan.kv_type}",
    }[stage]
