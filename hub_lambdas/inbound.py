"""dm-inbound.fifo → the ledger."""

import hub_lambdas.runtime  # noqa: F401, I001 - starts Django before any model is imported

import json
import logging
import time
from collections.abc import Mapping
from typing import Any

from console.channels.models import Channel
from hub_lambdas import addressing, batch, inbox, intake
from hub_lambdas.channels import KINDS
from hub_lambdas.channels.base import SHARED, ChannelError, Inbound
from hub_lambdas.accounts import account

log = logging.getLogger(__name__)

COURTESY_SECONDS = 2
"""How long into an invocation platforms are still called: a slow one must not use up the function's time."""


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Store what the webhook queued and do what is due for its turn."""
    courtesies_until = time.monotonic() + COURTESY_SECONDS

    def store(record: batch.SqsRecord) -> None:
        channel_id, received_at, inbound = inbox.decode(json.loads(record["body"]))
        if channel_id == SHARED:
            addressing.distribute(received_at, inbound)
            return
        channel = intake.store(channel_id, received_at, inbound)
        if channel is not None and time.monotonic() < courtesies_until:
            _acknowledge(channel, inbound)

    return batch.process(event, store)


def _acknowledge(channel: Channel, inbound: Inbound) -> None:
    """A courtesy of some platforms: when it fails, nothing is lost."""
    try:
        KINDS[channel.kind].after_storing(account(channel), inbound)
    except ChannelError as error:
        log.warning("channel %s was not told that its message is stored: %s", channel.pk, error)
