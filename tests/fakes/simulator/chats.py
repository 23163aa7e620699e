"""The conversations as the contacts have them on their phones."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Tick(StrEnum):
    """How far a message has come: of a contact's own, towards the hub; of the hub's, as it was reported."""

    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"


_ORDER = list(Tick)


@dataclass(frozen=True)
class Choice:
    """A button below a message. `platform`: what pressing it sends, in the platform's own form."""

    title: str
    platform: Mapping[str, Any]


@dataclass
class Message:
    """One message. `id` is the platform's; `kind` "text", "photo", "voice" or "location". `quick`: its
    buttons stand above the keyboard, and not in the message."""

    id: str
    mine: bool
    text: str
    kind: str = "text"
    at: float = field(default_factory=time.time)
    tick: Tick = Tick.SENDING
    reaction: str = ""
    is_edited: bool = False
    is_unsent: bool = False
    choices: list[Choice] = field(default_factory=list)
    quick: bool = False
    pressed: str = ""

    def reach(self, tick: Tick) -> None:
        """It has come so far; never back."""
        self.tick = max(self.tick, tick, key=_ORDER.index)


@dataclass
class Contact:
    """Somebody who writes to one account, and what they see. `typing_until`: epoch seconds."""

    id: str
    name: str
    messages: list[Message] = field(default_factory=list)
    typing_until: float = 0.0
    is_blocking: bool = False
    unread: int = 0

    def find(self, message_id: str) -> Message:
        """A message by its id; KeyError where there is none."""
        found = next((each for each in reversed(self.messages) if each.id == message_id), None)
        if found is None:
            raise KeyError(f"There is no message {message_id}.")
        return found

    def own(self, message_ids: Sequence[str]) -> Iterator[Message]:
        """Those of the contact's own messages that are named."""
        return (each for each in self.messages if each.mine and each.id in message_ids)


def contact_of(stored: Mapping[str, Any]) -> Contact:
    """A contact as `asdict` wrote it."""
    messages = [
        Message(
            **{
                **each,
                "tick": Tick(each["tick"]),
                "choices": [Choice(**choice) for choice in each["choices"]],
            }
        )
        for each in stored["messages"]
    ]
    return Contact(stored["id"], stored["name"], messages, is_blocking=stored["is_blocking"])


def shown(message: Message) -> dict[str, Any]:
    """A message as the page gets it."""
    return {**asdict(message), "choices": [choice.title for choice in message.choices]}
