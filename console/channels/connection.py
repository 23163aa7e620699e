"""Connecting a channel to its platform: the hub's own secrets, the webhook, the account's name."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone

from console.channels.addresses import webhook_url
from console.channels.models import REASON_MAX_LENGTH, Channel
from console.exact_text import printable
from hub_lambdas import staff
from hub_lambdas.accounts import account
from hub_lambdas.channels import KINDS
from hub_lambdas.channels.base import (
    Account,
    ChannelError,
    CredentialRejected,
    Health,
    SendRefused,
    SendUnknown,
)
from hub_lambdas.sentences import stored

log = logging.getLogger(__name__)

EXAMINE_EVERY = timedelta(days=1)
EXAMINED_AT_ONCE = 10
TAKEN = stored("This account is connected to another channel already: retire that one first.")
GONE = stored("This account is connected to another channel now.")


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
    found = _ask(channel, lambda account, _: kind.identify(account))
    _leave_other_account(channel, found.address)
    if not found.problems and not _claim(channel, found.address):
        found = replace(found, problems=[TAKEN])
    unrenewed: Sequence[str] = []
    if not found.problems:  # the platform is told nothing before the account is known to be this channel's
        unrenewed = _renew(channel)
        found = _ask(channel, kind.register)
    accepted = not found.problems
    checked = _ask(channel, kind.check) if accepted else found
    problems = [*unrenewed, *checked.problems]
    is_repaired = _store(
        channel, replace(checked, account=found.account, parent=found.parent), problems, accepted
    )
    return Connected(problems, is_repaired, staff.resume_channel(channel.pk) if is_repaired else 0)


def _leave_other_account(channel: Channel, address: str) -> None:
    """A channel that was given another account has nothing more to do with the one before, also where the new
    one cannot be connected: what people write there must not be answered from here."""
    if address and channel.address not in ("", address[:120]):
        Channel.objects.filter(pk=channel.pk).update(address="", parent_address="")
        channel.address = channel.parent_address = ""


def _renew(channel: Channel) -> Sequence[str]:
    """Have a credential that ends before long renewed, and store it; what is wrong where it refuses.
    That it could not be asked is no news: it is asked again tomorrow, and the credential ends weeks later."""
    try:
        changed = KINDS[channel.kind].renew(account(channel))
    except (SendRefused, SendUnknown) as error:
        log.warning("the credential of channel %s could not be renewed: %s", channel.pk, error)
        return []
    except ChannelError as error:
        return [str(error)]
    except Exception as error:
        return [_unexpected(channel, error)]
    if changed:
        _store_credentials(channel, changed)
    return []


@transaction.atomic
def _store_credentials(channel: Channel, changed: Mapping[str, Any]) -> None:
    """Unless somebody has entered others meanwhile."""
    stored = Channel.objects.select_for_update().get(pk=channel.pk)
    if stored.credentials == channel.credentials:
        channel.credentials = {**channel.credentials, **changed}
        channel.save(update_fields=["credentials"])


def _claim(channel: Channel, address: str) -> bool:
    """Make an account at the platform this channel's; False where it is another's. One whose credential is
    broken gives way: this channel's has just been accepted."""
    if not address:
        return True
    others = Channel.objects.filter(kind=channel.kind, address=address[:120]).exclude(pk=channel.pk)
    try:
        with transaction.atomic():
            others.filter(Channel.held()).update(address="", status_reason=GONE, alerted_at=None)
            Channel.objects.filter(pk=channel.pk).update(address=address[:120])
    except IntegrityError:
        return False
    channel.address = address[:120]
    return True


@transaction.atomic
def _store(channel: Channel, said: Health, problems: Sequence[str], accepted: bool) -> bool:
    """Store what the platform said, and whether that repaired the channel. The platform took its time: what
    the channel's state is now, and not what it was before, decides."""
    now = timezone.now()
    stored = Channel.objects.select_for_update().get(pk=channel.pk)
    is_repaired = accepted and stored.is_held
    channel.status = Channel.Status.ACTIVE if is_repaired else Channel.Status(stored.status)
    channel.resumed_at = now if is_repaired else stored.resumed_at
    channel.account = said.account[:120] or channel.account
    if accepted and said.parent:  # only now the platform has shown that it is this account's
        channel.parent_address = said.parent[:120]
    channel.checked_at, channel.health = now, _kept(said)
    is_off_by_hand = channel.status != Channel.Status.ACTIVE and not stored.is_held
    channel.status_reason = "" if is_off_by_hand else printable(" ".join(problems))[:REASON_MAX_LENGTH]
    if problems:
        channel.alerted_at = now  # whoever connects it sees them at once
    state = ["status", "status_reason", "alerted_at", "checked_at", "resumed_at", "health"]
    channel.save(update_fields=["account", "parent_address", *state])
    return is_repaired


def _kept(said: Health) -> dict[str, Any]:
    """What of a platform's word is stored with the channel: console/channels/health.py reads it."""
    validity = said.validity
    missing = validity.missing_permissions
    return {
        "ends_at": validity.ends_at.isoformat() if validity.ends_at else None,
        "is_endless": validity.is_endless,
        "missing_permissions": None if missing is None else list(missing),
        "delivers_here": said.delivers_here,
        "is_by_hand": said.is_by_hand,
    }


