"""Connecting a channel to its platform: the hub's own secrets, the webhook, the account's name."""

import logging
from collections.abc import Callable

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
    """Point the platform at the hub and store what it says of the account; returns what is wrong.

    A channel that the hub paused because of its credential is active again once the platform accepts it.
    """
    kind = KINDS[channel.kind]
    registered = _ask(channel, kind.register)
    problems = list(registered.problems)
    was_paused_by_hub = channel.status == Channel.Status.PAUSED and bool(channel.status_reason)
    if not problems:
        if was_paused_by_hub:
            channel.status = Channel.Status.ACTIVE
        problems = list(_ask(channel, kind.check).problems)
    channel.account = registered.account[:120] or channel.account
    channel.status_reason = " ".join(problems)[:REASON_MAX_LENGTH]
    channel.checked_at = timezone.now()
    channel.save(update_fields=["account", "status", "status_reason", "checked_at"])
    return problems


def is_to_connect(channel: Channel) -> bool:
    """Whether a saved channel is to be connected: not while somebody holds it paused, or it is retired."""
    if channel.status == Channel.Status.PAUSED:
        return bool(channel.status_reason)
    return channel.status == Channel.Status.ACTIVE


def _ask(channel: Channel, question: Callable[[Account, str], Health]) -> Health:
    """What the platform says of `channel`; that it cannot be asked is a problem too, and no error."""
    account = Account(channel.pk, channel.credentials, channel.options)
    try:
        return question(account, webhook_url(channel))
    except ChannelError as error:
        return Health("", [str(error)])
    except Exception as error:
        # Only the type: the text of a foreign error may hold the address that the credential is part of.
        log.error("connecting %s channel %s failed: %s", channel.kind, channel.pk, type(error).__name__)
        label = KINDS[channel.kind].label
        return Health("", [f"{label} could not be reached: save the channel again to try once more."])
