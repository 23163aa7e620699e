"""What a dashboard shows in numbers: sums over the tally. How many queries it takes does not depend on how
much there is to count."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from console.conversations.report import rows
from console.dashboards.models import Tally
from console.dashboards.periods import Period
from console.dashboards.times import percentile
from console.organizations.models import User

SUMS = (
    "received",
    "sent",
    "turns",
    "answered",
    "handed_over",
    "declined",
    "in_time",
    "slow",
    "prompt_tokens",
    "completion_tokens",
)
OPINIONS = ("good", "bad", "by_contacts")


@dataclass(frozen=True)
class Figures:
    """What some hours add up to. `answer_times`: how many answers in each bin; `good`, `bad`: feedback that
    was given then, `by_contacts`: how much of it by them."""

    received: int = 0
    sent: int = 0
    turns: int = 0
    answered: int = 0
    handed_over: int = 0
    declined: int = 0
    in_time: int = 0
    slow: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    answer_times: Mapping[int, int] = field(default_factory=dict)
    good: int = 0
    bad: int = 0
    by_contacts: int = 0

    @property
    def good_percent(self) -> float | None:
        """Of the feedback that was given."""
        return _percent(self.good, self.good + self.bad)

    @property
    def open(self) -> int:
        """Turns that had no outcome when they were counted last."""
        return self.turns - self.answered - self.handed_over - self.declined

    @property
    def handed_over_percent(self) -> float | None:
        return _percent(self.handed_over, self.turns)

    @property
    def answered_percent(self) -> float | None:
        return _percent(self.answered, self.turns)

    @property
    def in_time_percent(self) -> float | None:
        """First reply within five seconds, of the turns with one and those that wait for one too long."""
        return _percent(self.in_time, self.in_time + self.slow)

    @property
    def tokens_per_answer(self) -> int | None:
        return round((self.prompt_tokens + self.completion_tokens) / self.answered) if self.answered else None

    def answer_ms(self, share: float) -> int | None:
        """The time that `share` of the answers took at most, to some percent."""
        return percentile(self.answer_times, share)


@dataclass(frozen=True)
class Subset:
    """Whose hours are added up: these organizations', or the whole platform's."""

    organization_ids: Sequence[int]
    is_platform: bool = False

    @classmethod
    def of_all(cls, user: User, organization_ids: Sequence[int]) -> "Subset":
        """All that `user` looks at, which are `organization_ids`: the platform, for ops who chose none."""
        return cls(organization_ids, user.is_ops and user.chosen_organization not in user.roles)


@dataclass(frozen=True)
class Report:
    """The figures of a period: in all, in the period before it, and per bucket."""

    total: Figures
    before: Figures
    over_time: Mapping[datetime, Figures]
    reasons: Sequence[tuple[str, int]]
    """Why turns were handed over, the most frequent reason first."""
    hours: Mapping[tuple[int, int], int]
    """Messages of contacts by weekday (Monday is 1) and hour."""


def report(subset: Subset, period: Period) -> Report:
    """Everything but the parts: in six queries."""
    times = _answer_times(subset, period)
    sums = {bucket: values for bucket, *values in _rows(_OVER_TIME, subset, period)}
    opinions = {bucket: values for bucket, *values in _rows(_FEEDBACK, subset, period)}
    over_time = {
        bucket: _figures(sums.get(bucket), times.get(bucket), opinions.get(bucket))
        for bucket in sums.keys() | opinions.keys()
    }
    return Report(
        total=_figures(_added(sums.values()), _together(times.values()), _added(opinions.values())),
        before=total(subset, period.before),
        over_time=over_time,
        reasons=_rows(_REASONS, subset, period),
        hours={(weekday, hour): count for weekday, hour, count in _rows(_HOURS, subset, period)},
    )


def counted_at() -> datetime | None:
    """When the sweep counted last."""
    return (
        Tally.objects.filter(organization=None).order_by("-hour").values_list("counted_at", flat=True).first()
    )


def total(subset: Subset, period: Period) -> Figures:
    """What a period adds up to, without the times of answers and without feedback."""
    return _figures(_rows(_TOTAL, subset, period)[0])


def by_channel(subset: Subset, period: Period) -> Mapping[UUID, Figures]:
    """The figures of each channel that had turns, by its primary key."""
    return _parts("channel_id", subset, period)


def by_organization(subset: Subset, period: Period) -> Mapping[int, Figures]:
    """The figures of each organization that had turns, by its primary key."""
    return _parts("organization_id", subset, period)


def _parts(key: str, subset: Subset, period: Period) -> Mapping[Any, Figures]:
    own = Subset(subset.organization_ids)
    return {part: _figures(values) for part, *values in _rows(_PARTS.replace("KEY", key), own, period)}


def _answer_times(subset: Subset, period: Period) -> Mapping[datetime, Mapping[int, int]]:
    found: dict[datetime, dict[int, int]] = defaultdict(dict)
    for bucket, number, count in _rows(_ANSWER_TIMES, subset, period):
        found[bucket][number] = count
    return found


def _figures(
    sums: Sequence[int | None] | None,
    answer_times: Mapping[int, int] | None = None,
    opinions: Sequence[int] | None = None,
) -> Figures:
    known = dict(zip(SUMS, (value or 0 for value in sums), strict=True)) if sums else {}
    given = dict(zip(OPINIONS, opinions, strict=True)) if opinions else {}
    return Figures(**known, **given, answer_times=answer_times or {})


def _added(values: Iterable[Sequence[int]]) -> list[int]:
    """Column by column."""
    return [sum(column) for column in zip(*values, strict=True)]


def _together(each: Iterable[Mapping[int, int]]) -> Mapping[int, int]:
    total: dict[int, int] = defaultdict(int)
    for bins in each:
        for number, count in bins.items():
            total[number] += count
    return total


def _rows(sql: str, subset: Subset, period: Period) -> list[tuple[Any, ...]]:
    since, until = period.bounds
    parameters = {
        "organizations": list(subset.organization_ids),
        "since": since,
        "until": until,
        "channel": period.channel.pk if period.channel else None,
        "unit": period.unit,
        "zone": period.zone.key,
    }
    of_these = "organization_id = ANY(%(organizations)s)"
    counted = "organization_id IS NULL" if subset.is_platform else of_these
    given = "true" if subset.is_platform else f"feedback.{of_these}"
    chosen = _CHOSEN.replace("WHOSE", counted)
    words = {"CHOSEN": chosen, "GIVEN": given, "ADDED": _ADDED, "BUCKET": _BUCKET}
    for word, meant in words.items():
        sql = sql.replace(word, meant)
    return rows(sql, parameters)


_CHOSEN = """
WHERE WHOSE AND hour >= %(since)s AND hour < %(until)s
  AND (%(channel)s::uuid IS NULL OR channel_id = %(channel)s::uuid)
