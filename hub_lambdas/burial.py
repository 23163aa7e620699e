"""What becomes of a queue message that nobody could process: it is kept, and its turn goes to staff."""

import json
import logging
import uuid
from collections.abc import Callable
from typing import Any

from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from console.conversations.models import DeadLetter, LlmRequest, Message, Turn
from console.organizations.models import Organization
from hub_lambdas import actions, forgetting, inbox, intake, queues, turns
from hub_lambdas.faults import describe
from hub_lambdas.record import SqsRecord, source_queue
from hub_lambdas.snapshots import snapshot

log = logging.getLogger(__name__)


def bury(record: SqsRecord, cause: str = "") -> None:
    """Keep a record as a dead letter and see to it that its contact is not left waiting. A second time it
    changes nothing. The letter stays even where the rest fails: it is the only word of its cause."""
    queue = source_queue(record)
    letter, _ = DeadLetter.objects.get_or_create(
        queue_message_id=record["messageId"],
        defaults={"queue": queue, "body": record["body"], "cause": cause},
    )
    turn = _turn_behind(queue, record["body"])
    organization = turn.organization if turn else _organization_named(record["body"])
    with transaction.atomic():
        letter.turn, letter.organization = turn, organization
        letter.save(update_fields=["turn", "organization"])
        forgetting.forget_late(letter)
        if turn is not None:
            _hand_over(turn.pk, queue)


def _organization_named(body: str) -> Organization | None:
    """The organization that a body without a turn belongs to, so that its dead letter is seen where people
    look: by its channel, or by its message, as with a reply of staff."""
    try:
        named = json.loads(body)
        if "channel" in named:
            return Organization.objects.filter(channels=uuid.UUID(named["channel"])).first()
        return Organization.objects.filter(conversations__messages=named["message"]).first()
    except (ValueError, KeyError, TypeError):
        return None


def _turn_behind(queue: str, body: str) -> Turn | None:
    """The turn a dead letter speaks of, where it can be found."""
    find = _FINDERS.get(queue)
    if find is None:
        return None
    try:
        return find(json.loads(body))
    except (InterfaceError, OperationalError):
        raise  # it may be there all the same: the letter comes again
    except Exception as error:
        log.error("a dead letter of %s names no turn: %s", queue, describe(error))
        return None


def _turn_of_inbound(body: dict[str, Any]) -> Turn | None:
    """A message that could not be stored five times is tried once more here: it may be only its timing."""
    channel_id, received_at, inbound = inbox.decode(body)
    intake.store(channel_id, received_at, inbound)
    message = Message.objects.filter(channel_id=channel_id, platform_id=inbound.platform_id).first()
    return message.turn if message else None


def _turn_of_request(body: dict[str, Any]) -> Turn:
    return LlmRequest.objects.select_related("turn__organization").get(pk=uuid.UUID(body["id"])).turn


def _turn_of_message(body: dict[str, Any]) -> Turn | None:
    if "message" not in body:
        return None
    return Message.objects.select_related("turn__organization").get(pk=body["message"]).turn


def _turn_of_wakeup(body: dict[str, Any]) -> Turn:
    return Turn.objects.select_related("organization").get(pk=body["turn"])


_FINDERS: dict[str, Callable[[dict[str, Any]], Turn | None]] = {
    queues.INBOUND: _turn_of_inbound,
    queues.WAKEUPS: _turn_of_wakeup,
    queues.LLM_REQUESTS: _turn_of_request,
    queues.LLM_REPLIES: _turn_of_request,
    queues.OUTBOUND: _turn_of_message,
}


def _hand_over(turn_id: int, queue: str) -> None:
    """Staff get the turn, unless it is settled, or it was a question that a later one has replaced: then the
    answer to that is on its way."""
    turn, now = actions.lock_turn(turn_id), timezone.now()
    current = snapshot(turn, now)
    if current.is_settled:
        return
    answered = any(
        request.state is turns.RequestState.COMPLETED and current.is_fresh(request)
        for request in current.requests
    )
    is_question = queue in (queues.LLM_REQUESTS, queues.LLM_REPLIES)
    if current.policy.declines or (is_question and (answered or current.is_sealed)):
        actions.do_what_is_due(turn)
        return
    due: list[turns.Action] = [turns.Cancel(), turns.hand_over(current, turns.Reason.DEAD_LETTER)]
    actions.carry_out(turn, due, now)
