"""dm-outbound.fifo → the platforms."""

import hub_lambdas.runtime  # noqa: F401, I001 - starts Django before any model is imported

import json
import logging
from collections.abc import Mapping
from typing import Any

from console.conversations.models import LlmRequest, Message
from hub_lambdas import batch, queues, sending
from hub_lambdas.accounts import account
from hub_lambdas.channels import KINDS
from hub_lambdas.channels.base import ChannelError

log = logging.getLogger(__name__)


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Send each message, or show that one is being written."""
    return batch.process(event, _handle)


def _handle(record: batch.SqsRecord) -> None:
    body = json.loads(record["body"])
    if "typing" in body:
        _show_typing(body["typing"])
        return
    try:
        sending.deliver(body["message"])
    except sending.RetryLater as later:
        queues.postpone(queues.OUTBOUND, record["receiptHandle"], later.seconds)
        raise batch.Postponed(f"message {body['message']} is tried again in {later.seconds:g} s") from later


def _show_typing(request_id: str) -> None:
    """A courtesy: when it fails, the answer still comes. None where that is there already: the sign would
    stand below it."""
    pending = LlmRequest.objects.select_related("turn__conversation__contact__channel")
    request = pending.filter(pk=request_id, state=LlmRequest.State.PENDING).first()
    if request is None:
        return
    conversation = request.turn.conversation
    contact, written = conversation.contact, conversation.messages.filter(direction=Message.Direction.IN)
    if contact.is_test:
        return
    last_id = written.order_by("-id").values_list("platform_id", flat=True).first() or ""
    try:
        KINDS[contact.channel.kind].show_typing(account(contact.channel), contact.platform_id, last_id)
    except ChannelError as error:
        log.warning("no typing sign on channel %s: %s", contact.channel_id, error)
