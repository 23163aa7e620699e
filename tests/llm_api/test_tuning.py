"""How `python -m llm_api.tune` chooses, what it keeps, and that the service uses it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import llama_cpp
import numpy as np
import pytest

from llm_api.__main__ import _engine
from llm_api.engine.embedded import EmbeddedEngine
from llm_api.engine.lane import FEW_TOKENS, ComputeError, Portion
from llm_api.engine.model import Model
from llm_api.engine.plan import Plan, default_plan
from llm_api.engine.runner import LlamaLane
from llm_api.settings import find_packaged_model, load_settings
from llm_api.tune import report
from llm_api.tuning import trial, weights
from llm_api.tuning.record import Records, Tuned
from llm_api.tuning.search import Search, shapes
from llm_api.tuning.trial import Speed
from llm_api.tuning.weights import Difference

TASKS = Path("/proc/self/task")
USUAL = Plan(2, 2)
ONE_EACH = replace(USUAL, reading_threads=1, writing_threads=1)
"""As usual, where a lane alone gains nothing by threads."""
SAME, OTHER = Difference(0.003, 1.0), Difference(0.28, 0.8)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "small.Q4_1.gguf"
    path.write_bytes(b"GGUF of four bits")
    return path


@pytest.fixture
def records(tmp_path: Path, model: Path) -> Records:
    return Records(tmp_path / "home", model)


@dataclass
class FakeTools:
    """A machine on which `speed` says how fast a choice is, and formats differ as `differences` says."""

    speed: Callable[[str, Plan], float]
    differences: dict[str, Difference] = field(default_factory=dict)
    flash: Difference = SAME
    alone: dict[int, Speed] = field(default_factory=dict)
    measured: list[tuple[str, Plan]] = field(default_factory=list)

    def measure(self, path: Path, plan: Plan) -> Speed:
        form = path.suffixes[-2].removeprefix(".as-") if ".as-" in path.name else ""
        self.measured.append((form, plan))
        return Speed(self.speed(form, plan), 100.0)

    def measure_alone(self, path: Path, plan: Plan, counts: Sequence[int]) -> list[Speed]:
        return [self.alone.get(count, Speed(100.0, 100.0)) for count in counts]

    def requantize(self, source: Path, target: Path, form: str) -> None:
        if form not in self.differences:
            raise ComputeError("unknown")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes() + form.encode())

    def difference(self, path: Path, plan: Plan) -> Difference:
        known = next((found for form, found in self.differences.items() if f"as-{form}" in path.name), SAME)
        return self.flash if plan.flash_attention else known


def chosen(records: Records, model: Path, tools: FakeTools, usual: Plan = USUAL) -> Tuned:
    told: list[float] = []
    tuned = Search(records, model, tools, lambda what, done: told.append(done), usual, 8).run()
    assert told
    assert all(0 <= done < 1 for done in told)
    return tuned


def test_the_fastest_format_that_says_the_same_is_chosen(records: Records, model: Path) -> None:
    speeds = {"": 100.0, "Q8_0": 180.0, "BF16": 250.0, "Q4_0": 400.0}
    tools = FakeTools(lambda form, _: speeds[form], {"Q8_0": SAME, "BF16": SAME, "Q4_0": OTHER})
    tuned = chosen(records, model, tools)
    assert (tuned.weights, tuned.difference) == ("BF16", SAME)
    assert tuned.plan == replace(ONE_EACH, kv_type="bf16", writes_alone=True)
    assert (tuned.before.read, tuned.after.read) == (100, 250)
    assert "Q4_0" not in {form for form, _ in tools.measured}


def test_a_gain_that_may_be_chance_changes_nothing(records: Records, model: Path) -> None:
    def speed(form: str, plan: Plan) -> float:
        if not form and plan.kv_type == "bf16":
            return 101.0
        return 103.0 if form or plan != USUAL else 100.0

    tuned = chosen(records, model, FakeTools(speed, {"Q8_0": SAME, "BF16": SAME}))
    assert (tuned.weights, tuned.plan, tuned.gain) == ("", ONE_EACH, 1.0)


def test_what_else_the_machine_does_counts_for_nothing(records: Records, model: Path) -> None:
    """The best run of each choice does: the first one of the usual was disturbed."""
    runs = iter([10.0])
    tools = FakeTools(lambda form, _: 110.0 if form else next(runs, 109.0), {"Q8_0": SAME})
    assert chosen(records, model, tools).weights == ""


def test_lanes_threads_and_portions_are_chosen(records: Records, model: Path) -> None:
    def speed(form: str, plan: Plan) -> float:
        return 100.0 * (3 - plan.lanes) * (2 if plan.batch_tokens == 256 else 1)

    tuned = chosen(records, model, FakeTools(speed))
    assert (tuned.plan.lanes, tuned.plan.batch_tokens) == (1, 256)


@pytest.mark.parametrize(
    ("speed", "difference", "is_chosen"),
    [(130.0, SAME, True), (108.0, SAME, False), (130.0, OTHER, False)],
)
def test_flash_attention_must_be_worth_it(
    records: Records, model: Path, speed: float, difference: Difference, is_chosen: bool
) -> None:
    def speed_of(_: str, plan: Plan) -> float:
        return speed if (plan.flash_attention, plan.kv_type) == (True, "f16") else 100.0

    tools = FakeTools(speed_of, flash=difference)
    assert chosen(records, model, tools).plan.flash_attention == is_chosen


def test_over_a_cache_of_bf16_flash_attention_costs_nothing(records: Records, model: Path) -> None:
    def speed(_: str, plan: Plan) -> float:
        return 108.0 if (plan.flash_attention, plan.kv_type) == (True, "bf16") else 100.0

    assert chosen(records, model, FakeTools(speed)).plan.flash_attention


def test_other_numbers_in_the_cache_need_no_great_gain(records: Records, model: Path) -> None:
    plan = chosen(records, model, FakeTools(lambda _, plan: 104.0 if plan.kv_type == "bf16" else 100.0)).plan
    assert (plan.kv_type, plan.flash_attention) == ("bf16", False)


def test_a_lane_alone_has_the_threads_that_it_gains_by(records: Records, model: Path) -> None:
    alone = {1: Speed(100, 100), 2: Speed(180, 104), 4: Speed(300, 130), 6: Speed(310, 60)}
    tools = FakeTools(lambda _, plan: 100.0, alone=alone)
    plan = chosen(records, model, tools, replace(USUAL, threads=6)).plan
    assert (plan.reading_threads, plan.writing_threads) == (4, 4)
    assert (plan.reads_with(6), plan.reads_with(3), plan.writes_with(1)) == (4, 3, 1)
    assert USUAL.reads_with() == USUAL.writes_with() == 2


def test_where_a_lane_alone_cannot_be_measured_the_rest_is_kept(records: Records, model: Path) -> None:
    class Failing(FakeTools):
        def measure_alone(self, path: Path, plan: Plan, counts: Sequence[int]) -> list[Speed]:
            raise ComputeError("no memory")

    assert chosen(records, model, Failing(lambda form, _: 100.0)).plan == USUAL


def test_what_a_machine_cannot_compute_is_left_out(records: Records, model: Path) -> None:
    def speed(form: str, plan: Plan) -> float:
        if plan.lanes == 1:
            raise ComputeError("no memory")
        return 100.0

    assert chosen(records, model, FakeTools(speed)).plan == ONE_EACH


def test_a_gpu_is_left_alone_where_the_cpus_are_faster(
    records: Records, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llama_cpp.llama_supports_gpu_offload", lambda: True)

    tuned = chosen(records, model, FakeTools(lambda _, plan: 300.0 if plan.gpu_layers == 0 else 100.0))

    assert "gpu layers 0" in str(tuned)
    assert "gpu layers all" in str(TUNED)


def test_a_model_that_cannot_be_computed_at_all_is_an_error(records: Records, model: Path) -> None:
    def speed(form: str, plan: Plan) -> float:
        raise ComputeError("no memory")

    with pytest.raises(ComputeError, match="no memory"):
        chosen(records, model, FakeTools(speed))


def test_no_other_format_is_made_of_a_large_file(
    records: Records, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "MAX_FILE_BYTES", 5)
    assert (
        chosen(records, model, FakeTools(lambda form, _: 900 if form else 100, {"F16": SAME})).weights == ""
    )


@pytest.mark.parametrize(
    ("cpus", "expected"),
    [
        (1, [(1, 1)]),
        (2, [(1, 2), (2, 2), (1, 1)]),
        (16, [(1, 16), (8, 16), (16, 16), (1, 8), (4, 8), (8, 8)]),
    ],
)
def test_shapes(cpus: int, expected: list[tuple[int, int]]) -> None:
    assert shapes(cpus, slots=32) == expected


def test_no_lane_is_tried_that_the_service_has_no_slot_for() -> None:
    assert shapes(16, slots=8) == [(1, 16), (8, 16), (1, 8), (4, 8), (8, 8)]


# --- what is kept -------------------------------------------------------------------------------------------

TUNED = Tuned(
    Plan(1, 1, 64, reading_threads=1, writing_threads=1),
    "",
    Speed(100, 50),
    Speed(200, 60),
    SAME,
    1_795_000_000.0,
)


def test_what_was_chosen_is_kept_with_its_weights_alone(records: Records, model: Path) -> None:
    tools = FakeTools(lambda form, _: 200.0 if form == "F16" else 100.0, {"Q8_0": SAME, "F16": SAME})
    tuned = chosen(records, model, tools)
    records.keep(tuned)
    assert records.load() == tuned
    assert records.weights("F16").is_file()
    assert not records.weights("Q8_0").exists()
    assert records.weights("F16").name == "small.Q4_1.as-F16.gguf"


def test_it_is_of_one_model_file(records: Records, model: Path, tmp_path: Path) -> None:
    records.keep(TUNED)
    model.write_bytes(b"GGUF of another model")
    assert Records(tmp_path / "home", model).load() is None


def test_what_cannot_be_used_is_as_if_there_was_nothing(records: Records) -> None:
    assert records.load() is None
    path = records.keep(replace(TUNED, weights="F16"))
    assert records.load() is None  # its weights are gone
    path.write_text('{"plan": {}}')
    assert records.load() is None
    path.write_text("{")
    assert records.load() is None


def test_the_report_names_the_choice_and_its_gain() -> None:
    shown = report("small.gguf", TUNED, 12.3)
    assert "small.gguf, measured in 12 s: weights as in the file, lanes 1, threads 1" in shown
    assert "tokens read        100 a second, now    200" in shown
    assert "KL 0.0030, 100.0% of clear leads kept" in shown


# --- the real model -----------------------------------------------------------------------------------------


def test_differences_are_of_chances() -> None:
    usual = np.log(np.array([[0.7, 0.2, 0.1], [0.4, 0.35, 0.25]], np.float32))
    assert weights.difference(usual, usual) == Difference(0.0, 1.0)
    swapped = weights.difference(usual, usual[:, ::-1])
    assert swapped.mean_kl == pytest.approx((0.6 * np.log(7) + 0.15 * np.log(1.6)) / 2, rel=1e-4)
    assert swapped.kept == 0  # of one clear lead; the second row has none


def test_the_model_in_eight_bits_says_the_same_and_in_four_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "TEXT", weights.TEXT[:300])
    monkeypatch.setattr(trial, "READ_TOKENS", 16)
    model, plan = find_packaged_model(), Plan(1, 1, 64)
    usual = weights.chances(model, plan)
    found = {}
    for form in ("Q8_0", "Q4_0"):
        weights.requantize(model, tmp_path / form, form)
        found[form] = weights.difference(usual, weights.chances(tmp_path / form, plan))
    assert found["Q8_0"].is_small
    assert not found["Q4_0"].is_small
    speed = trial.measure(tmp_path / "Q8_0", replace(plan, flash_attention=True, kv_type="q8_0"), 8)
    one, two = trial.measure_alone(tmp_path / "Q8_0", Plan(2, 2, 64), [1, 2])
    assert min(each for of in (speed, one, two) for each in (of.read, of.written)) > 0
    assert not list(tmp_path.glob("*.part"))


def test_a_lane_reads_and_writes_with_the_threads_that_were_chosen() -> None:
    model = Model(find_packaged_model())
    lane = LlamaLane(
        model, slots=1, context_tokens=64, plan=Plan(1, 4, 64, reading_threads=3, writing_threads=1)
    )
    lane.use_threads(2)
    found = []
    for count in (FEW_TOKENS, 1, 2):
        lane.clear(0)
        lane.compute([Portion(0, 0, [0] * count)])
        found.append(
            (llama_cpp.llama_n_threads(lane._context), llama_cpp.llama_n_threads_batch(lane._context))
        )
    lane.close()
    model.close()
    assert found == [(2, 2), (1, 1), (1, 1)]


@pytest.mark.skipif(not TASKS.is_dir(), reason="this system does not list threads")
def test_who_loads_a_model_and_opens_a_lane_keeps_no_helpers() -> None:
    """They would count as busy, and the lanes' own threads would sleep at barriers for them."""

    def helpers() -> set[str]:
        before = {task.name for task in TASKS.iterdir()}
        model = Model(find_packaged_model())
        lane = LlamaLane(model, slots=1, context_tokens=64, plan=Plan(1, 4, 64))
        deadline = time.monotonic() + 5
        while (left := {task.name for task in TASKS.iterdir()} - before) and time.monotonic() < deadline:
            time.sleep(0.01)  # those of the loader may still be ending
        lane.close()
        model.close()
        return left

    with ThreadPoolExecutor(1) as thread:  # one that has none yet
        assert thread.submit(helpers).result() == set()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, TUNED.plan),
        ({"HUB_LLM_THREADS": "2"}, Plan(1, 2, 64)),
        ({"HUB_LLM_TUNED": "false", "HUB_LLM_THREADS": "1"}, default_plan(1)),
    ],
)
def test_the_service_computes_as_was_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: Plan
) -> None:
    small = {"HUB_LLM_SLOTS": "1", "HUB_LLM_CONTEXT_TOKENS": "64", "HUB_LLM_SPILL_BYTES": "0"}
    for name, value in ({"HUB_HOME": "home", "HUB_LLM_TOKEN": "t"} | small | environment).items():
        monkeypatch.setenv(name, value)
    Records(tmp_path / "home", find_packaged_model()).keep(TUNED)
    engine = _engine(load_settings(tmp_path), tmp_path)
    assert isinstance(engine, EmbeddedEngine)
    try:
        assert engine.plan == expected
        assert engine.about["Threads"] == str(expected.threads)
        assert ("Tuned" in engine.about) == ("HUB_LLM_TUNED" not in environment)
    finally:
        engine.close_now()
