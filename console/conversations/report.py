"""What the ledger says in numbers, computed by Postgres: outcomes, promises kept or broken, times.

`TURNS` has a row per turn with what is known of it, but for those of test messages, which count nowhere.
Every number is one of `CONDITIONS` or `MEASURES` over those rows, so a list of turns by the same
condition (console/proof/turns.py) shows exactly those counted.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from console.conversations.timeline import REPLY_LIMIT_MS
from hub_lambdas.turns import HOLD_AT_MOST

PERCENTILES = (0.5, 0.95, 0.99)
Percentiles = dict[str, int | None]
"""Whole milliseconds by name ("p50"), None where nothing was measured."""

# --- what is known of each turn -----------------------------------------------------------------------------

_HOPS: Mapping[str, str] = {
    "store": "written.stored_at - written.last_at",
    "ask": "request.asked_at - written.stored_at",
    "queue_for_llm": "request.received_at - request.asked_at",
    "llm_wait": "request.started_at - request.received_at",
    "llm": "request.finished_at - request.started_at",
    "reply_back": "request.stored_at - request.finished_at",
    "enqueue": "CASE WHEN sent.reply_at = sent.answer_at THEN sent.answer_sending_at - request.stored_at END",
    "send": "sent.reply_at - CASE WHEN sent.reply_at = sent.answer_at THEN sent.answer_sending_at"
    " ELSE sent.fallback_sending_at END",
}
_MEASURES: Mapping[str, str] = {
    "reply": "sent.reply_at - written.last_at",
    "first_reply": "sent.first_reply_at - written.before_first_reply_at",
    "first_reply_from_first": "sent.first_reply_at - written.first_at",
    "answer": "sent.answer_at - written.before_answer_at",
    "answer_from_first": "sent.answer_at - written.first_at",
    **_HOPS,
}
HOPS = tuple(_HOPS)
"""received → stored → asked → taken by llm_api → started → finished → reply stored → sending → sent."""
MEASURES = tuple(_MEASURES)
"""Milliseconds of a turn. A first reply is the first of answer, holding line and fallback; `reply` leaves the
holding line out. They run from the contact's last message before it, `…_from_first` from the turn's first."""

OVER_TIME = ("first_reply", "answer", *HOPS)
"""Measures that are known of each stretch of time."""
OF_EACH = ("first_reply",)
"""Measures that are known of each organization."""

CONDITIONS: Mapping[str, str] = {
    "turns": "true",
    "answered": "state = 'answered'",
    "handed_over": "state = 'handed_over'",
    "declined": "state = 'declined'",
    "open": "is_open",
    "held": "is_open AND channel_is_held",
    "overdue": "is_open AND %(now)s > due_at",
    "duplicates": "replies > 1",
    "unknown_deliveries": "has_unknown_delivery",
    "dead_lettered": "has_dead_letter",
    "replied": "first_reply IS NOT NULL",
    "in_time": f"first_reply <= {REPLY_LIMIT_MS}",
    "slow": f"first_reply > {REPLY_LIMIT_MS} OR"
    f" (first_reply IS NULL AND is_open AND %(now)s > last_message_at + interval '{REPLY_LIMIT_MS} ms')",
    "held_the_line": "had_holding_line",
    "unreplied": "first_reply IS NULL AND NOT is_open",
}
"""What a turn may be counted as, over a row of `TURNS`. `held`: it waits for the repair of its channel.
`overdue`: open beyond its organization's limit, or held for longer than the hub holds. `duplicates`: it got
more than one reply (answer or fallback, each in any number of parts). `unknown_deliveries`: it may have got
one that nobody knows of, or one twice. `slow`: none within five seconds."""

TURNS = """
WITH turn AS MATERIALIZED (
    SELECT id, organization_id, conversation_id, state, reason, reason_detail, first_message_at,
           last_message_at, state IN ('open', 'asked') AS is_open
    FROM conversations_turn
    WHERE organization_id = ANY(%(organizations)s)
      AND first_message_at >= %(since)s AND first_message_at < %(until)s
      AND (NOT %(only_open)s OR state IN ('open', 'asked'))
      AND conversation_id NOT IN (SELECT conversation.id FROM conversations_contact contact
                                  JOIN conversations_conversation conversation
                                       ON conversation.contact_id = contact.id
                                  WHERE contact.is_test)
), outbound AS (
    SELECT turn_id, purpose, sending_at, sent_at,
           state = 'unknown' OR (unknown_attempts > 0 AND attempts > 1) AS is_unknown,
           state = 'sent' AND part = 0 AS is_sent
    FROM conversations_message
    WHERE direction = 'out' AND turn_id IN (SELECT id FROM turn) AND turn_id >= (SELECT min(id) FROM turn)
), sent AS (
    SELECT turn_id,
           min(sent_at) FILTER (WHERE is_sent AND purpose IN ('answer', 'holding', 'fallback'))
               AS first_reply_at,
           min(sent_at) FILTER (WHERE is_sent AND purpose IN ('answer', 'fallback')) AS reply_at,
           min(sent_at) FILTER (WHERE is_sent AND purpose = 'answer') AS answer_at,
           min(sending_at) FILTER (WHERE is_sent AND purpose = 'answer') AS answer_sending_at,
           min(sending_at) FILTER (WHERE is_sent AND purpose = 'fallback') AS fallback_sending_at,
           count(*) FILTER (WHERE is_sent AND purpose IN ('answer', 'fallback')) AS replies,
           bool_or(is_sent AND purpose = 'holding') AS had_holding_line,
           bool_or(is_unknown) AS has_unknown_delivery
    FROM outbound GROUP BY turn_id
), written AS (
    SELECT message.turn_id, (array_agg(message.channel_id))[1] AS channel_id,
           min(received_at) AS first_at, max(received_at) AS last_at,
           max(stored_at) AS stored_at, max(edited_at) AS edited_at,
           max(received_at) FILTER (WHERE received_at <= sent.first_reply_at) AS before_first_reply_at,
           max(received_at) FILTER (WHERE received_at <= sent.answer_at) AS before_answer_at
    FROM conversations_message message LEFT JOIN sent ON sent.turn_id = message.turn_id
    WHERE message.direction = 'in' AND message.turn_id IN (SELECT id FROM turn)
      AND message.turn_id >= (SELECT min(id) FROM turn)
    GROUP BY message.turn_id
), request AS (
    SELECT DISTINCT ON (turn_id) turn_id, asked_at, received_at, started_at, finished_at, stored_at
    FROM conversations_llmrequest
    WHERE state = 'completed' AND turn_id IN (SELECT id FROM turn) AND turn_id >= (SELECT min(id) FROM turn)
    ORDER BY turn_id, asked_at DESC
), told AS (
    SELECT turn.*, written.channel_id, channel.is_held AS channel_is_held,
           coalesce(sent.replies, 0) AS replies,
           coalesce(sent.had_holding_line, false) AS had_holding_line,
           coalesce(sent.has_unknown_delivery, false) AS has_unknown_delivery,
           turn.id IN (SELECT turn_id FROM conversations_deadletter
                       WHERE state = 'waiting' AND turn_id IS NOT NULL) AS has_dead_letter,
           CASE WHEN channel.is_held
                THEN greatest(turn.last_message_at, written.edited_at) + %(hold_at_most)s
                ELSE greatest(turn.last_message_at, written.edited_at, channel.resumed_at)
                     + organization.handover_after_seconds * interval '1 second'
           END AS due_at,
           MEASURES
    FROM turn
    LEFT JOIN written ON written.turn_id = turn.id
    LEFT JOIN (SELECT id, resumed_at, status = 'paused' AND status_reason <> '' AS is_held
               FROM channels_channel) channel ON channel.id = written.channel_id
    JOIN organizations_organization organization ON organization.id = turn.organization_id
    LEFT JOIN sent ON sent.turn_id = turn.id
    LEFT JOIN request ON request.turn_id = turn.id
    WHERE %(channel)s::uuid IS NULL OR written.channel_id = %(channel)s::uuid
)
"""
TURNS = TURNS.replace(
    "MEASURES",
    ", ".join(f"1000 * date_part('epoch', {sql}) AS {name}" for name, sql in _MEASURES.items()),
)
"""Common table expressions, the last of which is `told`: a row per turn of a scope. Takes `parameters()`.
Turns of a period were stored one after the other, so from the first of them on Postgres reads a stretch of
its indexes, and not all messages that there are."""


ORIGIN = datetime(2001, 1, 1, tzinfo=UTC)
"""A Monday, midnight UTC."""
EVER, NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Scope:
    """Which turns: of these organizations, begun at `since` or later and before `until`, on one channel or
    all, open ones or all. `is_platform`: dead letters that name no organization belong to it, too."""

    organization_ids: Sequence[int]
    since: datetime = EVER
    until: datetime = NEVER
    channel_id: UUID | None = None
    only_open: bool = False
    is_platform: bool = False

    @property
    def standing(self) -> "Scope":
        """What is open now, however long ago it began."""
        return replace(self, since=EVER, until=NEVER, only_open=True)

    def parameters(self) -> dict[str, Any]:
        """What `TURNS` and `CONDITIONS` take."""
        return {
            "organizations": list(self.organization_ids),
            "since": self.since,
            "until": self.until,
            "channel": self.channel_id,
            "only_open": self.only_open,
            "is_platform": self.is_platform,
            "now": timezone.now(),
            "hold_at_most": HOLD_AT_MOST,
        }


# --- the numbers --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Numbers:
    """What some turns add up to: how many meet each of `CONDITIONS`, and the percentiles of `MEASURES`."""

    counts: Mapping[str, int]
    ms: Mapping[str, Percentiles]
    oldest_open_seconds: int | None = None

    def percent(self, condition: str, of: str = "turns") -> float | None:
        """How many percent of the turns that meet `of` meet `condition` too; None where there are none."""
        return _percent(self.counts[condition], self.counts[of])

    @property
    def in_time_percent(self) -> float | None:
        """Replied to within five seconds, of the turns with a reply and those that wait for one too long."""
        return _percent(self.counts["in_time"], self.counts["in_time"] + self.counts["slow"])


NOTHING = Numbers(
    counts=dict.fromkeys(CONDITIONS, 0),
    ms={name: {f"p{round(share * 100)}": None for share in PERCENTILES} for name in MEASURES},
)
"""The numbers of no turns."""


@dataclass(frozen=True)
class DeadLetters:
    """Dead letters stored since the scope began, and those that wait for somebody, however old."""

    stored: int
    waiting: int


@dataclass(frozen=True)
class Report:
    """The numbers of a scope: in all, per stretch of time (by its start) and per organization (by its id).
    `reasons`: how many turns were handed over and declined for which reason, the most frequent first, by
    outcome."""

    total: Numbers
    reasons: Mapping[str, Sequence[tuple[str, int]]]
    over_time: Mapping[datetime, Numbers]
    by_organization: Mapping[int, Numbers]


def report(
    scope: Scope,
    measures: Sequence[str] = MEASURES,
    bucket: timedelta | None = None,
    by_organization: bool = False,
    origin: datetime = ORIGIN,
) -> Report:
    """The numbers of `scope` with the percentiles of `measures`: in all, per `bucket` of time (of those,
    `OVER_TIME`) and per organization (`OF_EACH`) where asked for. Buckets are counted from `origin`."""
    wanted = [_IN_ALL.format(columns=_columns(measures, measures))]
    wanted += [_PER_BUCKET.format(columns=_columns(measures, OVER_TIME))] if bucket else []
    wanted += [_PER_ORGANIZATION.format(columns=_columns(measures, OF_EACH))] if by_organization else []
    sql = TURNS + " UNION ALL ".join(wanted)
    parameters = {**scope.parameters(), "width": bucket, "origin": origin, "shares": list(PERCENTILES)}
    found = {
        (start, organization): (_numbers(values, measures), reasons)
        for start, organization, reasons, *values in rows(sql, parameters)
    }
    total, reasons = found.pop((None, None))
    return Report(
        total=total,
        reasons=_reasons(reasons),
        over_time={start: each for (start, _), (each, _) in found.items() if start is not None},
        by_organization={key: each for (_, key), (each, _) in found.items() if key is not None},
    )


def _reasons(said: str | None) -> Mapping[str, Sequence[tuple[str, int]]]:
    found: dict[str, list[tuple[str, int]]] = {"handed_over": [], "declined": []}
    for state, reason, turns in json.loads(said or "[]"):
        found[state].append((reason, turns))
    return found


def dead_letters(scope: Scope) -> DeadLetters:
    """The dead letters of `scope`. Of one channel: those whose turn is on it."""
    ((stored, waiting),) = rows(_DEAD_LETTERS, scope.parameters())
    return DeadLetters(stored, waiting)


def rows(sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Everything that a statement finds."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


_IN_ALL = """
SELECT NULL::timestamptz, NULL::bigint,
       (SELECT jsonb_agg(jsonb_build_array(state, reason, turns) ORDER BY turns DESC, reason)
        FROM (SELECT state, reason, count(*) AS turns FROM told
              WHERE state IN ('handed_over', 'declined') GROUP BY state, reason) each),
       {columns}
