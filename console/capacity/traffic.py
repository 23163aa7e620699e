"""How many messages come in each hour of a day, by organization: from a file, by rule, or like another's."""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from console.capacity.errors import CapacityError
from console.capacity.prefixes import zipf
from hub_lambdas.sentences import stored

HOURS = 24
DAY_SHAPE = (
    *(0.3, 0.2, 0.15, 0.12, 0.15, 0.25, 0.5, 0.9, 1.3, 1.6, 1.7, 1.7),
    *(1.6, 1.6, 1.6, 1.6, 1.6, 1.6, 1.6, 1.6, 1.5, 1.2, 0.8, 0.5),
)
"""Messages by hour where nothing is known: few at night, most from nine to eight, as to shops."""


@dataclass(frozen=True)
class Traffic:
    """An average day. `by_organization`: messages in each of its hours, UTC. `source`: where it is from, in
    words. `messages_per_turn` and `requests_per_turn`: how many messages get one answer together, and how
    often the LLM is asked for it; None where that is not known."""

    by_organization: Mapping[str, Sequence[float]]
    source: str
    messages_per_turn: float | None = None
    requests_per_turn: float | None = None
    shares: Sequence[float] = field(init=False)
    """What part of all messages is each organization's."""

    def __post_init__(self) -> None:
        counts = [sum(hours) for hours in self.by_organization.values()]
        total = sum(counts)
        if not total:
            raise CapacityError(
                stored("There is no message in %(source)s: choose another source.", source=self.source)
            )
        object.__setattr__(self, "shares", [count / total for count in counts if count])

    @property
    def per_hour(self) -> list[float]:
        """Messages of all organizations."""
        return [sum(hours) for hours in zip(*self.by_organization.values(), strict=True)]

    @property
    def per_day(self) -> float:
        """Messages of all organizations."""
        return sum(self.per_hour)

    def with_more_like(self, organization: str, count: int) -> "Traffic":
        """The same with so many new organizations, each with the messages of one that is there."""
        if organization not in self.by_organization:
            raise CapacityError(
                stored(
                    "There is no organization %(organization)s with messages in %(source)s: name another "
                    "one.",
                    organization=repr(organization),
                    source=self.source,
                )
            )
        hours = self.by_organization[organization]
        new = {f"{organization} (new {number})": hours for number in range(1, count + 1)}
        source = stored(
            "%(source)s, and %(count)s more like %(organization)s",
            source=self.source,
            count=count,
            organization=organization,
        )
        both = {**self.by_organization, **new}
        return Traffic(both, source, self.messages_per_turn, self.requests_per_turn)


def by_rule(messages_per_day: float, organizations: int) -> Traffic:
    """A day of the usual shape, shared by Zipf's law."""
    per_hour = [messages_per_day * share for share in _shape()]
    return Traffic(_by_zipf(per_hour, organizations), stored("a day of the usual shape"))


def from_csv(lines: Iterable[str], name: str, organizations: int) -> Traffic:
    """A file with the columns `hour` (0 to 23, UTC), `messages` and, where it is known, `organization`: else
    they are shared by Zipf's law between so many."""
    rows = csv.DictReader(lines)
    if not {"hour", "messages"} <= set(rows.fieldnames or ()):
        raise CapacityError(f"{name} needs the columns hour and messages in its first line.")
    found: dict[str, list[float]] = {}
    for row in rows:
        hour, messages = _parsed(row, f"{name}, line {rows.line_num}")
        found.setdefault(row.get("organization") or "", [0.0] * HOURS)[hour] += messages
    if set(found) == {""}:
        return Traffic(_by_zipf(found[""], organizations), f"{name}, {organizations:,} organizations")
    return Traffic(found, name)


def _parsed(row: Mapping[str, str | None], place: str) -> tuple[int, float]:
    try:
        hour, messages = int(row["hour"] or ""), float(row["messages"] or "")
    except ValueError:
        raise CapacityError(f"{place}: hour must be a whole number and messages a number.") from None
    if not 0 <= hour < HOURS or not 0 <= messages < math.inf:
        raise CapacityError(f"{place}: hour must be 0 to 23, and messages 0 or more.")
    return hour, messages


def _by_zipf(per_hour: Sequence[float], organizations: int) -> dict[str, list[float]]:
    return {
        f"organization {number}": [messages * share for messages in per_hour]
        for number, share in enumerate(zipf(organizations), start=1)
    }


def _shape() -> list[float]:
    return [weight / sum(DAY_SHAPE) for weight in DAY_SHAPE]
