"""What is held against each other when a run is over: what contacts wrote and got, and the ledger's rows; and
what comes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True)
class Taken:
    """When the hub took a message: between the beginning of the first webhook that held it, and the end of
    the first that the hub answered with 2xx (epoch seconds). `place`: in that webhook."""

    began: float
    ended: float
    place: int = 0

    def is_before(self, other: "Taken") -> bool:
        """Certainly: what overlaps may have been taken in either order."""
        is_same = self.ended == other.ended
        return self.place < other.place if is_same else self.ended <= other.began


@dataclass(frozen=True)
class Said:
    """A contact's message by its code, and when it left them (epoch seconds). `is_late`: it was old when it
    reached the hub."""

    contact: str
    code: str
    at: float
    taken: Taken | None = None
    is_late: bool = False


@dataclass(frozen=True)
class Got:
    """A message that the platform took for a contact. `has_arrived` is false where the platform reported that
    it could not deliver it."""

    contact: str
    platform_id: str
    text: str
    at: float
    has_arrived: bool = True


@dataclass(frozen=True)
class Sending:
    """An outbound message of the ledger that belongs to a turn. `unknown_attempts`: so often the platform did
    not say whether it took it."""

    purpose: str
    state: str
    platform_id: str | None
    unknown_attempts: int = 0


@dataclass(frozen=True)
class Turn:
    """A turn of the ledger. `codes`: of its messages, in order. `was_held`: its channel was repaired.
    `settled_at`: epoch seconds, 0 while it is open."""

    id: int
    contact: str
    state: str
    reason: str
    codes: Sequence[str]
    sendings: Sequence[Sending] = ()
    staff_were_told: bool = False
    was_held: bool = False
    settled_at: float = 0.0

    @property
    def is_open(self) -> bool:
        return self.state in ("open", "asked")


@dataclass(frozen=True)
class Letter:
    """A dead letter of the ledger. `staff_were_told`: an e-mail about it went out."""

    body: str
    staff_were_told: bool
    age_seconds: float = 0.0


class Fate(StrEnum):
    """What became of a contact's message, in the words of the report."""

    ANSWERED = "answered"
    TOLD = "handed over, and the contact was told"
    WITH_STAFF = "written to staff, who had the conversation"
    UNKNOWN = "with staff: the platform did not say whether it took the reply"
    BLOCKED = "with staff: the contact has blocked the bot"
    UNANSWERED = "unanswered"


@dataclass(frozen=True)
class Count:
    """A finished count. `broken`: each promise with what broke it, as sentences: nothing when all is well."""

    said: int
    turns: int
    got: Mapping[str, int]
    fates: Mapping[Fate, int]
    broken: Mapping[str, Sequence[str]]
    first_reply_seconds: Sequence[float] = field(default=())
    unclaimed: Sequence[str] = field(default=())
    """What contacts got and the ledger does not know by the platform's id."""
    twice: Sequence[str] = field(default=())
    """Answers that came a second time, as their organization has chosen where nobody knows of the first."""

    @property
    def is_kept(self) -> bool:
        return not any(self.broken.values())