"""
_BUCKET = "date_trunc(%(unit)s, hour AT TIME ZONE %(zone)s)"
_ADDED = ", ".join(f"sum({name})::bigint" for name in SUMS)
_TOTAL = "SELECT ADDED FROM dashboards_tally CHOSEN"
_OVER_TIME = "SELECT BUCKET AS bucket, ADDED FROM dashboards_tally CHOSEN GROUP BY bucket"
_PARTS = "SELECT KEY, ADDED FROM dashboards_tally CHOSEN GROUP BY KEY"
_ANSWER_TIMES = """
SELECT BUCKET AS bucket, each.key::int, sum(each.value::int)::bigint
FROM dashboards_tally CROSS JOIN LATERAL jsonb_each_text(answer_times) each CHOSEN GROUP BY bucket, each.key
"""
_REASONS = """
SELECT each.key, sum(each.value::int)::bigint AS turns
FROM dashboards_tally CROSS JOIN LATERAL jsonb_each_text(reasons) each CHOSEN
GROUP BY each.key ORDER BY turns DESC, each.key
"""
_FEEDBACK = """
SELECT date_trunc(%(unit)s, feedback.given_at AT TIME ZONE %(zone)s) AS bucket,
       count(*) FILTER (WHERE is_good), count(*) FILTER (WHERE NOT is_good),
       count(*) FILTER (WHERE source = 'contact')
FROM feedback_feedback feedback
WHERE GIVEN AND feedback.given_at >= %(since)s AND feedback.given_at < %(until)s
  AND (%(channel)s::uuid IS NULL OR %(channel)s::uuid =
       (SELECT channel_id FROM conversations_message message WHERE message.id = feedback.message_id))
GROUP BY bucket
"""
_HOURS = """
SELECT extract(isodow FROM at)::int AS weekday, extract(hour FROM at)::int AS hour_of_day,
       sum(received)::bigint
FROM (SELECT hour AT TIME ZONE %(zone)s AS at, received FROM dashboards_tally CHOSEN) each
GROUP BY weekday, hour_of_day HAVING sum(received) > 0
"""


def _percent(part: int, whole: int) -> float | None:
    return part * 100 / whole if whole else None
