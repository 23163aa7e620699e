"""What the engine is to reach, and whether it did."""

import math
import statistics
from collections.abc import Iterator
from pathlib import Path

from benchmarks.llm.comparison import Plan, Results
from benchmarks.llm.figures import Figures, median
from benchmarks.llm.servers import Kind
from benchmarks.llm.unavoidable import Speeds

MIN_TIMES_LLAMA_SERVER = {20: 2.0, 200: 3.0}
MIN_TIMES_PACKAGED = 6.0
MAX_P95_SHARE = 0.5
MIN_TIMES_RATE = 2.0
MAX_TIMES_UNAVOIDABLE = 1.3


def aims(plan: Plan, results: Results) -> Iterator[str]:
    """A line for each aim that this run has the servers for."""
    for ours in (each for each in plan.kinds if each.side == "ours"):
        for count in plan.organizations:
            yield from _of_bursts(plan, results, ours, count)
        for count in plan.climbed:
            yield from _of_rates(plan, results, ours, count)


def _of_bursts(plan: Plan, results: Results, ours: Kind, count: int) -> Iterator[str]:
    what, own = f"{ours.name}, {count} organizations", median(results.bursts[count, ours.name])
    for other in _opponents(plan, ours):
        yield from _against_llama_server(what, count, own, other, median(results.bursts[count, other.name]))
    for other in (each for each in plan.kinds if each.side == "packaged"):
        packaged = median(results.bursts[count, other.name])
        times = _ratio(own.answers_per_second, packaged.answers_per_second)
        yield _at_least(f"{what}: answers/s against {other.name}", times, MIN_TIMES_PACKAGED)
    speeds = median_speeds(results, plan.weights(ours))
    times = times_unavoidable(own, results.distinct_tokens[count], speeds)
    yield _at_most(f"{what}: time against the unavoidable", times, MAX_TIMES_UNAVOIDABLE)


def _of_rates(plan: Plan, results: Results, ours: Kind, count: int) -> Iterator[str]:
    for other in _opponents(plan, ours):
        if results.rates.keys() >= {(count, ours.name), (count, other.name)}:
            own, others = (statistics.median(results.rates[count, each.name]) for each in (ours, other))
            what = f"{ours.name}, {count} organizations: rate with 95 % within 5 s against {other.name}"
            yield _at_least(what, _ratio(own, others), MIN_TIMES_RATE)


def _opponents(plan: Plan, ours: Kind) -> Iterator[Kind]:
    """llama-server with the model's file, and with the same weights as ours."""
    for kind in plan.kinds:
        if kind.side == "llama-server" and kind.weights in (None, ours.weights):
            yield kind


def times_unavoidable(of: Figures, distinct_tokens: int, speeds: Speeds) -> float:
    """How much longer a server took than the tokens need; for ever, if it did not answer all."""
    if of.answered_share < 1:
        return math.inf
    return of.seconds / speeds.seconds(distinct_tokens, of.written_tokens)


def median_speeds(results: Results, weights: Path) -> Speeds:
    """Of a plain loop with these weights, of all rounds."""
    speeds = results.speeds[weights]
    return Speeds(
        statistics.median(each.read for each in speeds),
        statistics.median(each.write for each in speeds),
    )


def _against_llama_server(what: str, count: int, own: Figures, other: Kind, others: Figures) -> Iterator[str]:
    """Not known where it was given up: it works on many at a time, and may have been about to answer."""
    is_whole = others.answered_share == 1
    times = _ratio(own.answers_per_second, others.answers_per_second) if is_whole else None
    least = MIN_TIMES_LLAMA_SERVER.get(count, min(MIN_TIMES_LLAMA_SERVER.values()))
    yield _at_least(f"{what}: answers/s against {other.name}", times, least)
    share = _ratio(own.p95_seconds, others.p95_seconds) if is_whole else None
    yield _at_most(f"{what}: p95 against {other.name}", share, MAX_P95_SHARE)


def _ratio(value: float, other: float) -> float | None:
    return value / other if other else None


def _at_least(what: str, value: float | None, aim: float) -> str:
    return f"* {what}: {_verdict(value, value is not None and value >= aim)} (aim: at least {aim:g})"


def _at_most(what: str, value: float | None, aim: float) -> str:
    return f"* {what}: {_verdict(value, value is not None and value <= aim)} (aim: at most {aim:g})"


def _verdict(value: float | None, is_met: bool) -> str:
    if value is None:
        return "not known"
    return f"{value:.2f}, {'met' if is_met else 'missed'}"
