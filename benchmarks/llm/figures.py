"""From the answers of one load to the figures that are compared."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, fields

from benchmarks.llm.client import Answer


@dataclass(frozen=True)
class Figures:
    """Of one server at one load. Percentiles are of all requests: one without an answer waited for ever."""

    answers_per_second: float
    p50_seconds: float
    p95_seconds: float
    in_time_share: float
    answered_share: float
    computed_tokens: float
    written_tokens: float
    peak_mib: float
    seconds: float
    """From the first request to the last answer, or to the end of patience where some never came."""
    others_share: float
    """Of the processors' time, what other programs took."""


def figures(
    answers: Sequence[Answer],
    seconds: float,
    computed_tokens: int | None = None,
    peak_bytes: int = 0,
    others_share: float = 0.0,
) -> Figures:
    """`computed_tokens`: what the server's log tells; None: its answers do."""
    answered = [each for each in answers if each.seconds is not None]
    waits = waits_of(answers)
    if computed_tokens is None:
        computed_tokens = sum(each.prompt_tokens - (each.cached_tokens or 0) for each in answered)
    return Figures(
        answers_per_second=len(answered) / seconds,
        p50_seconds=percentile(waits, 0.5),
        p95_seconds=percentile(waits, 0.95),
        in_time_share=sum(each.is_in_time for each in answers) / len(answers),
        answered_share=len(answered) / len(answers),
        computed_tokens=computed_tokens,
        written_tokens=sum(each.written_tokens for each in answered),
        peak_mib=peak_bytes / 2**20,
        seconds=seconds,
        others_share=others_share,
    )


def waits_of(answers: Sequence[Answer]) -> Sequence[float]:
    """Ordered; who got nothing waits for ever."""
    return sorted(math.inf if each.seconds is None else each.seconds for each in answers)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of ordered numbers."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def median(rounds: Sequence[Figures]) -> Figures:
    """Figure by figure."""
    return Figures(
        **{
            each.name: statistics.median(getattr(one, each.name) for one in rounds)
            for each in fields(Figures)
        }
    )
