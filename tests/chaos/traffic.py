"""Plays the contacts of a plan at the fake platform, which signs, repeats, reorders and replays."""

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from tests.chaos.counting import Said
from tests.chaos.organizations import Organizations
from tests.chaos.plan import Plan, Writing
from tests.fakes.telegram import FakeTelegram


class Traffic:
    """The contacts. `count`: how many messages they have written."""

    def __init__(self, plan: Plan, telegram: FakeTelegram, organizations: Organizations) -> None:
        self.count = 0
        self._plan = plan
        self._telegram = telegram
        self._organizations = organizations
        self._delivered: dict[Writing, tuple[dict[str, Any], float]] = {}
        self._overtaken: dict[int, Writing] = {}
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def run(self, is_over: threading.Event) -> None:
        """Write everything at its time, counted from now, and deliver some of it again."""
        begin = time.monotonic()
        for writing in self._plan.writings:
            self._put(begin + writing.at, partial(self._write, writing))
        while self._agenda and not is_over.is_set():
            at, _, act = heapq.heappop(self._agenda)
            is_over.wait(at - time.monotonic())
            act()

    def replay(self) -> None:
        """Deliver old messages once more."""
        for writing in self._plan.replays:
            self._redeliver(writing, self._delivered[writing][0])

    def said(self) -> Sequence[Said]:
        """What contacts wrote, in the order in which the hub took it; what it has not taken comes last."""
        taken: dict[int, int] = {}
        deliveries = list(self._telegram.deliveries)
        for number, delivery in enumerate(deliveries):
            if delivery.is_taken:
                taken.setdefault(delivery.content["update_id"], number)
        found = [
            (taken.get(update["update_id"], len(deliveries)), Said(writing.chat_id, writing.code, at))
            for writing, (update, at) in self._delivered.items()
        ]
        return [said for _, said in sorted(found, key=lambda each: each[0])]

    def _put(self, at: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (at, next(self._numbers), act))

    def _write(self, writing: Writing) -> None:
        self.count += 1
        if writing.behind_next:
            self._overtaken[writing.chat_id] = writing
            return
        self._deliver(writing)
        if overtaken := self._overtaken.pop(writing.chat_id, None):
            self._deliver(overtaken)

    def _deliver(self, writing: Writing) -> None:
        content = self._telegram.compose(
            writing.chat_id, writing.text, date=int(time.time()) - writing.age_seconds
        )
        with self._organizations.tokens_lock:
            update = self._telegram.deliver(self._token(writing), writing.chat_id, content)
        self._delivered[writing] = (update, time.time())
        for seconds in writing.again_after:
            self._put(time.monotonic() + seconds, partial(self._redeliver, writing, update))
        if writing.blocks:
            self._telegram.block(writing.chat_id)

    def _redeliver(self, writing: Writing, update: dict[str, Any]) -> None:
        with self._organizations.tokens_lock:
            self._telegram.redeliver(self._token(writing), update)

    def _token(self, writing: Writing) -> str:
        return self._organizations.tokens[writing.organization]
