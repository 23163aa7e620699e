"""What the engine is to reach, and whether it did."""

import math
import statistics
from collections.abc import Iterator

from benchmarks.llm.comparison import Plan, Results
from benchmarks.llm.figures import Figures, median
from benchmarks.llm.servers import LLAMA_SERVER_KIND, OURS_KIND, PACKAGED_KIND
from benchmarks.llm.unavoidable import Speeds

OURS, PACKAGED, LLAMA_SERVER = OURS_KIND.name, PACKAGED_KIND.name, LLAMA_SERVER_KIND.name
MIN_TIMES_LLAMA_SERVER = {20: 2.0, 200: 3.0}
MIN_TIMES_PACKAGED = 6.0
MAX_P95_SHARE = 0.5
MIN_TIMES_RATE = 2.0
MAX_TIMES_UNAVOIDABLE = 1.3


def aims(plan: Plan, results: Results) -> Iterator[str]:
    """A line for each aim that this run has the servers for."""
    names = {each.name for each in plan.kinds}
    for count in plan.organizations if OURS in names else ():
        of = {name: median(results.bursts[count, name]) for name in names}
        if LLAMA_SERVER in names:
            yield from _against_llama_server(count, of[OURS], of[LLAMA_SERVER])
        if PACKAGED in names:
            times = _ratio(of[OURS].answers_per_second, of[PACKAGED].answers_per_second)
            yield _at_least(f"{count} organizations, answers/s against {PACKAGED}", times, MIN_TIMES_PACKAGED)
        times = times_unavoidable(of[OURS], results.distinct_tokens[count], median_speeds(results))
        yield _at_most(f"{count} organizations, time against the unavoidable", times, MAX_TIMES_UNAVOIDABLE)
    for count in plan.climbed:
        if results.rates.keys() >= {(count, OURS), (count, LLAMA_SERVER)}:
            ours, other = (statistics.median(results.rates[count, name]) for name in (OURS, LLAMA_SERVER))
            what = f"{count} organizations, rate with 95 % within 5 s against {LLAMA_SERVER}"
            yield _at_least(what, _ratio(ours, other), MIN_TIMES_RATE)


def times_unavoidable(of: Figures, distinct_tokens: int, speeds: Speeds) -> float:
    """How much longer a server took than the tokens need; for ever, if it did not answer all."""
    if of.answered_share < 1:
        return math.inf
    return of.seconds / speeds.seconds(distinct_tokens, of.written_tokens)


def median_speeds(results: Results) -> Speeds:
    """Of all rounds."""
    return Speeds(
        statistics.median(each.read for each in results.speeds),
        statistics.median(each.write for each in results.speeds),
    )


def _against_llama_server(count: int, ours: Figures, other: Figures) -> Iterator[str]:
    """Not known where it was given up: it works on many at a time, and may have been about to answer."""
    is_whole = other.answered_share == 1
    times = _ratio(ours.answers_per_second, other.answers_per_second) if is_whole else None
    least = MIN_TIMES_LLAMA_SERVER.get(count, min(MIN_TIMES_LLAMA_SERVER.values()))
    yield _at_least(f"{count} organizations, answers/s against {LLAMA_SERVER}", times, least)
    share = _ratio(ours.p95_seconds, other.p95_seconds) if is_whole else None
    yield _at_most(f"{count} organizations, p95 against {LLAMA_SERVER}", share, MAX_P95_SHARE)


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
