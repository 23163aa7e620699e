"""Each minute: finds what is still open and puts it back on its way, whichever queue message was lost; counts
for the dashboards what has changed; and asks the platforms of some channels how they are, of each once a
day."""

import hub_lambdas.runtime  # noqa: F401, I001 - starts Django before any model is imported

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import close_old_connections, transaction
from django.db.models import DurationField, ExpressionWrapper, F, Q, Value
from django.db.models.functions import Greatest
from django.utils import timezone

from console.channels import connection
from console.channels.models import Channel
from console.conversations.models import DeadLetter, LlmRequest, Message, Turn
from console.dashboards import tallying
from hub_lambdas import actions, alerts, idle, media, metrics, newcomers, outbox, reading, staff, turns
from hub_lambdas.faults import describe

log = logging.getLogger(__name__)

QUIET_SECONDS = 20
"""What happened within this time is still in the hands of the queues."""
ABANDONED_SECONDS = 120
"""An attempt to send older than this has lost its sender, and its queue message too."""
MENDING_SECONDS = 35
"""How long one sweep mends what was lost: after that it tells staff, whose news must not wait behind it."""
TELLING_SECONDS = 45
EXAMINING_SECONDS = 20
"""Platforms may be slow: a channel that is not looked at in time is first in the next sweep."""
LETTERS_ARE_NEW_FOR = timedelta(minutes=2)
"""Longer than from one sweep to the next, so that the alarm hears of each."""


def handler(event: Mapping[str, Any], context: object) -> dict[str, int]:
    """Put back on its way whatever has been waiting too long, note who waits for staff, give conversations
    that are done back to the bot, tell staff what is theirs and forget who was new; says how many of each,
    and how many turns are still overdue and dead letters new."""
    close_old_connections()
    now, started = timezone.now(), time.monotonic()
    quiet = now - timedelta(seconds=QUIET_SECONDS)
    mend = partial(_each, until=started + MENDING_SECONDS)
    done = {
        "requests": mend(_lost_requests(quiet), _request_again),
        "sends": mend(_lost_sends(quiet, now), partial(_send_again, now)),
        "turns": mend(_open_turns(quiet, now), actions.advance),
        "errands": mend(media.due(now, quiet), media.order_again),
        "read": mend(reading.due(now), partial(reading.read, now)),
        "waits": mend(staff.unnoted_waits(now), staff.note_wait),
        "returned": mend(idle.done_with(now), partial(idle.return_to_bot, now)),
        "neglected": mend(idle.neglected(now), partial(idle.give_to_all, now)),
        "alerts": _each(alerts.due(now), alerts.send, until=started + TELLING_SECONDS),
        "counted": _each(tallying.due(now), tallying.count, until=started + TELLING_SECONDS),
        "forgotten": newcomers.forget(now),
        "overdue": count_overdue(now),
        "letters": count_new_letters(now),
    }
    metrics.publish("OpenTurnsPastLimit", done["overdue"], now)
    metrics.publish("NewDeadLetters", done["letters"], now)
    # Last, for platforms may take as long as they like to answer.
    examined = _each(connection.due_for_examination(now), _examine, until=started + EXAMINING_SECONDS)
    return {**done, "examined": examined}


def _each(ids: Iterable[Any], mend: Callable[[Any], None], until: float) -> int:
    """One row's fault never keeps the sweep from the next. What is not done by `until` is left to the next
    sweep."""
    count = 0
    for row_id in ids:
        if time.monotonic() > until:
            log.warning("sweep: out of time for %s, the rest waits for the next one", mend)
            break
        try:
            mend(row_id)
        except Exception as error:
            log.error("sweep: %s %s failed: %s", mend, row_id, describe(error))
        else:
            count += 1
    return count


def _examine(channel_id: Any) -> None:
    connection.examine(Channel.objects.get(pk=channel_id))


def _open_turns(quiet: datetime, now: datetime) -> list[int]:
    """Those of a channel that waits for its repair are looked at again when they have waited too long."""
    unsettled = Turn.objects.filter(state__in=Turn.UNSETTLED, last_message_at__lt=quiet)
    too_long = Q(last_message_at__lt=now - turns.HOLD_AT_MOST)
    due = unsettled.filter(~Channel.held("conversation__contact__channel__") | too_long)
    return list(due.order_by("last_message_at").values_list("pk", flat=True))


def count_overdue(now: datetime) -> int:
    """Turns that neither the contact nor staff heard of although their organization's limit has passed. Those
    of a channel that waits for its repair are not late yet."""
    limit = ExpressionWrapper(
        F("organization__handover_after_seconds") * Value(timedelta(seconds=1)), output_field=DurationField()
    )
    waits_since = Greatest("last_message_at", "conversation__contact__channel__resumed_at")
    late = Turn.objects.alias(limit=limit, waits_since=waits_since).filter(
        state__in=Turn.UNSETTLED, waits_since__lt=now - timedelta(seconds=QUIET_SECONDS) - F("limit")
    )
    return late.exclude(Channel.held("conversation__contact__channel__")).count()


def count_new_letters(now: datetime) -> int:
    """Dead letters that were stored lately, by whichever way, and that nobody has seen to yet."""
    waiting = DeadLetter.objects.filter(state=DeadLetter.State.WAITING)
    return waiting.filter(stored_at__gt=now - LETTERS_ARE_NEW_FOR).count()


def _lost_requests(quiet: datetime) -> list[Any]:
    pending = LlmRequest.objects.filter(state=LlmRequest.State.PENDING, asked_at__lt=quiet)
    newest = pending.filter(turn__state=Turn.State.ASKED).order_by("turn_id", "-asked_at").distinct("turn_id")
    return list(newest.values_list("pk", flat=True))


@transaction.atomic
def _request_again(request_id: Any) -> None:
    actions.queue_request(LlmRequest.objects.select_related("turn__organization").get(pk=request_id))


def _lost_sends(quiet: datetime, now: datetime) -> list[int]:
    abandoned = now - timedelta(seconds=ABANDONED_SECONDS)
    unsent = Message.objects.filter(state__in=[Message.State.PENDING, Message.State.SENDING])
    lost = unsent.filter(direction=Message.Direction.OUT).filter(
        Q(state=Message.State.PENDING)
        & Q(stored_at__lt=quiet)
        & (Q(sending_at=None) | Q(sending_at__lt=quiet))
        | Q(state=Message.State.SENDING, sending_at__lt=abandoned)
    )
    return list(lost.exclude(Channel.held("channel__")).order_by("pk").values_list("pk", flat=True))


@transaction.atomic
def _send_again(now: datetime, message_id: int) -> None:
    """Through the queue, which keeps the conversation's order; the sender sees what became of an earlier
    attempt."""
    outbox.queue_delivery(Message.objects.get(pk=message_id), occasion=f"sweep-{now:%H%M}")
