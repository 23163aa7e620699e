"""Connecting a channel to its platform: the hub's own secrets, the webhook, the account's name."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from django.db import transaction
from django.utils import timezone

from console.channels.addresses import webhook_url
from console.channels.models import Channel
from hub_lambdas import staff
from hub_lambdas.channels import KINDS
from hub_lambdas.channels.base import Account, ChannelError, Health

log = logging.getLogger(__name__)

REASON_MAX_LENGTH = 300
TAKEN = "This account is connected to another channel already: retire that one first."


def add_own_secrets(channel: Channel) -> None:
    """Give `channel` the secrets that the hub makes, where it has none yet. Does not save."""
    channel.credentials = {**KINDS[channel.kind].new_secrets(), **channel.credentials}


@dataclass(frozen=True)
class Connected:
    """How connecting went: what is wrong, and where that repaired the channel, how many turns and messages
    that had been held are on their way now."""

    problems: Sequence[str]
    is_repaired: bool = False
    released: int = 0


def connect(channel: Channel) -> Connected:
    """Point the platform at the hub and store what it says of the account.

    A channel that the hub paused because of its credential is active again once the platform accepts it. Call
    it outside a transaction: what was held goes on its way once the channel's new state is there to be read.
    """
    kind = KINDS[channel.kind]
    registered = _ask(channel, kind.register)
    if _is_taken(channel, registered.address):
        registered = replace(registered, problems=[TAKEN], address="")
    accepted = not registered.problems
    problems = list(registered.problems if not accepted else _ask(channel, kind.check).problems)
    is_repaired = _store(channel, registered, problems, accepted)
    return Connected(problems, is_repaired, staff.resume_channel(channel.pk) if is_repaired else 0)


def _is_taken(channel: Channel, address: str) -> bool:
    others = Channel.objects.filter(kind=channel.kind, address=address).exclude(pk=channel.pk)
    return bool(address) and others.exclude(status=Channel.Status.RETIRED).exists()


@transaction.atomic
def _store(channel: Channel, registered: Health, problems: Sequence[str], accepted: bool) -> bool:
    """Store what the platform said, and whether that repaired the channel. The platform took its time: what
    the channel's state is now, and not what it was before, decides."""
    now = timezone.now()
    stored = Channel.objects.select_for_update().get(pk=channel.pk)
    is_repaired = accepted and stored.is_held
    channel.status = Channel.Status.ACTIVE if is_repaired else Channel.Status(stored.status)
    channel.resumed_at = now if is_repaired else stored.resumed_at
    channel.account = registered.account[:120] or channel.account
    channel.address = registered.address[:120] or channel.address
    channel.checked_at = now
    is_off_by_hand = channel.status != Channel.Status.ACTIVE and not stored.is_held
    channel.status_reason = "" if is_off_by_hand else " ".join(problems)[:REASON_MAX_LENGTH]
    channel.save(update_fields=["account", "address", "status", "status_reason", "checked_at", "resumed_at"])
    return is_repaired


@transaction.atomic
def resume(channel: Channel) -> int:
    """Let a channel that is not the hub's to repair send again; how many turns and messages that releases."""
    channel.status, channel.resumed_at = Channel.Status.ACTIVE, timezone.now()
    channel.save(update_fields=["status", "resumed_at"])
    return staff.resume_channel(channel.pk)


def is_to_connect(channel: Channel) -> bool:
    """Whether a saved channel is to be connected: not while somebody holds it paused, or it is retired."""
    return channel.is_held or channel.status == Channel.Status.ACTIVE


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
