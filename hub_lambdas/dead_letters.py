"""Every dead-letter queue → the ledger: the message is kept, and the turn behind it goes to staff."""

import hub_lambdas.runtime  # noqa: F401, I001 - starts Django before any model is imported

import json
import logging
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from django.db import DatabaseError, transaction
from django.utils import timezone

from console.organizations.models import Organization
from console.conversations.models import DeadLetter, LlmRequest, Message, Turn
from hub_lambdas import actions, batch, forgetting, inbox, intake, queues, turns
from hub_lambdas.faults import describe
from hub_lambdas.snapshots import snapshot

log = logging.getLogger(__name__)


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Keep each dead letter and see to it that its contact is not left waiting."""
    return batch.process(event, _bury)


def _bury(record: batch.SqsRecord) -> None:
    queue = batch.source_queue(record)
    turn = _turn_behind(queue, record["body"])
    organization = turn.organization if turn else _organization_named(record["body"])
    with transaction.atomic():
        # Its row is there already where the handler could still say why it failed.
        letter, _ = DeadLetter.objects.get_or_create(
            queue_message_id=record["messageId"], defaults={"queue": queue, "body": record["body"]}
        )
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
    except DatabaseError:
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
    if current.policy.declines or (is_question and answered):
        actions.do_what_is_due(turn)
        return
    due: list[turns.Action] = [turns.Cancel(), turns.hand_over(current, turns.Reason.DEAD_LETTER)]
    actions.carry_out(turn, due, now)
