"""A study as text."""

from collections.abc import Iterator

from console.capacity.study import Result, Study


def report(study: Study) -> str:
    """For a terminal of 120 columns."""
    return "\n".join(_lines(study))


def _lines(study: Study) -> Iterator[str]:
    chosen = study.results[0]
    messages, turns = sum(study.messages_per_hour), study.turns_per_day
    yield f"Traffic: {study.source}"
    yield f"  {messages:,.0f} messages and {turns:,.0f} turns a day, {study.organizations:,} organizations"
    yield f"Boxes: {chosen.note}"
    yield f"  {study.basis}"
    yield (
        f"  a box gives {study.answers_per_second:.1f} answers/s, with {study.known_prompts_share:.0%} of the"
        f" prompts known to it; scaling keeps {study.target:.1f} for each box"
    )
    yield ""
    yield f"{'hour (UTC)':<12}{'messages':>12}{'boxes':>8}{'p50':>9}{'p95':>9}"
    for number, (hour, count) in enumerate(zip(chosen.hours, study.messages_per_hour, strict=True)):
        yield f"{number:02}:00{count:>19,.0f}{hour.boxes:>8}{_seconds(hour.p50):>9}{_seconds(hour.p95):>9}"
    yield ""
    yield (
        f"{'design':<34}{'boxes':>7}{'p50':>9}{'p95':>9}{'in 5 s':>9}{'line':>8}{'staff':>8}"
        f"{'$ a month':>13}{'$ per 1,000':>13}"
    )
    yield from map(_design, study.results)
    yield ""
    for result in study.results:
        costs = ", ".join(f"{name.lower()} {cost:,.0f}" for name, cost in result.costs.items())
        yield f"{result.title}: {result.note}"
        yield f"  $ a month: {costs}"
    yield ""
    yield "in 5 s: answered within five seconds. line: got a holding line. staff: handed over after 60 s."
    yield f"Prices of {study.prices_date}: {study.prices_source}."


def _design(result: Result) -> str:
    return (
        f"{result.title:<34}{result.boxes_at_most or '–':>7}"
        f"{_seconds(result.p50):>9}{_seconds(result.p95):>9}"
        f"{result.in_time_share:>9.1%}{result.holding_share:>8.1%}{result.handed_over_share:>8.1%}"
        f"{result.per_month:>13,.0f}{result.per_thousand_answers:>13,.3f}"
    )


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} s"
