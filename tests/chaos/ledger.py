"""What the hub has written down, read straight from its database: nothing of the hub's own code is asked."""

from pathlib import Path
from typing import Any

import psycopg

from infra.local.postgres import socket_folder, url_of
from tests.chaos import codes
from tests.chaos.records import Letter, Sending, Turn

_TURNS = """
SELECT turn.id, contact.platform_id, turn.state, turn.reason, turn.staff_told_at IS NOT NULL,
       channel.resumed_at IS NOT NULL, coalesce(extract(epoch FROM turn.settled_at), 0)::float,
       array_agg(message.text ORDER BY message.id)
FROM conversations_turn turn
JOIN conversations_conversation conversation ON conversation.id = turn.conversation_id
JOIN conversations_contact contact ON contact.id = conversation.contact_id
JOIN channels_channel channel ON channel.id = contact.channel_id
JOIN conversations_message message ON message.turn_id = turn.id AND message.direction = 'in'
GROUP BY turn.id, contact.platform_id, channel.resumed_at ORDER BY turn.id
"""
_SENDINGS = """
SELECT turn_id, purpose, state, platform_id, unknown_attempts FROM conversations_message
WHERE direction = 'out' AND turn_id IS NOT NULL AND state <> 'cancelled' ORDER BY id
"""
_PROGRESS = """
SELECT (SELECT count(*) FROM conversations_message WHERE direction = 'in'),
       count(*) FILTER (WHERE state = 'answered'), count(*) FILTER (WHERE state = 'handed_over'),
       count(*) FILTER (WHERE state IN ('open', 'asked')),
       (SELECT count(*) FROM conversations_message
        WHERE direction = 'out' AND state IN ('pending', 'sending')),
       count(*) FILTER (WHERE state = 'handed_over' AND reason <> 'staff_owns' AND staff_told_at IS NULL)
FROM conversations_turn
"""
_LETTERS = """
SELECT body, alerted_at IS NOT NULL, extract(epoch FROM now() - stored_at)::float
FROM conversations_deadletter WHERE strpos(body, %s) > 0
"""


class Progress:
    """How far the ledger is: counts of messages stored, turns by outcome, and what is still to be done."""

    def __init__(self, row: tuple[int, ...]) -> None:
        self.stored, self.answered, self.handed_over, self.open, self.unsent, self.untold = row


class Ledger:
    """The database of a running stack. While it is away, every method raises psycopg.OperationalError."""

    def __init__(self, home: Path) -> None:
        self._url = url_of(socket_folder(home))

    def progress(self) -> Progress:
        return Progress(self._rows(_PROGRESS)[0])

    def turns(self) -> list[Turn]:
        sendings: dict[int, list[Sending]] = {}
        for turn_id, *sending in self._rows(_SENDINGS):
            sendings.setdefault(turn_id, []).append(Sending(*sending))
        return [
            Turn(
                id=turn_id,
                contact=contact,
                state=state,
                reason=reason,
                codes=[code for text in texts for code in codes.find(text)],
                sendings=sendings.get(turn_id, ()),
                staff_were_told=were_told,
                was_held=was_held,
                settled_at=settled_at,
            )
            for turn_id, contact, state, reason, were_told, was_held, settled_at, texts in self._rows(_TURNS)
            if contact.isdecimal()  # the demo organization's visitors are no part of a run
        ]

    def dead_letters(self, mark: str) -> list[Letter]:
        """Those that hold `mark` in their body."""
        return [Letter(*row) for row in self._rows(_LETTERS, mark)]

    def _rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._url, connect_timeout=3) as connection:
            return connection.execute(sql, parameters).fetchall()
