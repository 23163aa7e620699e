"""The report of a run as text."""

from collections.abc import Iterator, Mapping, Sequence

from tests.chaos.counting import Count, Fate
from tests.chaos.plan import Trouble

WIDTH = 62
SHOWN = 10
"""So many examples of each broken promise."""


def report(count: Count, troubles: Mapping[Trouble, int], facts: Mapping[str, str]) -> str:
    """What went wrong, what was counted, and whether every promise was kept. `facts`: more of it, by name."""
    return "\n".join(_lines(count, troubles, facts))


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The nearest-rank percentile of ordered numbers; None of none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def seconds(ordered: Sequence[float]) -> str:
    """p50, p95 and p99 in one line."""
    found = (
        (name, percentile(ordered, share)) for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    )
    return ", ".join(f"{name} {value:.1f} s" for name, value in found if value is not None) or "none"


def _lines(count: Count, troubles: Mapping[Trouble, int], facts: Mapping[str, str]) -> Iterator[str]:
    yield ""
    yield "What went wrong"
    yield from (_line(trouble, number) for trouble, number in troubles.items())
    yield ""
    yield "What contacts wrote and got"
    yield _line("messages sent by contacts", count.said)
    yield _line("turns", count.turns)
    yield from (_line(f"received: {kind}", number) for kind, number in sorted(count.got.items()))
    yield from (_line(f"  {fate}", count.fates[fate]) for fate in Fate if count.fates.get(fate))
    yield _line("first reply", seconds(count.first_reply_seconds))
    yield from (_line(name, value) for name, value in facts.items())
    yield ""
    yield "What must be 0"
    yield from (_line(promise, len(broken)) for promise, broken in count.broken.items())
    yield ""
    for promise, broken in count.broken.items():
        for example in broken[:SHOWN]:
            yield f"{promise}: {example}"
    yield "Every promise was kept." if count.is_kept else "Promises were broken."


def _line(name: object, value: object) -> str:
    return f"  {name!s:<{WIDTH}} {value!s:>24}"
