"""How fast boxes answer, by how many turns they have in work."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import mul

_STEPS_A_TURN = 16


@dataclass(frozen=True)
class Speed:
    """What was measured of a kind of box. `answers_per_second`: by how many turns are in work at a time, with
    known prompts; between and beyond, straight lines."""

    slots: int
    answers_per_second: Mapping[int, float]
    prompt_tokens_per_second: float

    def at(self, in_work: float) -> float:
        """Answers a second, all together, of a box with so many turns in work."""
        known = [(0, 0.0), *sorted(self.answers_per_second.items())]
        lower = max(each for each in known if each[0] <= in_work)
        upper = min((each for each in known if each[0] > in_work), default=lower)
        share = (in_work - lower[0]) / (upper[0] - lower[0] or 1)
        return lower[1] + (upper[1] - lower[1]) * share

    @property
    def full(self) -> float:
        """Answers a second with every slot in work."""
        return self.at(self.slots)

    def load_at(self, used_share: float) -> float:
        """How many turns a box has in work on average when it gives that share of what it can."""
        before, after = (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)
        for after in _long_run(self):
            if after[1] >= used_share * self.full:
                break
            before = after
        share = (used_share * self.full - before[1]) / ((after[1] - before[1]) or 1)
        return before[0] + (after[0] - before[0]) * share


class Sharing:
    """What turns get of boxes, by how many each box has in work on average: `turn_rate` answers a second for
    each turn, and `busy` of the boxes do anything.

    One box does what its speed says. Several do not share evenly, since a request goes to any box with a free
    slot: each is a birth and death process, and what matters is its average over the long run."""

    def __init__(self, speed: Speed, is_alone: bool) -> None:
        self._slots = speed.slots
        loads = [step / _STEPS_A_TURN for step in range(1, speed.slots * _STEPS_A_TURN + 1)]
        alone = [(load, speed.at(max(load, 1)), 1.0) for load in loads]
        found = alone if is_alone else _at_loads(loads, _long_run(speed))
        self._turn_rates = [rate / load for load, rate, _ in found]
        self._busy = [busy for _, _, busy in found]

    def turn_rate(self, load: float) -> float:
        """Of one turn."""
        if load <= self._slots:
            return self._turn_rates[self._place(load)]
        return self._turn_rates[-1] * self._slots / load  # boxes that leave have more than they could begin

    def busy(self, load: float) -> float:
        """Share of the boxes."""
        return self._busy[self._place(load)] if load else 0.0

    def _place(self, load: float) -> int:
        return min(max(math.ceil(load * _STEPS_A_TURN) - 1, 0), len(self._busy) - 1)


Averages = tuple[float, float, float]
"""Of a box: turns in work, answers a second, the share of its time in which it is busy."""


def _long_run(speed: Speed) -> list[Averages]:
    """For requests that come at ever higher rates to a box with a limited number of slots."""
    rates = [speed.at(count) for count in range(1, speed.slots + 1)]
    found = [(0.0, 0.0, 0.0)]
    coming = rates[0] / _STEPS_A_TURN / 4
    while found[-1][0] < speed.slots * 0.999:
        weights = list(accumulate((coming / rate for rate in rates), mul, initial=1.0))
        total = sum(weights)
        in_work = sum(count * weight for count, weight in enumerate(weights)) / total
        answers = sum(rate * weight for rate, weight in zip(rates, weights[1:], strict=True)) / total
        found.append((in_work, answers, 1 - weights[0] / total))
        coming *= 1.05
    return [*found, (float(speed.slots), speed.full, 1.0)]


def _at_loads(loads: Sequence[float], found: Sequence[Averages]) -> list[Averages]:
    """In between, straight lines."""
    at_loads, place = [], 0
    for load in loads:
        while found[place + 1][0] < load:
            place += 1
        (low, *before), (high, *after) = found[place], found[place + 1]
        share = (load - low) / (high - low)
        rate, busy = (a + (b - a) * share for a, b in zip(before, after, strict=True))
        at_loads.append((load, rate, busy))
    return at_loads
