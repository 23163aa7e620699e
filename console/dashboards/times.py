"""How long answers took, as counts in bins, which can be added up where percentiles cannot. Pure.

A bin is an eighth of a doubling (9 % wide), so a percentile read from bins is within some percent of the
exact one, which the proof has.
"""

from collections.abc import Mapping

BINS_PER_DOUBLING = 8
BIN = f"floor({BINS_PER_DOUBLING} * ln(greatest({{ms}}, 1)) / ln(2))::int"
"""The bin of a time in milliseconds, in SQL."""


def percentile(bins: Mapping[int, int], share: float) -> int | None:
    """Milliseconds that `share` of the times are below; None where there are none."""
    rank = share * sum(bins.values())
    for number, count in sorted(bins.items()):
        if count and rank <= count:
            return round(2 ** ((number + rank / count) / BINS_PER_DOUBLING))
        rank -= count
    return None
