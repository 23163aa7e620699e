"""Connecting a channel to its platform: the hub's own secrets, the webhook, the account's name."""

import logging

from django.utils import timezone

from console.channels.addresses import webhook_url
from console.channels.models import Channel
from hub_lambdas.channels import KINDS
from hub_lambdas.channels.base import Account, ChannelError, Health

log = logging.getLogger(__name__)

REASON_MAX_LENGTH = 300


def add_own_secrets(channel: Channel) -> None:
    """Give `channel` the secrets that the hub makes, where it has none yet. Does not save."""
    channel.credentials = {**KINDS[channel.kind].new_secrets(), **channel.credentials}


def connect(channel: Channel) -> list[str]:
    """Point the platform at the hub and store what it says of the account; returns what is wrong."""
    health = _register(channel)
    channel.account = health.account[:120] or channel.account
    channel.status_reason = " ".join(health.problems)[:REASON_MAX_LENGTH]
    channel.checked_at = timezone.now()
    channel.save(update_fields=["account", "status_reason", "checked_at"])
    return list(health.problems)


def _register(channel: Channel) -> Health:
    kind = KINDS[channel.kind]
    account = Account(channel.pk, channel.credentials, channel.options)
    try:
        return kind.register(account, webhook_url(channel))
    except ChannelError as error:
        return Health("", [str(error)])
    except Exception as error:
        # Only the type: the text of a foreign error may hold the address that the credential is part of.
        log.error("connecting %s channel %s failed: %s", channel.kind, channel.pk, type(error).__name__)
        return Health("", [f"{kind.label} could not be reached: save the channel again to try once more."])
