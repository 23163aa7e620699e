"""The results as Markdown."""

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from benchmarks.llm.aims import aims, median_speeds, times_unavoidable
from benchmarks.llm.comparison import Plan, Results
from benchmarks.llm.figures import Figures, median
from benchmarks.llm.servers import LLAMA_SERVER_KIND

LLAMA_SERVER = LLAMA_SERVER_KIND.name


def report(plan: Plan, results: Results) -> str:
    """Tables, and the aims of the engine with what was reached."""
    return "\n".join(_lines(plan, results))


def _lines(plan: Plan, results: Results) -> Iterator[str]:
    yield f"Medians of {results.rounds} rounds on {plan.threads} cores, {plan.model.name}, seed {plan.seed}."
    for weights, of_rounds in results.speeds.items():
        speeds = median_speeds(results, weights)
        read, write = (_span(getattr(each, name) for each in of_rounds) for name in ("read", "write"))
        yield f"A plain loop with {weights.name} reads {speeds.read:.0f} tokens a second ({read})"
        yield f"and writes {speeds.write:.0f} ({write})."
    for count in plan.organizations:
        yield ""
        yield from _burst_table(plan, results, count)
    if results.rates:
        yield ""
        yield from _rate_table(plan, results)
    yield ""
    yield from aims(plan, results)
    for name, problems in results.problems.items():
        for problem in sorted(problems):
            yield f"{name}: some requests had {problem}"


def _burst_table(plan: Plan, results: Results, count: int) -> Iterator[str]:
    names = [each.name for each in plan.kinds]
    of = {name: median(results.bursts[count, name]) for name in names}
    prompt, distinct = results.prompt_tokens[count], results.distinct_tokens[count]
    ratios = [f"{name} / {LLAMA_SERVER}" for name in names if name != LLAMA_SERVER and LLAMA_SERVER in names]
    yield f"### {count} organizations, a burst of {plan.burst}"
    yield ""
    known = " and not known from the first question to each organization" if plan.is_warm else ""
    yield f"{prompt} prompt tokens, {distinct} of them distinct{known}."
    yield ""
    yield _row("", *names, *ratios)
    yield "|---" * (1 + len(names) + len(ratios)) + "|"

    def row(title: str, value: Callable[[Figures], float], pattern: str) -> str:
        return values_row(title, {name: value(of[name]) for name in names}, pattern)

    def values_row(title: str, values: Mapping[str, float], pattern: str) -> str:
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
    unavoidable = {
        kind.name: times_unavoidable(of[kind.name], distinct, median_speeds(results, plan.weights(kind)))
        for kind in plan.kinds
    }
    yield values_row("time / unavoidable", unavoidable, "{:.2f}")


def _rate_table(plan: Plan, results: Results) -> Iterator[str]:
    yield "### Poisson arrivals"
    yield ""
    yield _row("organizations", "server", "highest rate with 95 % within 5 s, a second", "of the rounds")
    yield "|---" * 4 + "|"
    for (count, name), rates in results.rates.items():
        of_rounds = ", ".join(f"{each:.2f}" for each in rates)
        yield _row(str(count), name, f"{statistics.median(rates):.2f}", of_rounds)


def _equal_share(texts: Sequence[str | None], others: Sequence[str | None]) -> float:
    """Of the requests that both have answered."""
    both = [text == other for text, other in zip(texts, others, strict=True) if None not in (text, other)]
    return sum(both) / len(both) if both else 0.0


def _span(values: Iterable[float]) -> str:
    """The least and the most of the rounds."""
    ordered = sorted(values)
    return f"{ordered[0]:.0f} to {ordered[-1]:.0f}"


def _cell(value: float, pattern: str, patience_seconds: float) -> str:
    return pattern.format(value) if math.isfinite(value) else f"over {patience_seconds:g} s"


def _ratio(value: float, other: float) -> str:
    return f"{value / other:.2f}" if math.isfinite(value) and math.isfinite(other) and other else "-"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
