"""The simulation against queueing theory, against a real least-recently-used store, and against itself."""

import itertools
import math
import statistics
from collections import OrderedDict
from dataclasses import replace
from random import Random

import pytest

from console.capacity import arrivals as arriving
from console.capacity.arrivals import arrivals
from console.capacity.fleet import Boxes
from console.capacity.functions import Functions
from console.capacity.outcome import Outcome
from console.capacity.prefixes import Prefixes, zipf
from console.capacity.scaling import Metric, Scaling, Tracking
from console.capacity.simulation import Pipeline, simulate, simulate_parcels
from console.capacity.speed import Sharing, Speed
from console.capacity.spread import Spread, exponential, fixed, lognormal

NOTHING_ELSE = Pipeline(front=fixed(0), back=fixed(0), burst_window_seconds=0)
ONE_PROMPT = Prefixes([1.0], kept=1)
BATCHING = Speed(8, {1: 3.0, 2: 4.2, 8: 4.3}, prompt_tokens_per_second=550)
DAYTIME = [*[15] * 6, 60, 110, 150, *[180] * 9, 170, 150, 130, 90, 60, 35]


def fleet(
    speed: Speed, count: int, work: Spread, prefixes: Prefixes = ONE_PROMPT, tokens: int = 600
) -> Boxes:
    """Always the same number of boxes."""
    return Boxes(speed, Scaling(Metric.BACKLOG, 1.0, count, count), work, tokens, prefixes)


def linear(slots: int, seconds: float) -> Speed:
    """A box whose slots do not slow each other down: a server for each."""
    return Speed(slots, {slots: slots / seconds}, prompt_tokens_per_second=1e9)


def steady(per_hour: float, boxes: Boxes, hours: int = 3) -> Outcome:
    """Turns that come at the same rate from midnight on."""
    times = itertools.takewhile(
        lambda parcel: parcel[0] < hours * 3600,
        arrivals([per_hour] * 24, Random(1), start=0),  # noqa: S311 - no secret
    )
    return simulate_parcels(times, 0, boxes, NOTHING_ELSE)


def mean_wait(outcome: Outcome) -> float:
    waits = sum((hour.waits for hour in outcome.hours), start=type(outcome.hours[0].waits)())
    return sum(wait * count for wait, count in waits.items()) / waits.total() / 100 - 0.005


def erlang_c(servers: int, load: float) -> float:
    """The chance that one has to wait in M/M/c."""
    terms = [load**count / math.factorial(count) for count in range(servers)]
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    return last / (sum(terms) + last)


@pytest.mark.parametrize(("boxes", "slots", "used"), [(1, 1, 0.6), (1, 4, 0.8), (4, 2, 0.8)])
def test_slots_that_do_not_slow_each_other_are_the_servers_of_mmc(
    boxes: int, slots: int, used: float
) -> None:
    servers, rate = boxes * slots, 2.0
    seconds = used * servers / rate
    outcome = steady(rate * 3600, fleet(linear(slots, seconds), boxes, exponential(1)))
    expected = seconds + erlang_c(servers, rate * seconds) * seconds / servers / (1 - used)
    assert mean_wait(outcome) == pytest.approx(expected, rel=0.08)


@pytest.mark.parametrize("work", [exponential(1), lognormal(0.8, 2.2), fixed(1)])
def test_a_box_that_batches_shares_its_time_as_mg1_processor_sharing(work: Spread) -> None:
    rate, used = 2.0, 0.6
    seconds = used / rate
    always_as_fast = Speed(256, {1: 1 / seconds, 256: 1 / seconds}, prompt_tokens_per_second=1e9)
    outcome = steady(rate * 3600, fleet(always_as_fast, 1, work))
    assert mean_wait(outcome) == pytest.approx(seconds * work.mean / (1 - used * work.mean), rel=0.08)


