"""A day of the pipeline, simulated: the same seed gives the same day."""

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from random import Random

from simpy import Environment, Event

from console.capacity.arrivals import DAY_SECONDS, HOUR_SECONDS, arrivals
from console.capacity.fleet import Answering, Boxes, Fleet, Hosted
from console.capacity.functions import Functions
from console.capacity.outcome import HAND_OVER_SECONDS, Outcome
from console.capacity.spread import Spread

FIRST_BOXES_USED = 0.7
"""How far the boxes that the simulation begins with are used."""
Progress = Callable[[float], None]
"""Told what share of a day is simulated."""


@dataclass(frozen=True)
class Pipeline:
    """What a turn passes beside the LLM. `front`: seconds from the end of its burst window to the LLM's
    queue, `back`: from the LLM's answer to the platform. `cold_start_seconds`: of the functions on the way
    there, and of those on the way back; None where no functions are on the way."""

    front: Spread
    back: Spread
    burst_window_seconds: float = 1.0
    cold_start_seconds: tuple[float, float] | None = None
    keep_seconds: float = 600.0
    busy_seconds: float = 0.05


class Way:
    """The pipeline around what answers."""

    def __init__(self, environment: Environment, pipeline: Pipeline, outcome: Outcome, rng: Random) -> None:
        self._environment = environment
        self._pipeline = pipeline
        self._outcome = outcome
        self._rng = rng
        colds = pipeline.cold_start_seconds or (0.0, 0.0)
        self._there, self._back = (
            Functions(pipeline.busy_seconds, cold, pipeline.keep_seconds) for cold in colds
        )

    def ask_each(
        self, parcels: Iterable[tuple[float, int]], answering: Answering
    ) -> Generator[Event, None, None]:
        """Turns reach the LLM's queue at these times. So they were written a little earlier: a Poisson
        process that is shifted at random is one still."""
        for at, turns in parcels:
            yield self._environment.timeout(at - self._environment.now)
            delay = self._there.delay(at)
            written_at = at - self._pipeline.burst_window_seconds - self._pipeline.front.draw(self._rng)
            if delay:
                self._environment.process(self._ask_later(delay, written_at, turns, answering))
            else:
                answering.ask(written_at, turns)

    def _ask_later(
        self, delay: float, written_at: float, turns: int, answering: Answering
    ) -> Generator[Event, None, None]:
        yield self._environment.timeout(delay)
        answering.ask(written_at, turns)

    def answered(self, written_at: float, turns: int) -> None:
        """The LLM has answered them."""
        now = self._environment.now
        back = self._back.delay(now) + self._pipeline.back.draw(self._rng)
        self._outcome.answer(written_at, now + back - written_at, turns)


def simulate(
    turns_per_hour: Sequence[float],
    answering: Boxes | Spread,
    pipeline: Pipeline,
    seed: int = 1,
    progress: Progress = lambda share: None,
) -> Outcome:
    """A day with so many turns in each hour. `answering`: boxes, or a hosted LLM by the seconds it takes.

    An hour like the last one goes before the day, so that it does not begin with an empty platform."""
    parcels = arrivals(turns_per_hour, Random(seed), -HOUR_SECONDS)  # noqa: S311 - no secret
    first_turns_per_second = turns_per_hour[-1] / HOUR_SECONDS
    return simulate_parcels(parcels, first_turns_per_second, answering, pipeline, seed, progress)


def simulate_parcels(
    parcels: Iterable[tuple[float, int]],
    first_turns_per_second: float,
    answering: Boxes | Spread,
    pipeline: Pipeline,
    seed: int = 1,
    progress: Progress = lambda share: None,
) -> Outcome:
    """The same with given times at which turns reach the LLM's queue."""
    environment, outcome, rng = Environment(-HOUR_SECONDS), Outcome(), Random(seed)  # noqa: S311
    way = Way(environment, pipeline, outcome, rng)
    used: Answering
    if isinstance(answering, Boxes):
        first = answering.needed(first_turns_per_second, FIRST_BOXES_USED)
        used = Fleet(environment, answering, outcome, rng, way.answered, first)
    else:
        used = Hosted(environment, answering, rng, way.answered)
    environment.process(way.ask_each(parcels, used))
    for hour in range(24):
        environment.run(until=(hour + 1) * HOUR_SECONDS)
        progress((hour + 1) / 24)
    environment.run(until=DAY_SECONDS + 2 * HAND_OVER_SECONDS)
    used.give_up()
    return outcome
