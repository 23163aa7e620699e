"""What the organizations of a run have chosen: each something else, and every choice somebody's."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

BURST_WINDOWS_SECONDS = (0.0, 1.0, 2.0)
LATE_POLICIES = ("answer", "apologize", "hand_over")
UNKNOWN_DELIVERIES = ("hand_over", "send_again")
HOLDING_LINES = ("on", "on", "off")

Choice = TypeVar("Choice")


@dataclass(frozen=True)
class Policy:
    """Settings of an organization, by their names in its file. Its texts are no other's: what a contact got
    shows whose it is. Where the holding line is off, it is empty."""

    fallback: str
    holding_line: str
    apology: str
    burst_window_seconds: float = 1.0
    late_policy: str = "apologize"
    unknown_delivery: str = "hand_over"


def plain(number: int) -> Policy:
    """The policy of an organization that has chosen nothing but its texts."""
    return Policy(
        fallback=f"Thank you. A colleague of shop {number} will answer you.",
        holding_line=f"Shop {number} is looking into it.",
        apology=f"Shop {number} is sorry for the delay.",
    )


def policies(seed: int, count: int) -> list[Policy]:
    """Those of `count` organizations; of three or more, each choice is somebody's."""
    rng = random.Random(seed)  # noqa: S311 - a plan is no secret
    windows, late = _dealt(rng, BURST_WINDOWS_SECONDS, count), _dealt(rng, LATE_POLICIES, count)
    unknown, lines = _dealt(rng, UNKNOWN_DELIVERIES, count), _dealt(rng, HOLDING_LINES, count)
    made = []
    for number in range(count):
        base = plain(number)
        made.append(
            replace(
                base,
                holding_line=base.holding_line if lines[number] == "on" else "",
                burst_window_seconds=windows[number],
                late_policy=late[number],
                unknown_delivery=unknown[number],
            )
        )
    return made


def _dealt(rng: random.Random, choices: Sequence[Choice], count: int) -> list[Choice]:
    found = [choices[number % len(choices)] for number in range(count)]
    rng.shuffle(found)
    return found


def describe(chosen: Sequence[Policy]) -> Iterator[tuple[str, str]]:
    """How many organizations chose what, by the name of the setting."""
    found = {
        "burst window": [f"{each.burst_window_seconds:g} s" for each in chosen],
        "late messages": [each.late_policy for each in chosen],
        "unknown deliveries": [each.unknown_delivery for each in chosen],
        "holding line": ["on" if each.holding_line else "off" for each in chosen],
    }
    for name, values in found.items():
        yield name, ", ".join(f"{value} {times}" for value, times in sorted(Counter(values).items()))
