"""Counts the hours of the ledger into the tally. The sweep has an hour counted as soon as it has begun, and
again when a turn of it has changed since."""

from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils import timezone

from console.conversations.report import CONDITIONS, TURNS, Scope, rows
from console.dashboards.times import BIN
from console.organizations.models import Organization

HOUR = timedelta(hours=1)
RECOUNTED_AFTER = timedelta(minutes=5)
"""So often at most an hour is counted: a dashboard is that far behind."""
CHANGED_WITHIN = timedelta(hours=2)
"""How far back turns are looked at for a change: longer than the sweep is ever kept from an hour."""
SENT_WITHIN = timedelta(minutes=2)
"""What a contact is told of an outcome leaves after it."""
HOURS_AT_ONCE = 48
EVERY_HOUR = 1_000_000


def due(now: datetime, at_most: int = HOURS_AT_ONCE) -> list[datetime]:
    """Hours to be counted, the newest first: those in which a turn has changed, and those since the first
    turn that were never counted."""
    parameters = {
        "now": now,
        "changed_since": now - CHANGED_WITHIN,
        "sent_within": SENT_WITHIN,
        "counted_before": now - RECOUNTED_AFTER,
        "at_most": at_most,
    }
    return [hour for (hour,) in rows(_DUE, parameters)]


@transaction.atomic
def count(hour: datetime) -> None:
    """Count the turns that began within an hour, whatever was counted before."""
    ids = list(Organization.objects.values_list("pk", flat=True))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('dashboards_tally'))")
        cursor.execute("DELETE FROM dashboards_tally WHERE hour = %s", [hour])
        parameters = {**Scope(ids, hour, hour + HOUR).parameters(), "counted_at": timezone.now()}
        cursor.execute(_COUNT, parameters)


_DUE = """
WITH changed AS (
    SELECT date_trunc('hour', first_message_at) AS hour,
           max(coalesce(settled_at + %(sent_within)s, %(now)s)) AS at
    FROM conversations_turn
    WHERE settled_at > %(changed_since)s OR state IN ('open', 'asked')
    GROUP BY 1
), begun AS (
    SELECT min(first.at) AS at FROM organizations_organization organization
    CROSS JOIN LATERAL (SELECT min(first_message_at) AS at FROM conversations_turn
                        WHERE organization_id = organization.id) first
), known AS (
    SELECT hour, NULL::timestamptz AS changed_at
    FROM begun, generate_series(date_trunc('hour', begun.at), %(now)s, interval '1 hour') hour
    UNION ALL SELECT hour, at FROM changed
)
SELECT known.hour FROM known
LEFT JOIN dashboards_tally tally ON tally.hour = known.hour AND tally.organization_id IS NULL
GROUP BY known.hour
HAVING max(tally.counted_at) IS NULL
    OR max(tally.counted_at) < max(known.changed_at) AND max(tally.counted_at) < %(counted_before)s
ORDER BY known.hour DESC LIMIT %(at_most)s
"""

_COUNT = """
INSERT INTO dashboards_tally (
    hour, organization_id, channel_id, counted_at, received, sent, turns, answered, handed_over, declined,
    in_time, slow, prompt_tokens, completion_tokens, reasons, answer_times
)
TURNS
, spent AS (
    SELECT turn_id, sum(prompt_tokens) AS prompt_tokens, sum(completion_tokens) AS completion_tokens
    FROM conversations_llmrequest WHERE turn_id IN (SELECT id FROM turn) GROUP BY turn_id
), said AS (
    SELECT turn_id, count(*) FILTER (WHERE direction = 'in') AS received,
           count(*) FILTER (WHERE direction = 'out' AND state = 'sent') AS sent
    FROM conversations_message WHERE turn_id IN (SELECT id FROM turn) GROUP BY turn_id
), numbers AS (
    SELECT organization_id, channel_id, coalesce(sum(said.received), 0) AS received,
           coalesce(sum(said.sent), 0) AS sent, count(*) AS turns,
           count(*) FILTER (WHERE IS_ANSWERED) AS answered,
           count(*) FILTER (WHERE IS_HANDED_OVER) AS handed_over,
           count(*) FILTER (WHERE IS_DECLINED) AS declined,
           count(*) FILTER (WHERE IS_IN_TIME) AS in_time,
           count(*) FILTER (WHERE IS_SLOW) AS slow,
           coalesce(sum(spent.prompt_tokens), 0) AS prompt_tokens,
           coalesce(sum(spent.completion_tokens), 0) AS completion_tokens
    FROM told LEFT JOIN spent ON spent.turn_id = told.id LEFT JOIN said ON said.turn_id = told.id
    GROUP BY GROUPING SETS ((organization_id, channel_id), ())
), reasons AS (
    SELECT channel_id, jsonb_object_agg(reason, turns) AS counts
    FROM (SELECT channel_id, reason, count(*) AS turns FROM told WHERE IS_HANDED_OVER
          GROUP BY GROUPING SETS ((channel_id, reason), (reason))) each
    GROUP BY channel_id
), answer_times AS (
    SELECT channel_id, jsonb_object_agg(bin, turns) AS counts
    FROM (SELECT channel_id, bin, count(*) AS turns
          FROM (SELECT channel_id, BIN AS bin FROM told WHERE answer IS NOT NULL) binned
          GROUP BY GROUPING SETS ((channel_id, bin), (bin))) each
    GROUP BY channel_id
)
SELECT %(since)s, numbers.organization_id, numbers.channel_id, %(counted_at)s, received, sent, turns,
       answered, handed_over, declined, in_time, slow, prompt_tokens, completion_tokens,
       coalesce(reasons.counts, '{}'), coalesce(answer_times.counts, '{}')
FROM numbers
LEFT JOIN reasons ON reasons.channel_id IS NOT DISTINCT FROM numbers.channel_id
LEFT JOIN answer_times ON answer_times.channel_id IS NOT DISTINCT FROM numbers.channel_id
"""
_WORDS = {
    "TURNS": TURNS,
    "BIN": BIN.format(ms="answer"),
    **{f"IS_{name.upper()}": condition for name, condition in CONDITIONS.items()},
}
for _word, _meant in _WORDS.items():
    _COUNT = _COUNT.replace(_word, _meant)