def test_every_turn_is_answered_or_handed_over_however_much_is_asked() -> None:
    per_hour = [800.0] * 24
    outcome = simulate(per_hour, fleet(linear(2, 15.0), 1, exponential(1)), NOTHING_ELSE, seed=3)
    asked = sum(turns for at, turns in arrivals(per_hour, Random(3), -3600) if at >= 0)  # noqa: S311
    assert outcome.turns == asked
    assert 300 < outcome.answered / 24 < 480 < 800, "two slots can do 480 in an hour, and some come too late"


def test_more_boxes_are_never_slower() -> None:
    found = []
    for count in (1, 2, 3, 5):
        boxes = fleet(BATCHING, count, lognormal(0.9, 1.8), Prefixes(zipf(400), 311))
        outcome = steady(6000, boxes, hours=1)
        found.append((outcome.percentile(0.5), outcome.percentile(0.95), -outcome.in_time_share))
    for fewer, more in itertools.pairwise(found):
        assert all(after <= before for before, after in zip(fewer, more, strict=True))


def test_the_same_seed_gives_the_same_day() -> None:
    boxes = fleet(BATCHING, 1, lognormal(0.9, 1.8))
    days = [simulate([turns * 5 for turns in DAYTIME], boxes, NOTHING_ELSE, seed) for seed in (1, 1, 2)]
    assert days[0].hours == days[1].hours
    assert days[0].hours != days[2].hours


def test_turns_that_are_simulated_together_fare_like_single_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    per_hour = [0.0] * 11 + [16_000.0, 24_000.0] + [0.0] * 11
    boxes = replace(
        fleet(BATCHING, 1, lognormal(0.9, 1.8), Prefixes(zipf(100), 311)),
        scaling=Scaling(Metric.BACKLOG, BATCHING.load_at(0.75), least=2, most=6),
    )
    together = simulate(per_hour, boxes, NOTHING_ELSE)
    monkeypatch.setattr(arriving, "PARCELS_AN_HOUR", 100_000)
    single = simulate(per_hour, boxes, NOTHING_ELSE)
    assert together.turns == pytest.approx(single.turns, rel=0.02)
    assert together.in_time_share == pytest.approx(single.in_time_share, abs=0.02)
    assert together.percentile(0.5) == pytest.approx(single.percentile(0.5), rel=0.1)
    assert together.box_hours == pytest.approx(single.box_hours, rel=0.1)


