"""Random durations and amounts of work, drawn from tables: a draw costs a fifth of the exact formula."""

import math
from collections.abc import Callable, Sequence
from random import Random
from statistics import NormalDist

_QUANTILES = 4096
_Z95 = NormalDist().inv_cdf(0.95)


class Spread:
    """Values of which each is as likely as any other."""

    def __init__(self, values: Sequence[float]) -> None:
        self._values = values
        self._count = len(values)

    def draw(self, rng: Random) -> float:
        """One of them."""
        return self._values[int(rng.random() * self._count)]

    def times(self, factor: float) -> "Spread":
        """Each that many times as large."""
        return Spread([value * factor for value in self._values])

    @property
    def mean(self) -> float:
        """Of many draws."""
        return sum(self._values) / self._count


def fixed(value: float) -> Spread:
    """Always the same."""
    return Spread([value])


def exponential(mean: float) -> Spread:
    """Without memory."""
    return _by_quantile(lambda share: -mean * math.log(1 - share))


def lognormal(median: float, p95: float) -> Spread:
    """What takes about as long each time, and sometimes much longer."""
    sigma = math.log(p95 / median) / _Z95
    if not sigma:
        return fixed(median)
    inverse = NormalDist(math.log(median), sigma).inv_cdf
    return _by_quantile(lambda share: math.exp(inverse(share)))


def _by_quantile(inverse: Callable[[float], float]) -> Spread:
    return Spread([inverse((place + 0.5) / _QUANTILES) for place in range(_QUANTILES)])
