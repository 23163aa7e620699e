"""What an answer is wanted for: what a contact wrote, and what was said before it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from operator import attrgetter
from typing import Protocol

from console.conversations.models import Message, Turn
from hub_lambdas.turns import FILE_KINDS

HISTORY_TURNS = 2
SAID_MESSAGES = 20
"""So many of the latest messages of the organization may be repeated in an answer."""

Exchange = tuple[str, str]
"""What was asked, and what was answered."""


class Question(Protocol):
    """`text`: what the contact wrote, a message a line. `file_kind`: of the file that came with it, or empty.
    `history`: the exchanges before, the latest last. `said`: what the organization wrote before."""

    @property
    def text(self) -> str: ...

    @property
    def is_one_message(self) -> bool: ...

    @property
    def file_kind(self) -> str: ...

    @property
    def history(self) -> Sequence[Exchange]: ...

    @property
    def said(self) -> Sequence[str]: ...


@dataclass(frozen=True)
class MadeUp:
    """A question that no contact asked: in the workshop."""

    text: str
    history: Sequence[Exchange] = ()
    is_one_message: bool = True
    file_kind: str = ""

    @property
    def said(self) -> Sequence[str]:
        return [answer for _, answer in self.history]


class OfTurn:
    """A turn's question. What it needs of the ledger it reads when it is asked for."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._written = [each for each in turn.message_rows if each.direction == Message.Direction.IN]

    @property
    def text(self) -> str:
        return _written(self._written)

    @property
    def is_one_message(self) -> bool:
        return len(self._written) == 1

    @property
    def file_kind(self) -> str:
        return next((each.kind for each in self._turn.message_rows if each.kind in FILE_KINDS), "")

    @cached_property
    def history(self) -> Sequence[Exchange]:
        """Of the latest turns that were answered."""
        answered = Turn.objects.filter(
            conversation=self._turn.conversation_id, state=Turn.State.ANSWERED, pk__lt=self._turn.pk
        ).order_by("-pk")[:HISTORY_TURNS]
        messages = Message.objects.filter(turn__in=answered.values("pk")).order_by("turn_id", "id")
        turns = [list(rows) for _, rows in groupby(messages.defer("payload"), key=attrgetter("turn_id"))]
        exchanges = [(_written(rows), _answer(rows)) for rows in turns]
        return [each for each in exchanges if each[0]]  # a contact may take theirs back

    @cached_property
    def said(self) -> Sequence[str]:
        sent = self._turn.conversation.messages.filter(
            direction=Message.Direction.OUT, state=Message.State.SENT
        )
        return list(sent.order_by("-id").values_list("text", flat=True)[:SAID_MESSAGES])


def _written(messages: Iterable[Message]) -> str:
    written = (message for message in messages if message.direction == Message.Direction.IN)
    return "\n".join(text for message in written if (text := message.text.strip()))


def _answer(messages: Iterable[Message]) -> str:
    return "".join(
        message.text
        for message in messages
        if message.purpose == Message.Purpose.ANSWER and message.state == Message.State.SENT
    )