def disconnect(channel: Channel) -> str:
    """Retire a channel, and have its platform deliver nothing any more; what is left to be done there by
    hand, "" for nothing. Call it outside a transaction."""
    problem = _unregister(channel) if channel.kind in KINDS else ""
    Channel.objects.filter(pk=channel.pk).update(status=Channel.Status.RETIRED, status_reason="")
    return problem


def _unregister(channel: Channel) -> str:
    others = Channel.objects.filter(kind=channel.kind, parent_address=channel.parent_address)
    in_use = others.exclude(pk=channel.pk).exclude(status=Channel.Status.RETIRED)
    if channel.parent_address and in_use.exists():
        return ""  # they need the subscription; what comes for this account is for no channel
    try:
        KINDS[channel.kind].unregister(account(channel), webhook_url(channel))
    except ChannelError as error:
        return str(error)
    except Exception as error:
        log.error("channel %s could not be disconnected: %s", channel.pk, type(error).__name__)
        return f"{KINDS[channel.kind].label} could not be reached."
    return ""


def examine(channel: Channel) -> Connected:
    """Ask the platform how a channel is, and have a credential that ends before long renewed. What may be
    mended by connecting it anew is connected anew; a credential that is not accepted pauses it; that the
    platform cannot be reached says nothing of it. Call it outside a transaction."""
    # First: whatever happens now, others are next before it is this one's turn again.
    Channel.objects.filter(pk=channel.pk).update(checked_at=timezone.now())
    unrenewed = [] if channel.is_held else _renew(channel)
    try:
        said = KINDS[channel.kind].check(account(channel), webhook_url(channel))
    except CredentialRejected as error:
        return _hold(channel, error)
    except ChannelError as error:
        return Connected([str(error)])
    except Exception as error:
        return Connected([_unexpected(channel, error)])
    if unrenewed or said.problems or channel.is_held:
        return _connect_anew(channel)
    _store(channel, said, [], accepted=True)
    return Connected([])


def due_for_examination(now: datetime) -> list[UUID]:
    """Connected channels that were not looked at for a day, those that wait longest first, some at a time."""
    connected = Channel.objects.filter(Q(status=Channel.Status.ACTIVE) | Channel.held(), kind__in=KINDS)
    due = connected.filter(Q(checked_at=None) | Q(checked_at__lt=now - EXAMINE_EVERY))
    oldest_first = due.order_by(F("checked_at").asc(nulls_first=True))
    return list(oldest_first.values_list("pk", flat=True)[:EXAMINED_AT_ONCE])


@transaction.atomic
def _hold(channel: Channel, error: CredentialRejected) -> Connected:
    stored = Channel.objects.select_for_update().get(pk=channel.pk)
    if stored.credentials == channel.credentials:
        stored.hold(str(error))
    return Connected([str(error)])


def _connect_anew(channel: Channel) -> Connected:
    """What is wrong afterwards is news to its admins, unless it was so before."""
    before = channel.status_reason
    connected = connect(channel)
    if connected.problems and channel.status_reason != before:
        Channel.objects.filter(pk=channel.pk).update(alerted_at=None)
    return connected


@transaction.atomic
def resume(channel: Channel) -> int:
    """Let a channel that is not the hub's to repair send again; how many turns and messages that releases."""
    channel.status, channel.resumed_at = Channel.Status.ACTIVE, timezone.now()
    try:
        with transaction.atomic():
            channel.save(update_fields=["status", "resumed_at"])
    except IntegrityError:  # its account is another channel's now, which connecting it says
        channel.address = ""
        channel.save(update_fields=["status", "resumed_at", "address"])
    return staff.resume_channel(channel.pk)


def is_to_connect(channel: Channel) -> bool:
    """Whether a saved channel is to be connected: not while somebody holds it paused, or it is retired."""
    return channel.is_held or channel.status == Channel.Status.ACTIVE


def _ask(channel: Channel, question: Callable[[Account, str], Health]) -> Health:
    """What the platform says of `channel`; that it cannot be asked is a problem too, and no error."""
    try:
        return question(account(channel), webhook_url(channel))
    except CredentialRejected as error:
        return Health("", [_explained(error)])
    except ChannelError as error:
        return Health("", [str(error)])
    except Exception as error:
        return Health("", [_unexpected(channel, error)])


def _explained(error: CredentialRejected) -> str:
    """What the platform said, after what it is under `make run`: no real account is known there."""
    if not settings.SIMULATOR_URL:
        return str(error)
    return stored(
        "This is the simulator; it knows the accounts that were opened at %(address)s and no others. For "
        "real ones, start the hub with make run PLATFORMS=real. (%(error)s)",
        address=settings.SIMULATOR_URL,
        error=error,
    )


def _unexpected(channel: Channel, error: Exception) -> str:
    # Only the type: the text of a foreign error may hold the address that the credential is part of.
    log.error("asking for %s channel %s failed: %s", channel.kind, channel.pk, type(error).__name__)
    return stored(
        "%(platform)s could not be reached: save the channel again to try once more.",
        platform=KINDS[channel.kind].label,
    )
