"""A ledger for one web chat, in memory."""

from collections.abc import Sequence
from datetime import UTC, datetime

from hub_lambdas.channels.base import InboundMessage, ShownMessage


class FakeContactView:
    """A `ContactView` that a test fills."""

    def __init__(self) -> None:
        self.due: set[str] = set()
        self._shown: dict[str, list[ShownMessage]] = {}
        self._count = 0

    def store(self, message: InboundMessage) -> bool:
        """Take a message in as the ledger does: once. Whether it was new."""
        contact, client_id = message.sender.platform_id, message.platform_id.rpartition(":")[2]
        if any(shown.client_id == client_id for shown in self.messages(contact, 0)):
            return False
        self._add(contact, message.text, True, client_id)
        return True

    def answer(self, contact: str, text: str, choices: Sequence[str] = ()) -> None:
        """Let the hub write to a contact."""
        self._add(contact, text, False, "", choices)

    def _add(self, contact: str, text: str, mine: bool, client_id: str, choices: Sequence[str] = ()) -> None:
        self._count += 1
        shown = ShownMessage(self._count, mine, text, datetime.now(UTC), client_id, choices)
        self._shown.setdefault(contact, []).append(shown)

    def messages(self, contact: str, after: int) -> Sequence[ShownMessage]:
        return [shown for shown in self._shown.get(contact, []) if shown.id > after]

    def is_answer_due(self, contact: str) -> bool:
        return contact in self.due
