"""What answers: LLM boxes behind a queue, whose number follows demand, or somebody else's LLM."""

import math
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random
from typing import Protocol

from simpy import Environment, Event

from console.capacity.outcome import HAND_OVER_SECONDS, HOLDING_SECONDS, Outcome
from console.capacity.prefixes import Prefixes
from console.capacity.scaling import Metric, Scaling, Tracking
from console.capacity.speed import Sharing, Speed
from console.capacity.spread import Spread

Answered = Callable[[float, int], None]
"""Told when a parcel of turns has its answers: when it was written, and how many they are."""
SAMPLES_A_MINUTE = 6
_ALMOST = 1e-9


class Answering(Protocol):
    """Parcels of turns go in, answers come out."""

    def ask(self, written_at: float, turns: int) -> None:
        """They are asked now."""

    def give_up(self) -> None:
        """The day is over: staff get what is left."""


@dataclass(frozen=True)
class Boxes:
    """A kind of box and how many there are. `work`: of an answer whose prompt is known, in answers of usual
    size. `held`: requests that a box takes off the queue at most, waiting and in work."""

    speed: Speed
    scaling: Scaling
    work: Spread
    prompt_tokens: int
    prefixes: Prefixes
    held: int = 32

    @property
    def reading_seconds(self) -> float:
        """To read a prompt that is not known, alone on a box."""
        return self.prompt_tokens / self.speed.prompt_tokens_per_second

    @property
    def lasting_answers_per_second(self) -> float:
        """Of a box that has run for long, with every slot in work."""
        unknown_share = 1 - self.prefixes.lasting_share
        return 1 / (self.work.mean / self.speed.full + unknown_share * self.reading_seconds)

    def needed(self, turns_per_second: float, used_share: float) -> int:
        """How many answer so many turns when they are used that far."""
        count = math.ceil(turns_per_second / self.lasting_answers_per_second / used_share)
        return min(max(count, self.scaling.least), self.scaling.most)


