"""The report of a run as text: a column for each platform, and one for both."""

from collections.abc import Iterator, Mapping, Sequence

from tests.chaos.plan import Trouble
from tests.chaos.records import Count, Fate

NAME_WIDTH, WIDTH = 62, 13
SHOWN = 10
"""So many examples of each broken promise."""
ALL = "all"

Row = Mapping[str, object]
"""By column."""


def report(
    total: Count,
    counts: Mapping[str, Count],
    troubles: Mapping[Trouble, Mapping[str, int]],
    webhooks: Mapping[str, Mapping[str, object]],
    facts: Mapping[str, str],
) -> str:
    """What went wrong, what was counted, and whether every promise was kept. `troubles` by platform ("" for
    what was everywhere), `webhooks` of each platform, `facts` of the whole run, by name."""
    columns = [*counts, ALL]
    lines = [
        *_section("What went wrong", columns, _troubles(troubles)),
        *_section("What the platforms posted", columns, _by_name(webhooks)),
        *_section("What contacts wrote and got", columns, _counted({**counts, ALL: total})),
        "",
        *(f"  {name:<{NAME_WIDTH}} {value}" for name, value in facts.items()),
        *_section("What must be 0", columns, _broken({**counts, ALL: total})),
        "",
        *_examples(total),
        "Every promise was kept." if total.is_kept else "Promises were broken.",
    ]
    return "\n".join(lines)


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The nearest-rank percentile of ordered numbers; None of none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def seconds(ordered: Sequence[float]) -> str:
    """p50, p95 and p99 in one line."""
    found = (
        (name, percentile(ordered, share)) for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    )
    return ", ".join(f"{name} {value:.1f} s" for name, value in found if value is not None) or "none"


def _section(title: str, columns: Sequence[str], rows: Mapping[str, Row]) -> Iterator[str]:
    yield ""
    yield f"{title:<{NAME_WIDTH + 2}} " + "".join(f"{column:>{WIDTH}}" for column in columns)
    for name, row in rows.items():
        yield f"  {name:<{NAME_WIDTH}} " + "".join(f"{row.get(column, '')!s:>{WIDTH}}" for column in columns)


def _troubles(troubles: Mapping[Trouble, Mapping[str, int]]) -> Mapping[str, Row]:
    return {trouble: {**times, ALL: sum(times.values())} for trouble, times in troubles.items()}


def _by_name(webhooks: Mapping[str, Mapping[str, object]]) -> Mapping[str, Row]:
    names = dict.fromkeys(name for found in webhooks.values() for name in found)
    return {name: {column: found.get(name, "") for column, found in webhooks.items()} for name in names}


def _counted(counts: Mapping[str, Count]) -> Mapping[str, Row]:
    kinds = sorted({kind for count in counts.values() for kind in count.got})
    fates = [fate for fate in Fate if any(count.fates.get(fate) for count in counts.values())]
    rows: dict[str, dict[str, object]] = {}
    for column, count in counts.items():
        found: dict[str, object] = {"messages sent by contacts": count.said, "turns": count.turns}
        found |= {f"received: {kind}": count.got.get(kind, 0) for kind in kinds}
        found |= {f"  {fate}": count.fates.get(fate, 0) for fate in fates}
        found["answers that came twice, as their organization has chosen"] = len(count.twice)
        found["taken, and not known to the ledger by the platform's id"] = len(count.unclaimed)
        for name, share in (("p50", 0.5), ("p95", 0.95)):
            reply = percentile(count.first_reply_seconds, share)
            found[f"first reply, {name}"] = "" if reply is None else f"{reply:.1f} s"
        for name, value in found.items():
            rows.setdefault(name, {})[column] = value
    return rows


def _broken(counts: Mapping[str, Count]) -> Mapping[str, Row]:
    rows: dict[str, dict[str, object]] = {}
    for column, count in counts.items():
        for promise, examples in count.broken.items():
            rows.setdefault(promise, {})[column] = len(examples)
    return rows


def _examples(total: Count) -> Iterator[str]:
    for promise, broken in total.broken.items():
        for example in broken[:SHOWN]:
            yield f"{promise}: {example}"
