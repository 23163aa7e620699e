"""The results as Markdown."""

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence

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


def report(plan: Plan, results: Results) -> str:
    """Tables, and the aims of the engine with what was reached."""
    return "\n".join(_lines(plan, results))


def _lines(plan: Plan, results: Results) -> Iterator[str]:
    speeds = _median_speeds(results)
    yield f"Medians of {results.rounds} rounds on {plan.threads} cores, {plan.model.name}, seed {plan.seed}."
    read, write = (_span(getattr(each, name) for each in results.speeds) for name in ("read", "write"))
    yield f"A plain loop reads {speeds.read:.0f} tokens a second ({read})"
    yield f"and writes {speeds.write:.0f} ({write})."
    for count in plan.organizations:
        yield ""
        yield from _burst_table(plan, results, count)
    if results.rates:
        yield ""
        yield from _rate_table(plan, results)
    yield ""
    yield from _aims(plan, results)
    for name, problems in results.problems.items():
        for problem in sorted(problems):
            yield f"{name}: some requests had {problem}"


def _burst_table(plan: Plan, results: Results, count: int) -> Iterator[str]:
    names = [each.name for each in plan.kinds]
    of = {name: median(results.bursts[count, name]) for name in names}
    speeds = _median_speeds(results)
    prompt, distinct = results.prompt_tokens[count], results.distinct_tokens[count]
    ratios = [f"{name} / {LLAMA_SERVER}" for name in names if name != LLAMA_SERVER and LLAMA_SERVER in names]
    yield f"### {count} organizations, a burst of {plan.burst}"
    yield ""
    yield f"{prompt} prompt tokens, {distinct} of them distinct."
    yield ""
    yield _row("", *names, *ratios)
    yield "|---" * (1 + len(names) + len(ratios)) + "|"

    def row(title: str, value: Callable[[Figures], float], pattern: str) -> str:
        values = {name: value(of[name]) for name in names}
        cells = [_cell(values[each.name], pattern, plan.patience(each)) for each in plan.kinds]
        if LLAMA_SERVER in names:
            cells += [_ratio(values[name], values[LLAMA_SERVER]) for name in names if name != LLAMA_SERVER]
        return _row(title, *cells)

    yield row("answers a second", lambda each: each.answers_per_second, "{:.2f}")
    yield row("p50, s", lambda each: each.p50_seconds, "{:.1f}")
    yield row("p95, s", lambda each: each.p95_seconds, "{:.1f}")
    yield row("answered within 5 s", lambda each: each.in_time_share, "{:.0%}")
    yield row("answered before it was given up", lambda each: each.answered_share, "{:.0%}")
    yield row("prompt tokens computed", lambda each: each.computed_tokens, "{:.0f}")
    yield row("tokens written", lambda each: each.written_tokens, "{:.0f}")
    others = (f"{of[name].others_share:.0%}" for name in names)
    yield _row("processor time taken by other programs", *others, *("-" for _ in ratios))
    yield row("peak memory, MiB", lambda each: each.peak_mib, "{:.0f}")
    if LLAMA_SERVER in names:
        equal = [
            _equal_share(results.texts[count, name], results.texts[count, LLAMA_SERVER]) for name in names
        ]
        yield _row(
            f"answers that are {LLAMA_SERVER}'s", *(f"{each:.0%}" for each in equal), *("-" for _ in ratios)
        )
    yield row("time / unavoidable", lambda each: _times_unavoidable(each, distinct, speeds), "{:.2f}")


def _rate_table(plan: Plan, results: Results) -> Iterator[str]:
    yield "### Poisson arrivals"
    yield ""
    yield _row("organizations", "server", "highest rate with 95 % within 5 s, a second", "of the rounds")
    yield "|---" * 4 + "|"
    for (count, name), rates in results.rates.items():
        of_rounds = ", ".join(f"{each:.2f}" for each in rates)
        yield _row(str(count), name, f"{statistics.median(rates):.2f}", of_rounds)


def _aims(plan: Plan, results: Results) -> Iterator[str]:
    names = {each.name for each in plan.kinds}
    speeds = _median_speeds(results)
    for count in plan.organizations:
        of = {name: median(results.bursts[count, name]) for name in names}
        if names >= {OURS, LLAMA_SERVER}:
            times = of[OURS].answers_per_second / max(of[LLAMA_SERVER].answers_per_second, 1e-9)
            least = MIN_TIMES_LLAMA_SERVER.get(count, min(MIN_TIMES_LLAMA_SERVER.values()))
            yield _at_least(f"{count} organizations: answers a second against {LLAMA_SERVER}", times, least)
            share = of[OURS].p95_seconds / of[LLAMA_SERVER].p95_seconds
            yield _at_most(f"{count} organizations: p95 against {LLAMA_SERVER}", share, MAX_P95_SHARE)
        if names >= {OURS, PACKAGED}:
            times = of[OURS].answers_per_second / max(of[PACKAGED].answers_per_second, 1e-9)
            yield _at_least(
                f"{count} organizations: answers a second against {PACKAGED}", times, MIN_TIMES_PACKAGED
            )
        if OURS in names:
            times = _times_unavoidable(of[OURS], results.distinct_tokens[count], speeds)
            yield _at_most(
                f"{count} organizations: time against the unavoidable", times, MAX_TIMES_UNAVOIDABLE
            )
    for count in plan.climbed:
        if results.rates.keys() >= {(count, OURS), (count, LLAMA_SERVER)}:
            ours, other = (statistics.median(results.rates[count, name]) for name in (OURS, LLAMA_SERVER))
            what = f"{count} organizations: rate with 95 % within 5 s against {LLAMA_SERVER}"
            yield _at_least(what, ours / other if other else math.inf, MIN_TIMES_RATE)


def _times_unavoidable(of: Figures, distinct: int, speeds: Speeds) -> float:
    """Of a server that answered all; of one that did not, nobody knows how long it takes."""
    return of.seconds / speeds.seconds(distinct, of.written_tokens) if of.answered_share == 1 else math.inf


def _median_speeds(results: Results) -> Speeds:
    return Speeds(
        statistics.median(each.read for each in results.speeds),
        statistics.median(each.write for each in results.speeds),
    )


def _equal_share(texts: Sequence[str | None], others: Sequence[str | None]) -> float:
    """Of the requests that both have answered."""
    both = [text == other for text, other in zip(texts, others, strict=True) if None not in (text, other)]
    return sum(both) / len(both) if both else 0.0


def _span(values: Iterable[float]) -> str:
    """The least and the most of the rounds."""
    ordered = sorted(values)
    return f"{ordered[0]:.0f} to {ordered[-1]:.0f}"


def _at_least(what: str, value: float, aim: float) -> str:
    return f"* {what}: {value:.2f}, aim at least {aim:g}: {'met' if value >= aim else 'missed'}"


def _at_most(what: str, value: float, aim: float) -> str:
    return f"* {what}: {value:.2f}, aim at most {aim:g}: {'met' if value <= aim else 'missed'}"


def _cell(value: float, pattern: str, patience_seconds: float) -> str:
    return pattern.format(value) if math.isfinite(value) else f"over {patience_seconds:g} s"


def _ratio(value: float, other: float) -> str:
    return f"{value / other:.2f}" if math.isfinite(value) and math.isfinite(other) and other else "-"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
