"""The turns behind a number: the same rows that report.py counted, as a list with pages."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse

from console.conversations.models import Turn
from console.conversations.report import CONDITIONS, MEASURES, TURNS, Scope, rows
from console.conversations.timeline import explain
from console.exact_text import printable
from console.proof import words
from console.proof.selection import Choice

PAGE_SIZE = 50


@dataclass(frozen=True)
class ListedTurn:
    """One turn in a list. `contact`, and the conversation to link to, for those who may read it only."""

    at: datetime
    organization: str
    contact: str
    channel: str
    state: str
    reason: str
    first_reply: str
    answer: str
    measured: str
    href: str

    @property
    def state_label(self) -> str:
        """Its outcome, or how far it came."""
        return str(Turn.State(self.state).label)


_LIST = """
SELECT page.id, page.first_message_at, organization.name,
       CASE WHEN page.is_readable THEN coalesce(nullif(contact.name, ''), contact.platform_id) END,
       channel.name, page.state, page.reason, page.reason_detail,
       page.first_reply, page.answer, page.measured,
       CASE WHEN page.is_readable THEN page.conversation_id END,
       (SELECT max(message.id) FROM conversations_message message WHERE message.turn_id = page.id),
       page.found
FROM (SELECT *, {measured} AS measured, organization_id = ANY(%(readable)s) AS is_readable,
             count(*) OVER () AS found, row_number() OVER (ORDER BY {order}) AS place
      FROM told WHERE ({condition}) AND {narrowed} ORDER BY place LIMIT %(limit)s OFFSET %(offset)s) page
JOIN conversations_conversation conversation ON conversation.id = page.conversation_id
JOIN conversations_contact contact ON contact.id = conversation.contact_id
JOIN channels_channel channel ON channel.id = page.channel_id
JOIN organizations_organization organization ON organization.id = page.organization_id
ORDER BY page.place
"""


def turns(
    scope: Scope, choice: Choice, readable: Collection[int], page: int = 1
) -> tuple[Sequence[ListedTurn], int]:
    """One page of the chosen turns and how many there are in all: the newest first, or the slowest where a
    measure is chosen. `readable`: the organizations whose conversations may be read."""
    measure = choice.measure if choice.measure in MEASURES else "NULL::float8"  # it is part of the SQL
    narrowed = ["true"]
    if choice.reason:
        narrowed.append("reason = %(reason)s")
    if choice.measure:
        narrowed.append(f"round({measure}) >= coalesce(%(at_least)s, '-infinity'::float8)")
    sql = TURNS + _LIST.format(
        measured=measure,
        condition=CONDITIONS[choice.condition],
        narrowed=" AND ".join(narrowed),
        order=f"{measure} DESC, id DESC" if choice.measure else "first_message_at DESC, id DESC",
    )
    parameters: dict[str, Any] = {
        **scope.parameters(),
        "readable": list(readable),
        "reason": choice.reason,
        "at_least": choice.at_least,
        "limit": PAGE_SIZE,
        "offset": (page - 1) * PAGE_SIZE,
    }
    found = rows(sql, parameters)
    return [_listed(row) for row in found], found[0][-1] if found else 0


def _listed(row: tuple[Any, ...]) -> ListedTurn:
    (
        turn_id,
        at,
        organization,
        contact,
        channel,
        state,
        reason,
        detail,
        *times,
        conversation_id,
        message_id,
        _,
    ) = row
    first_reply, answer, measured = times
    return ListedTurn(
        at=at,
        organization=organization,
        contact=printable(contact or ""),
        channel=channel,
        state=state,
        reason=explain(reason, detail),
        first_reply=_time(first_reply),
        answer=_time(answer),
        measured=_time(measured),
        href=_conversation_url(turn_id, conversation_id, message_id),
    )


def _conversation_url(turn_id: int, conversation_id: int | None, last_message_id: int | None) -> str:
    """The conversation as it stood at the end of the turn; nowhere for those who may not read it."""
    if conversation_id is None:
        return ""
    before = "" if last_message_id is None else f"?before={last_message_id + 1}"
    return f"{reverse('admin:inbox_conversation', args=[conversation_id])}{before}#turn-{turn_id}"


def _time(ms: float | None) -> str:
    return words.duration(None if ms is None else round(ms))
