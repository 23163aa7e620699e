"""Plays the contacts of a plan at the fake platforms."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence

from tests.chaos.organizations import Organizations
from tests.chaos.plan import Plan, Writing
from tests.chaos.records import Said, Taken
from tests.fakes.platform import Delivery, FakePlatform
from tests.fakes.telegram import FakeTelegram


class Traffic:
    """The contacts. `count`: how many messages they have written."""

    def __init__(
        self, plan: Plan, platforms: Mapping[str, FakePlatform], organizations: Organizations
    ) -> None:
        self.count = 0
        self._plan = plan
        self._platforms = platforms
        self._organizations = organizations
        self._left: dict[Writing, tuple[str, float]] = {}
        self._overtaken: dict[str, Writing] = {}

    def run(self, is_over: threading.Event) -> None:
        """Write everything at its time, counted from now."""
        begin = time.monotonic()
        for writing in self._plan.writings:
            if is_over.wait(max(0.0, begin + writing.at - time.monotonic())):
                return
            self._write(writing)

    def replay(self) -> None:
        """Deliver old messages once more."""
        for writing in self._plan.replays:
            self._platforms[writing.platform].redeliver(self._left[writing][0])

    def said(self, platform: str) -> Sequence[Said]:
        """What the contacts of a platform wrote, and when the hub took it."""
        taken = _taken(list(self._platforms[platform].deliveries))
        return [
            Said(writing.contact, writing.code, at, taken.get(id_), is_late=writing.age_seconds > 0)
            for writing, (id_, at) in self._left.items()
            if writing.platform == platform
        ]

    def order(self, platform: str) -> Sequence[tuple[str, str]]:
        """Contact and id of each message at a platform, in the order in which they were written."""
        left = sorted(self._left.items(), key=lambda each: each[0].at)
        return [(writing.contact, id_) for writing, (id_, _) in left if writing.platform == platform]

    def _write(self, writing: Writing) -> None:
        self.count += 1
        if writing.behind_next:
            self._overtaken[writing.contact] = writing
            return
        self._deliver(writing)
        if overtaken := self._overtaken.pop(writing.contact, None):
            self._deliver(overtaken)

    def _deliver(self, writing: Writing) -> None:
        platform = self._platforms[writing.platform]
        account = self._organizations.address(writing.platform, writing.organization)
        at = time.time()
        id_ = platform.write(account, writing.contact, writing.text, age_seconds=writing.age_seconds)
        self._left[writing] = id_, at
        if writing.blocks:
            assert isinstance(platform, FakeTelegram), "only there the hub is told"
            platform.block(writing.contact)


def _taken(deliveries: Sequence[Delivery]) -> Mapping[str, Taken]:
    """When the hub took each item of the webhooks, by its id."""
    began: dict[str, float] = {}
    ended: dict[str, tuple[float, int]] = {}
    for delivery, place, id_ in _items(deliveries):
        began[id_] = min(began.get(id_, delivery.began), delivery.began)
        if delivery.is_taken:
            ended[id_] = min(ended.get(id_, (delivery.ended, place)), (delivery.ended, place))
    return {id_: Taken(began[id_], *end) for id_, end in ended.items()}


def _items(deliveries: Sequence[Delivery]) -> Iterator[tuple[Delivery, int, str]]:
    for delivery in deliveries:
        for place, id_ in enumerate(delivery.items):
            yield delivery, place, id_