class Fleet:
    """Boxes of one kind, and the queue before them. All turns in work get the same share of the boxes, so
    progress is counted in answers that each of them has got since the beginning: one that is started at `p`
    with work `w` is done at `p + w`, whoever comes and goes."""

    def __init__(
        self,
        environment: Environment,
        boxes: Boxes,
        outcome: Outcome,
        rng: Random,
        on_answer: Answered,
        first: int,
    ) -> None:
        self._environment = environment
        self._boxes = boxes
        self._outcome = outcome
        self._rng = rng
        self._on_answer = on_answer
        self._alone, self._several = Sharing(boxes.speed, is_alone=True), Sharing(boxes.speed, is_alone=False)
        self._waiting: deque[tuple[float, int]] = deque()
        self._late: deque[tuple[float, int]] = deque()
        self._due: list[tuple[float, float, int]] = []
        self._in_work = 0
        self._progress, self._rate, self._since = 0.0, 0.0, environment.now
        self._timer: Event | None = None
        self._timer_at = 0.0
        self._answered = [math.inf] * first
        """Turns that each box has answered since it was empty; those of the beginning have run for long."""
        self._answered_lately = 0
        self._known_share = boxes.prefixes.lasting_share
        self._starting = 0
        environment.process(self._follow_demand())

    # --- a turn's way ---

    def ask(self, written_at: float, turns: int) -> None:
        if self._has_room(turns):
            self._start(written_at, turns)
        else:
            self._waiting.append((written_at, turns))

    def give_up(self) -> None:
        while (following := self._next()) is not None:
            self._outcome.hand_over(*following)

    def _has_room(self, turns: int) -> bool:
        return not self._in_work or self._in_work + turns <= len(self._answered) * self._boxes.speed.slots

    def _start(self, written_at: float, turns: int) -> None:
        self._catch_up()
        self._in_work += turns
        self._share()
        work = self._boxes.work.draw(self._rng)
        if self._rng.random() >= self._known_share:
            beside = max(1.0, self._in_work / len(self._answered))
            work += self._boxes.reading_seconds * beside * self._rate
        heappush(self._due, (self._progress + work, written_at, turns))
        self._wake_when_done()

    def _next(self) -> tuple[float, int] | None:
        """Who is next: the oldest that may still get an answer instead of a holding line, else the oldest.
        Nobody who is staff's already."""
        now = self._environment.now
        while self._waiting and now - self._waiting[0][0] > HOLDING_SECONDS:
            self._late.append(self._waiting.popleft())
        while self._late and now - self._late[0][0] > HAND_OVER_SECONDS:
            self._outcome.hand_over(*self._late.popleft())
        queue = self._waiting or self._late
        return queue.popleft() if queue else None

    def _start_waiting(self) -> None:
        while self._waiting or self._late:
            turns = (self._waiting or self._late)[0][1]
            if not self._has_room(turns) or (following := self._next()) is None:
                return
            self._start(*following)

    # --- progress ---

    def _catch_up(self) -> None:
        now = self._environment.now
        self._progress += (now - self._since) * self._rate
        self._since = now

    def _share(self) -> None:
        count = len(self._answered)
        if count > 1:
            self._rate = self._several.turn_rate((self._in_work - 1) / count)  # what others a turn may meet
        else:
            self._rate = self._alone.turn_rate(self._in_work)

    def _wake_when_done(self) -> None:
        """At the first answer, if nothing changes. A timer that is earlier stays: it looks again."""
        seconds = max(0.0, self._due[0][0] - self._progress) / self._rate
        if self._timer is None or self._since + seconds < self._timer_at:
            self._timer = self._environment.timeout(seconds)
            self._timer.callbacks.append(self._look)
            self._timer_at = self._since + seconds

    def _look(self, timer: Event) -> None:
        if timer is not self._timer:
            return
        self._timer = None
        self._catch_up()
        while self._due and self._due[0][0] <= self._progress + _ALMOST:
            _, written_at, turns = heappop(self._due)
            self._in_work -= turns
            self._answered_lately += turns
            self._on_answer(written_at, turns)
        self._share()
        self._start_waiting()
        if self._due:
            self._wake_when_done()

    # --- the number of boxes ---

    def _follow_demand(self) -> Generator[Event, None, None]:
        tracking = Tracking(self._boxes.scaling)
        while True:
            seen = 0.0
            for _ in range(SAMPLES_A_MINUTE):
                yield self._environment.timeout(60 / SAMPLES_A_MINUTE)
                seen += self._metric()
            self._outcome.count_boxes(self._environment.now, len(self._answered) + self._starting)
            self._remember_prompts()
            wanted = tracking.wanted(seen / SAMPLES_A_MINUTE, len(self._answered), self._starting)
            change = wanted - len(self._answered) - self._starting
            if change > 0:
                self._environment.process(self._launch(change))
            elif change < 0:
                self._have(self._answered[:change])

    def _launch(self, count: int) -> Generator[Event, None, None]:
        self._starting += count
        yield self._environment.timeout(self._boxes.scaling.start_seconds)
        self._starting -= count
        self._have([*self._answered, *[0.0] * count])
        self._start_waiting()

    def _have(self, answered: list[float]) -> None:
        """Boxes come, knowing nothing, or the newest go; what these have in work is answered still."""
        self._catch_up()
        self._answered = answered
        self._share()
        self._remember_prompts()
        if self._due:
            self._timer = None
            self._wake_when_done()

    def _remember_prompts(self) -> None:
        each = self._answered_lately / len(self._answered)
        self._answered_lately = 0
        self._answered = [count + each for count in self._answered]
        known = map(self._boxes.prefixes.known_share, self._answered)
        self._known_share = sum(known) / len(self._answered)

    def _metric(self) -> float:
        """Per box."""
        count, boxes = len(self._answered), self._boxes
        sharing = self._several if count > 1 else self._alone
        waiting = sum(turns for queue in (self._waiting, self._late) for _, turns in queue) / count
        match boxes.scaling.metric:
            case Metric.CPU:
                return sharing.busy(self._in_work / count)
            case Metric.WAITING:
                return max(0.0, waiting - (boxes.held - boxes.speed.slots))
            case Metric.BACKLOG:
                return waiting + self._in_work / count


class Hosted:
    """Somebody else's LLM: no queue, as many answers at a time as are asked for, each after `seconds`."""

    def __init__(self, environment: Environment, seconds: Spread, rng: Random, on_answer: Answered) -> None:
        self._environment = environment
        self._seconds = seconds
        self._rng = rng
        self._on_answer = on_answer

    def ask(self, written_at: float, turns: int) -> None:
        timer = self._environment.timeout(self._seconds.draw(self._rng))
        timer.callbacks.append(lambda _: self._on_answer(written_at, turns))

    def give_up(self) -> None:
        """Nothing waits."""