FROM told
"""
_PER_BUCKET = """
SELECT bucket, NULL, NULL, {columns}
FROM (SELECT *, date_bin(%(width)s, first_message_at, %(origin)s) AS bucket FROM told) told
GROUP BY bucket
"""
_PER_ORGANIZATION = "SELECT NULL, organization_id, NULL, {columns} FROM told GROUP BY organization_id"

_DEAD_LETTERS = """
SELECT count(*) FILTER (WHERE letter.stored_at >= %(since)s AND letter.stored_at < %(until)s),
       count(*) FILTER (WHERE letter.state = 'waiting')
FROM conversations_deadletter letter
LEFT JOIN conversations_turn turn ON turn.id = letter.turn_id
LEFT JOIN conversations_conversation conversation ON conversation.id = turn.conversation_id
LEFT JOIN conversations_contact contact ON contact.id = conversation.contact_id
WHERE (letter.organization_id = ANY(%(organizations)s) OR %(is_platform)s AND letter.organization_id IS NULL)
  AND (%(channel)s::uuid IS NULL OR contact.channel_id = %(channel)s::uuid)
"""


def _columns(measures: Sequence[str], measured: Sequence[str]) -> str:
    """What is selected of some turns, with the percentiles of those `measures` that are `measured`: each is
    a sort of all of them."""
    counts = [f"count(*) FILTER (WHERE {condition})" for condition in CONDITIONS.values()]
    oldest = "max(extract(epoch FROM %(now)s - last_message_at)) FILTER (WHERE is_open)"
    percentiles = [
        f"percentile_cont(%(shares)s::float8[]) WITHIN GROUP (ORDER BY {name})"
        if name in measured
        else "NULL::float8[]"
        for name in measures
    ]
    return ", ".join([*counts, oldest, *percentiles])


def _numbers(values: Sequence[Any], measures: Sequence[str]) -> Numbers:
    counts, oldest = values[: len(CONDITIONS)], values[len(CONDITIONS)]
    return Numbers(
        counts=dict(zip(CONDITIONS, counts, strict=True)),
        ms=dict(zip(measures, map(_named, values[len(CONDITIONS) + 1 :]), strict=True)),
        oldest_open_seconds=None if oldest is None else round(oldest),
    )


def _named(values: Sequence[float | None] | None) -> Percentiles:
    names = [f"p{round(share * 100)}" for share in PERCENTILES]
    found: Sequence[float | None] = values or [None] * len(names)
    return {name: None if value is None else round(value) for name, value in zip(names, found, strict=True)}


def _percent(part: int, whole: int) -> float | None:
    return part * 100 / whole if whole else None
