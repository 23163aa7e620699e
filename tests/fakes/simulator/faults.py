"""What the page lets go wrong, for one account at a time."""

import threading
from dataclasses import asdict, dataclass
from typing import Any

COPIES = 3
"""How often a webhook comes while DUPLICATES is on."""
MOST_SENDS = 9
COUNTED = ("error", "busy", "silence")
"""For so many messages that the hub sends."""
SWITCHED = ("token", "duplicates", "reorder")
"""Until it is switched off."""
TROUBLES = {"error": "error", "busy": "too fast", "silence": "silence"}
"""The names of FakePlatform.troubles."""


@dataclass
class Faults:
    """What is armed. `error`, `busy`, `silence`: for how many of the next sends; one call meets one of them,
    in this order."""

    error: int = 0
    busy: int = 0
    silence: int = 0
    token: bool = False
    duplicates: bool = False
    reorder: bool = False

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def arm(self, name: str, value: Any) -> None:
        """Set one; ValueError for what cannot be set."""
        is_switch = isinstance(value, bool)
        is_count = isinstance(value, int) and not is_switch and 0 <= value <= MOST_SENDS
        if not (name in SWITCHED and is_switch) and not (name in COUNTED and is_count):
            raise ValueError(f"A fault is a number of sends from 0 to {MOST_SENDS}, or on or off.")
        setattr(self, name, value)

    def take(self) -> str:
        """The fault that the next send meets, which it uses up; "" for none."""
        with self._lock:
            name = next((each for each in COUNTED if getattr(self, each)), "")
            if name:
                setattr(self, name, getattr(self, name) - 1)
            return name

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
