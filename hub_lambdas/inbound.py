"""dm-inbound.fifo → the ledger."""

import hub_lambdas.runtime  # noqa: F401, I001 - starts Django before any model is imported

import json
import logging
from collections.abc import Mapping
from typing import Any

from console.channels.models import Channel
from hub_lambdas import batch, inbox, intake
from hub_lambdas.channels import KINDS
from hub_lambdas.channels.base import ChannelError, Inbound
from hub_lambdas.sending import account

log = logging.getLogger(__name__)


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Store what the webhook queued and do what is due for its turn."""
    return batch.process(event, _store)


def _store(record: batch.SqsRecord) -> None:
    channel_id, received_at, inbound = inbox.decode(json.loads(record["body"]))
    _acknowledge(intake.store(channel_id, received_at, inbound), inbound)


def _acknowledge(channel: Channel, inbound: Inbound) -> None:
    """A courtesy of some platforms: when it fails, nothing is lost."""
    try:
        KINDS[channel.kind].after_storing(account(channel), inbound)
    except ChannelError as error:
        log.warning("channel %s was not told that its message is stored: %s", channel.pk, error)
