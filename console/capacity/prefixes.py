"""How often a box knows an organization's prompt already, and so reads the question only."""

import math
from collections.abc import Sequence

_STEPS = 48


class Prefixes:
    """The prompts that a box keeps: the `kept` that were asked for last (by Che's approximation of such a
    store: an organization is known if it was asked for within a certain number of turns before).

    `shares`: what part of all turns is each organization's."""

    def __init__(self, shares: Sequence[float], kept: int) -> None:
        self._longest = _turns_until(shares, kept)
        self._known = [_known(shares, self._turns(step)) for step in range(_STEPS)]

    def known_share(self, answered: float) -> float:
        """Of the turns of a box that has answered so many since it started empty."""
        turns = min(answered, self._longest)
        if turns < 1:
            return 0.0
        place = min(2 * math.log2(turns), _STEPS - 1.001)
        step = int(place)
        return self._known[step] + (place - step) * (self._known[step + 1] - self._known[step])

    @property
    def lasting_share(self) -> float:
        """Of the turns of a box that has run for long."""
        return self.known_share(math.inf)

    @staticmethod
    def _turns(step: int) -> float:
        return float(2 ** (step / 2))


def _known(shares: Sequence[float], turns: float) -> float:
    return sum(share * -math.expm1(-share * turns) for share in shares)


def _turns_until(shares: Sequence[float], kept: int) -> float:
    """After how many turns so many organizations have been asked for; without end where there are fewer."""
    if kept >= len(shares):
        return math.inf
    low, high = 1.0, 2.0**40
    while high / low > 1.01:
        middle = math.sqrt(low * high)
        if sum(-math.expm1(-share * middle) for share in shares) < kept:
            low = middle
        else:
            high = middle
    return low


def zipf(organizations: int) -> list[float]:
    """Shares by Zipf's law: the second organization has half the turns of the first, the third a third."""
    total = sum(1 / rank for rank in range(1, organizations + 1))
    return [1 / rank / total for rank in range(1, organizations + 1)]
