"""What the ledger says in numbers, computed by Postgres: outcomes, open turns, duplicates, latencies."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils import timezone

PERCENTILES = (0.5, 0.95, 0.99)
HOPS = ("store", "ask", "queue_for_llm", "llm_wait", "llm", "reply_back", "enqueue", "send")
"""received → stored → asked → taken by llm_api → started → finished → reply stored → sending → sent."""

Percentiles = dict[str, int | None]


@dataclass(frozen=True)
class Report:
    """The ledger of some organizations. Latencies are whole milliseconds, None where nothing was measured."""

    turns: int
    answered: int
    handed_over: int
    declined: int
    open: int
    oldest_open_seconds: int | None
    duplicates: int
    dead_letters: int
    reply_ms: Percentiles
    hops_ms: dict[str, Percentiles] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """What `manage.py ledger --json` prints."""
        return {
            "turns": self.turns,
            "answered": self.answered,
            "handed_over": self.handed_over,
            "declined": self.declined,
            "open": self.open,
            "oldest_open_seconds": self.oldest_open_seconds,
            "duplicates": self.duplicates,
            "dead_letters": self.dead_letters,
            "latency_ms": {**self.reply_ms, "hops": self.hops_ms},
        }


_COUNTS = """
SELECT count(*),
       count(*) FILTER (WHERE state = 'answered'),
       count(*) FILTER (WHERE state = 'handed_over'),
       count(*) FILTER (WHERE state = 'declined'),
       count(*) FILTER (WHERE state IN ('open', 'asked')),
       max(extract(epoch FROM %(now)s - last_message_at)) FILTER (WHERE state IN ('open', 'asked'))
FROM conversations_turn
WHERE organization_id = ANY(%(organizations)s) AND first_message_at >= %(since)s
"""

# A reply in several parts is one reply: its first part stands for it.
_DUPLICATES = """
SELECT count(*) FROM (
    SELECT message.turn_id
    FROM conversations_message message JOIN conversations_turn turn ON turn.id = message.turn_id
    WHERE turn.organization_id = ANY(%(organizations)s) AND turn.first_message_at >= %(since)s
      AND message.direction = 'out' AND message.purpose IN ('answer', 'fallback')
      AND message.state = 'sent' AND message.part = 0
    GROUP BY message.turn_id HAVING count(*) > 1
) doubled
"""

_DEAD_LETTERS = """
SELECT count(*) FROM conversations_deadletter
WHERE organization_id = ANY(%(organizations)s) AND stored_at >= %(since)s
"""

_LATENCIES = """
WITH turn AS (
    SELECT id FROM conversations_turn
    WHERE organization_id = ANY(%(organizations)s) AND first_message_at >= %(since)s
), inbound AS (
    SELECT DISTINCT ON (turn_id) turn_id, received_at, stored_at
    FROM conversations_message
    WHERE direction = 'in' AND turn_id IN (SELECT id FROM turn)
    ORDER BY turn_id, received_at DESC NULLS LAST, id DESC
), request AS (
    SELECT DISTINCT ON (turn_id) turn_id, asked_at, received_at, started_at, finished_at, stored_at
    FROM conversations_llmrequest
    WHERE state = 'completed' AND turn_id IN (SELECT id FROM turn)
    ORDER BY turn_id, asked_at DESC
), reply AS (
    SELECT DISTINCT ON (turn_id) turn_id, purpose, sending_at, sent_at
    FROM conversations_message
    WHERE direction = 'out' AND purpose IN ('answer', 'fallback') AND state = 'sent' AND part = 0
      AND turn_id IN (SELECT id FROM turn)
    ORDER BY turn_id, sent_at
), hop AS (
    SELECT reply.sent_at - inbound.received_at AS reply,
           inbound.stored_at - inbound.received_at AS store,
           request.asked_at - inbound.stored_at AS ask,
           request.received_at - request.asked_at AS queue_for_llm,
           request.started_at - request.received_at AS llm_wait,
           request.finished_at - request.started_at AS llm,
           request.stored_at - request.finished_at AS reply_back,
           CASE WHEN reply.purpose = 'answer' THEN reply.sending_at - request.stored_at END AS enqueue,
           reply.sent_at - reply.sending_at AS send
    FROM inbound LEFT JOIN request USING (turn_id) LEFT JOIN reply USING (turn_id)
)
SELECT {columns} FROM hop
"""


def report(organization_ids: Sequence[int], since: datetime | None = None) -> Report:
    """The ledger of these organizations, of turns that began at `since` or later."""
    parameters = {
        "organizations": list(organization_ids),
        "since": since or datetime.min.replace(tzinfo=timezone.get_default_timezone()),
        "now": timezone.now(),
        "percentiles": list(PERCENTILES),
    }
    turns, answered, handed_over, declined, open_, oldest = _row(_COUNTS, parameters)
    columns = ", ".join(_percentiles_of(name) for name in ("reply", *HOPS))
    reply, *hops = _row(_LATENCIES.format(columns=columns), parameters)
    return Report(
        turns=turns,
        answered=answered,
        handed_over=handed_over,
        declined=declined,
        open=open_,
        oldest_open_seconds=None if oldest is None else round(oldest),
        duplicates=_row(_DUPLICATES, parameters)[0],
        dead_letters=_row(_DEAD_LETTERS, parameters)[0],
        reply_ms=_named(reply),
        hops_ms={name: _named(values) for name, values in zip(HOPS, hops, strict=True)},
    )


def _percentiles_of(interval: str) -> str:
    milliseconds = f"extract(epoch FROM {interval})::float8 * 1000"
    return f"percentile_cont(%(percentiles)s::float8[]) WITHIN GROUP (ORDER BY {milliseconds})"


def _row(sql: str, parameters: dict[str, Any]) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        row: tuple[Any, ...] = cursor.fetchone()
    return row


def _named(values: Sequence[float | None] | None) -> Percentiles:
    names = [f"p{round(share * 100)}" for share in PERCENTILES]
    found: Sequence[float | None] = values or [None] * len(names)
    return {name: None if value is None else round(value) for name, value in zip(names, found, strict=True)}
