"""Each minute: finds what is still open and puts it back on its way, whichever queue message was lost; and
asks the platforms of some channels how they are, of each once a day."""

import hub_lambdas.runtime  # noqa: F401, I001 - starts Django before any model is imported

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import close_old_connections, transaction
from django.db.models import Q
from django.utils import timezone

from console.channels import connection
from console.channels.models import Channel
from console.conversations.models import LlmRequest, Message, Turn
from hub_lambdas import actions, alerts, media, reading, staff, turns
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


def handler(event: Mapping[str, Any], context: object) -> dict[str, int]:
    """Put back on its way whatever has been waiting too long, give conversations that are done back to the
    bot and tell staff what is theirs; says how many of each."""
    close_old_connections()
    now, started = timezone.now(), time.monotonic()
    quiet = now - timedelta(seconds=QUIET_SECONDS)
    mend = partial(_each, until=started + MENDING_SECONDS)
    return {
        "requests": mend(_lost_requests(quiet), _request_again),
        "sends": mend(_lost_sends(quiet, now), partial(_send_again, now)),
        "turns": mend(_open_turns(quiet, now), actions.advance),
        "errands": mend(media.due(now, quiet), media.order_again),
        "read": mend(reading.due(now), partial(reading.read, now)),
        "returned": mend(staff.idle_conversations(now), partial(staff.return_idle, now)),
        "alerts": _each(alerts.due(now), alerts.send, until=started + TELLING_SECONDS),
        "examined": _each(connection.due_for_examination(now), _examine, until=started + EXAMINING_SECONDS),
    }


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
    actions.queue_delivery(Message.objects.get(pk=message_id), occasion=f"sweep-{now:%H%M}")
