"""What becomes of a queue message that nobody could process: it is kept, and its turn goes to staff; what it
would have sent has failed."""

import json
import logging
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from console.channels.models import Channel
from console.conversations.models import DeadLetter, LlmRequest, Message, Turn
from console.organizations.models import Organization
from hub_lambdas import actions, forgetting, inbox, intake, queues, rehearsals, suggestions, turns, unsent
from hub_lambdas.channels.base import SHARED
from hub_lambdas.faults import describe
from hub_lambdas.record import SqsRecord, source_queue
from hub_lambdas.snapshots import snapshot

log = logging.getLogger(__name__)


def bury(record: SqsRecord, cause: str = "") -> None:
    """Keep a record as a dead letter and see to it that its contact is not left waiting. A second time it
    changes nothing. The letter stays even where the rest fails: it is the only word of its cause. Of what a
    member asked the LLM there is none: no contact waits for it, and they ask again. Nor is there one of what
    was erased meanwhile, or of a typing sign."""
    queue = source_queue(record)
    if (queue in _OF_THE_LLM and _is_for_console(record["body"])) or _is_erased(queue, record["body"]):
        return
    if queue == queues.OUTBOUND and _is_typing_sign(record["body"]):
        return
    letter = _keep(record, queue, cause)
    turn = _turn_behind(queue, record["body"])
    organization = turn.organization if turn else _organization_named(record["body"])
    with transaction.atomic():
        letter.turn, letter.organization = turn, organization
        letter.save(update_fields=["turn", "organization"])
        forgetting.forget_late(letter)
        if turn is not None:
            _hand_over(turn.pk, queue)
        if queue == queues.OUTBOUND:
            unsent.give_up(record["body"])


def _keep(record: SqsRecord, queue: str, cause: str) -> DeadLetter:
    """The letter of a record. The sweep queues what could not be sent again and again: of one message one
    letter waits, which tells of its last failure."""
    id_, body = record["messageId"], record["body"]
    if queue == queues.OUTBOUND and not DeadLetter.objects.filter(queue_message_id=id_).exists():
        same = DeadLetter.objects.filter(queue=queue, body=body, state=DeadLetter.State.WAITING)
        told = {"cause": cause} if cause else {}
        newest = same.order_by("-pk").values("pk")[:1]
        same.filter(pk__in=newest).update(queue_message_id=id_, stored_at=timezone.now(), **told)
    letter, _ = DeadLetter.objects.get_or_create(
        queue_message_id=id_, defaults={"queue": queue, "body": body, "cause": cause}
    )
    return letter


def _is_typing_sign(body: str) -> bool:
    try:
        named = json.loads(body)
    except ValueError:
        return False
    return isinstance(named, dict) and "typing" in named


_OF_THE_LLM = (queues.LLM_REQUESTS, queues.LLM_REPLIES)


def _is_for_console(body: str) -> bool:
    """Whether a body is of a suggestion or a rehearsal, which has failed with it."""
    try:
        request_id = uuid.UUID(json.loads(body)["id"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return False
    return suggestions.give_up(request_id) or rehearsals.give_up(request_id)


def _is_erased(queue: str, body: str) -> bool:
    """Whether the question, its contact or the channel is gone that a body with somebody's words is of."""
    try:
        named = json.loads(body)
        if queue in _OF_THE_LLM:
            kept = LlmRequest.objects.filter(turn__conversation__contact__erased_at=None)
            return not kept.filter(pk=uuid.UUID(named["id"])).exists()
        channel_id = uuid.UUID(named["channel"]) if queue == queues.INBOUND else SHARED
    except (ValueError, TypeError, KeyError, AttributeError):
        return False  # nobody can say what it belongs to
    return channel_id != SHARED and not Channel.objects.filter(pk=channel_id).exists()


_OWNED: Mapping[str, str] = {
    "channel": "channels",
    "message": "conversations__messages",
    "media": "conversations__messages__media",
    "contact": "channels__contacts",
}
"""What a body may name, and how an organization has it."""


def _organization_named(body: str) -> Organization | None:
    """The organization that a body without a turn belongs to, so that its dead letter is seen where people
    look: by its channel, by its message, as with a reply of staff, or by what an errand is for."""
    try:
        named = json.loads(body)
        name = next((name for name in _OWNED if name in named), None)
        return Organization.objects.filter(**{_OWNED[name]: named[name]}).first() if name else None
    except (ValueError, TypeError, ValidationError):
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
    is_question = queue in _OF_THE_LLM
    if current.policy.declines or (is_question and (answered or current.is_sealed)):
        actions.do_what_is_due(turn)
        return
    due: list[turns.Action] = [turns.Cancel(), turns.hand_over(current, turns.Reason.DEAD_LETTER, now)]
    actions.carry_out(turn, due, now)
