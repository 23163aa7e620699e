"""Webhooks on their way from a platform to the hub."""

import threading
import urllib.error
import urllib.request
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

TIMEOUT_SECONDS = 10.0
Lane = tuple[str, ...]
"""Whose webhooks they are, and what tells apart those that do not wait for each other."""


def never() -> Sequence[float]:
    return ()


def at_once() -> float:
    return 0.0


@dataclass(frozen=True)
class Habits:
    """How a platform goes about it. What was not taken comes again after `retry_seconds`, then after twice as
    many and so on. `gather_seconds`: so long it gathers what goes in one webhook, where it does so at all.
    `repeats` is asked for each webhook: after how many seconds it comes once more, taken or not; `delay`: how
    many seconds late it sets off; `lag`: how many seconds the answer to a message takes once it is sent.
    `has_limits`: it refuses messages that come faster than it is documented to take them."""

    retry_seconds: float = 0.05
    max_retry_seconds: float = 1.0
    gather_seconds: float = 0.0
    repeats: Callable[[], Sequence[float]] = never
    delay: Callable[[], float] = at_once
    lag: Callable[[], float] = at_once
    has_limits: bool = False


PUNCTUAL = Habits()


@dataclass(frozen=True)
class Delivery:
    """A webhook that was posted: what it held (JSON or a form) with the ids of its items, and the answer.
    Without one the status is 0. `began` and `ended` are epoch seconds."""

    url: str
    body: bytes
    content: Any
    items: Sequence[str]
    headers: Mapping[str, str]
    status: int
    answer: bytes
    began: float
    ended: float

    @property
    def is_taken(self) -> bool:
        return 200 <= self.status < 300


class Lanes:
    """Items that wait for a webhook, in order within a lane and side by side across lanes. `post` posts some
    of a lane and says whether they were taken; if not, they come again, later and later, and hold back what
    is behind them. `ready`: how many of those that wait go in one webhook now."""

    def __init__(
        self,
        post: Callable[[Lane, Sequence[Any]], bool],
        ready: Callable[[Lane, int], int],
        habits: Habits,
    ) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.is_closed = threading.Event()
        self._post = post
        self._ready = ready
        self._habits = habits
        self._waiting: dict[Lane, deque[Any]] = defaultdict(deque)
        self._busy: set[Lane] = set()

    def put(self, lane: Lane, *items: Any) -> None:
        """Queue items behind what waits in their lane."""
        with self.changed:
            self._waiting[lane].extend(items)
        self._start(lane)

    def waiting(self, owner: str = "") -> int:
        """How many items wait: of an owner (the first of a lane's names), or in all."""
        with self.changed:
            return sum(len(items) for lane, items in self._waiting.items() if owner in ("", lane[0]))

    def drop(self, owner: str) -> None:
        """Forget what waits for an owner."""
        with self.changed:
            for lane in self._lanes(owner):
                self._waiting[lane].clear()
            self.changed.notify_all()

    def resume(self, owner: str) -> None:
        """Go on with what was not ready."""
        for lane in self._lanes(owner):
            self._start(lane)

    def _lanes(self, owner: str) -> list[Lane]:
        with self.changed:
            return [lane for lane in self._waiting if lane[0] == owner]

    def _start(self, lane: Lane) -> None:
        """Deliver what waits in a lane, unless that is going on."""
        with self.changed:
            if lane in self._busy:
                return
            self._busy.add(lane)
        threading.Thread(target=self._run, args=(lane,), daemon=True).start()

    def _run(self, lane: Lane) -> None:
        tried: Sequence[Any] = ()
        pause = self._habits.retry_seconds
        while (items := self._next(lane)) and not self.is_closed.is_set():
            if items != tried:
                self._set_off(lane, items)
                tried, pause = items, self._habits.retry_seconds
            if self._post(lane, items):
                self._remove(lane, items)
            else:
                self.is_closed.wait(pause)
                pause = min(pause * 2, self._habits.max_retry_seconds)

    def _set_off(self, lane: Lane, items: Sequence[Any]) -> None:
        self.is_closed.wait(self._habits.delay())
        for seconds in self._habits.repeats():
            threading.Thread(target=self._repeat, args=(lane, items, seconds), daemon=True).start()

    def _repeat(self, lane: Lane, items: Sequence[Any], seconds: float) -> None:
        if not self.is_closed.wait(seconds):
            self._post(lane, items)

    def _next(self, lane: Lane) -> Sequence[Any]:
        """What goes in the next webhook; with nothing the lane is no longer busy."""
        with self.changed:
            waiting = self._waiting[lane]
            items = list(waiting)[: self._ready(lane, len(waiting))]
            if not items:
                self._busy.discard(lane)
                if not waiting:
                    del self._waiting[lane]
            return items

    def _remove(self, lane: Lane, items: Sequence[Any]) -> None:
        with self.changed:
            for item in items:
                if item in self._waiting[lane]:  # it may have been dropped meanwhile
                    self._waiting[lane].remove(item)
            self.changed.notify_all()


def request(
    url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """GET, or POST a body: status and content; status 0 where no answer came."""
    asked = urllib.request.Request(url, body, dict(headers or {}))  # noqa: S310
    try:
        with urllib.request.urlopen(asked, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except (OSError, HTTPException, ValueError):
        return 0, b""
