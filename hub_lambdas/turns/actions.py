"""What may be due for a turn."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from hub_lambdas.turns.facts import State
from hub_lambdas.turns.reasons import Reason


@dataclass(frozen=True)
class Wait:
    """Look again at `until`, unless something happens before."""

    until: datetime


@dataclass(frozen=True)
class Ask:
    """Ask the LLM."""


@dataclass(frozen=True)
class Withdraw:
    """Cancel this request to the LLM: nobody wants its answer any more."""

    request_id: uuid.UUID


@dataclass(frozen=True)
class HoldTheLine:
    """Send the holding line."""


@dataclass(frozen=True)
class Answer:
    """Make the reply to this request the answer, and put it on its way. `apologize`: for coming late."""

    request_id: uuid.UUID
    apologize: bool = False


@dataclass(frozen=True)
class Deliver:
    """Call the platform with this part now. `doubts`: how many attempts on its answer had an unknown fate;
    what the queue was given before them may have been taken off it in vain."""

    part_id: int
    doubts: int = 0


@dataclass(frozen=True)
class SendAgain:
    """Put this part, whose fate is unknown, on its way once more."""

    part_id: int


@dataclass(frozen=True)
class Cancel:
    """Take back the parts that have not left."""


@dataclass(frozen=True)
class Settle:
    """The outcome is known. `tell_contact`: the contact is sent the text that the organization has for it.
    `back_at`: that text is the one that says when staff are back. `detail`: the rule behind the reason.
    `draft_of`: the request whose reply staff may send."""

    outcome: State
    reason: Reason | None = None
    tell_contact: bool = False
    back_at: datetime | None = None
    detail: str = ""
    draft_of: uuid.UUID | None = None


@dataclass(frozen=True)
class TellContact:
    """Tell the contact now that staff have the turn: until now an answer might have arrived, or a member was
    to write. `back_at`: when they are back, where they are away."""

    back_at: datetime | None = None


Action = Wait | Ask | Withdraw | HoldTheLine | Answer | Deliver | SendAgain | Cancel | Settle | TellContact
