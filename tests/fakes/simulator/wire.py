"""What goes over the wire between the platforms and the hub, for the page."""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

MAX_PACKETS = 400


@dataclass(frozen=True)
class Packet:
    """A request and its answer. `direction`: "webhook" goes to the hub, "call" comes from it. `detail`: the
    text in it. `count`: the items in a webhook. `status` 0: no answer was given. `fault`: what was made to go
    wrong. `at`: when it began."""

    direction: Literal["webhook", "call"]
    account: str
    title: str
    method: str
    url: str
    headers: Mapping[str, str]
    body: str
    status: int
    answer: str
    milliseconds: int
    at: float
    detail: str = ""
    count: int = 1
    fault: str = ""


class Wire:
    """The newest packets, each with a number that grows."""

    def __init__(self) -> None:
        self._packets: deque[tuple[int, Packet]] = deque(maxlen=MAX_PACKETS)
        self._lock = threading.Lock()
        self._last = 0

    def add(self, packet: Packet) -> None:
        """Keep a packet."""
        with self._lock:
            self._last += 1
            self._packets.append((self._last, packet))

    def after(self, number: int) -> Sequence[Mapping[str, Any]]:
        """The packets with a higher number, oldest first, as the page gets them."""
        with self._lock:
            found = [each for each in self._packets if each[0] > number]
        return [{"id": each_id, **asdict(packet)} for each_id, packet in found]