def test_parcels_vary_as_much_as_single_turns() -> None:
    per_hour = [40_000.0] * 24
    minutes = [0] * 24 * 60
    for at, turns in arrivals(per_hour, Random(1), 0):  # noqa: S311
        minutes[int(at // 60)] += turns
    assert statistics.mean(minutes) == pytest.approx(40_000 / 60, rel=0.01)
    assert statistics.variance(minutes) == pytest.approx(40_000 / 60, rel=0.15), "Poisson: as the mean"


def test_a_store_of_prompts_is_hit_as_often_as_one_that_drops_the_least_recently_used() -> None:
    shares, kept = zipf(1000), 100
    rng, store, hits, turns = Random(1), OrderedDict[int, None](), 0, 60_000  # noqa: S311
    for organization in rng.choices(range(1000), shares, k=turns):
        hits += organization in store
        store[organization] = None
        store.move_to_end(organization)
        if len(store) > kept:
            store.popitem(last=False)
    assert Prefixes(shares, kept).lasting_share == pytest.approx(hits / turns, abs=0.02)


def test_a_new_box_knows_no_prompt_and_learns_them() -> None:
    prefixes = Prefixes(zipf(100), kept=311)
    known = [prefixes.known_share(answered) for answered in (0, 10, 100, 1000, math.inf)]
    assert known == sorted(known)
    assert known[0] == 0.0
    assert known[-1] == pytest.approx(1.0, abs=0.001)


def test_a_prompt_that_has_to_be_read_takes_that_much_longer() -> None:
    quiet = [30.0] * 24
    known = simulate(quiet, fleet(BATCHING, 1, fixed(1)), NOTHING_ELSE)
    unknown = simulate(quiet, fleet(BATCHING, 1, fixed(1), Prefixes(zipf(10**4), kept=0)), NOTHING_ELSE)
    assert known.percentile(0.5) == pytest.approx(1 / 3, abs=0.011)
    assert unknown.percentile(0.5) == pytest.approx(1 / 3 + 600 / 550, abs=0.011)


def test_several_boxes_share_unevenly_and_so_are_a_little_slower_than_one_with_its_share() -> None:
    one, several = Sharing(BATCHING, is_alone=True), Sharing(BATCHING, is_alone=False)
    assert several.turn_rate(2.0) < one.turn_rate(2.0)
    assert several.turn_rate(8.0) == pytest.approx(one.turn_rate(8.0), rel=0.01)
    servers = Sharing(linear(8, 2.0), is_alone=False)
    assert [servers.turn_rate(load) for load in (0.5, 4.0, 8.0)] == pytest.approx([0.5] * 3, rel=0.01)


def test_boxes_are_launched_once_for_a_need_after_three_late_minutes() -> None:
    tracking = Tracking(Scaling(Metric.BACKLOG, 3.0, least=1, most=10))
    wanted = [tracking.wanted(9.0, serving=2, starting=0) for _ in range(4)]
    assert wanted == [2, 2, 2, 6]
    assert tracking.wanted(9.0, serving=2, starting=4) == 6


def test_boxes_go_one_by_one_after_a_quarter_of_an_hour() -> None:
    tracking = Tracking(Scaling(Metric.BACKLOG, 3.0, least=1, most=10))
    wanted = [tracking.wanted(0.5, serving=6, starting=0) for _ in range(31)]
    assert [minute for minute, count in enumerate(wanted) if count == 5] == [15, 30]


def test_boxes_follow_a_growing_day_and_a_metric_of_what_waits_comes_too_late() -> None:
    shares, morning = {}, [600.0] * 8 + [6_000.0, 16_000.0, 16_000.0] + [600.0] * 13
    for metric, target in ((Metric.BACKLOG, BATCHING.load_at(0.75)), (Metric.WAITING, 4.0)):
        scaling = Scaling(metric, target, least=1, most=20)
        boxes = replace(fleet(BATCHING, 1, lognormal(0.9, 1.8)), scaling=scaling)
        outcome = simulate(morning, boxes, NOTHING_ELSE)
        shares[metric] = outcome.in_time_share
        assert max(outcome.hours[10].boxes) > max(outcome.hours[3].boxes)
    assert shares[Metric.BACKLOG] > 0.99
    assert shares[Metric.WAITING] < shares[Metric.BACKLOG]


def test_a_function_starts_cold_after_a_pause_and_for_a_second_message_at_the_same_time() -> None:
    functions = Functions(busy_seconds=0.1, cold_start_seconds=2.0, keep_seconds=600)
    assert [functions.delay(now) for now in (0.0, 10.0, 10.05, 20.0, 700.0)] == [2, 0, 2, 0, 2]


def test_turns_that_wait_for_cold_functions_are_slower() -> None:
    cold = replace(NOTHING_ELSE, cold_start_seconds=(2.0, 1.0), keep_seconds=60)
    outcome = simulate([4.0] * 24, fleet(BATCHING, 1, fixed(1)), cold)
    assert outcome.percentile(0.95) == pytest.approx(1 / 3 + 3.0, abs=0.05)


def test_a_hosted_llm_has_no_queue() -> None:
    outcome = simulate([500.0] * 24, lognormal(0.8, 2.0), NOTHING_ELSE)
    assert outcome.percentile(0.5) == pytest.approx(0.8, abs=0.03)
    assert outcome.percentile(0.95) == pytest.approx(2.0, abs=0.1)
    assert outcome.box_hours == 0
