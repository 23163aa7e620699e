"""How many new contacts one address may bring to a channel on which anybody can begin to write.

Who makes up another contact for each message escapes the contact's limits. So newcomers are counted by where
they write from, for an hour, and then forgotten; who has written before is let through. An address is kept as
a keyed hash together with the channel's: it says nothing to whoever reads the table, and nothing of one
organization's visitors is known at another's.
"""

import math
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.conf import settings
from django.db import connection, transaction
from django.utils.crypto import salted_hmac

from console.channels.models import Newcomer
from console.conversations.models import Contact
from hub_lambdas.channels.base import Inbound
from hub_lambdas.http import BadRequest

WINDOW = timedelta(hours=1)
IPV6_PREFIX_BITS = 64
"""What one connection is given at least: who has it may write from each of its addresses."""


def admit(channel_id: uuid.UUID, parsed: Sequence[Inbound], source_ip: str, now: datetime) -> None:
    """Let the senders of `parsed` through. Raises BadRequest 429 where one is new and too many are from their
    network already."""
    for contact in {item.sender.platform_id for item in parsed if item.sender}:
        seconds = _seconds_to_wait(channel_id, contact, source_ip, now)
        if seconds:
            raise BadRequest(429, _sentence(seconds), {"retry-after": str(seconds)})


def forget(now: datetime) -> int:
    """Delete those who do not count any more; says how many."""
    return Newcomer.objects.filter(at__lte=now - WINDOW).delete()[0]


def _seconds_to_wait(channel_id: uuid.UUID, contact: str, source_ip: str, now: datetime) -> int:
    limit: int = settings.NEW_CONTACTS_PER_ADDRESS
    if limit <= 0 or Contact.objects.filter(channel=channel_id, platform_id=contact).exists():
        return 0
    network, who = _digest(channel_id, _network(source_ip)), _digest(channel_id, contact)
    newcomer = Newcomer(network=network, contact=who, at=now)
    # First without the lock: of a flood nobody waits for the others.
    return _seconds_until_room(newcomer, limit) or _enter(newcomer, limit)


@transaction.atomic
def _enter(newcomer: Newcomer, limit: int) -> int:
    """Count somebody, or say how long they have to wait. Of all that come at once one is looked at after the
    other."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [newcomer.network])
    if seconds := _seconds_until_room(newcomer, limit):
        return seconds
    Newcomer.objects.bulk_create([newcomer], ignore_conflicts=True)
    return 0


def _seconds_until_room(newcomer: Newcomer, limit: int) -> int:
    """0 where there is room, or they were counted already."""
    recent = Newcomer.objects.filter(network=newcomer.network, at__gt=newcomer.at - WINDOW)
    counted = dict(recent.values_list("contact", "at"))
    if newcomer.contact in counted or len(counted) < limit:
        return 0
    room_at = sorted(counted.values())[-limit] + WINDOW
    return math.ceil((room_at - newcomer.at).total_seconds())


def _network(source_ip: str) -> str:
    """What counts as one address; "" for all whose address nobody knows."""
    try:
        address = ip_address(source_ip)
    except ValueError:
        return ""
    return str(_of_ipv6(address) if isinstance(address, IPv6Address) else address)


def _of_ipv6(address: IPv6Address) -> object:
    mapped: IPv4Address | None = address.ipv4_mapped
    return mapped or ip_network((int(address), IPV6_PREFIX_BITS), strict=False)


def _digest(*parts: object) -> str:
    value = "\x00".join(str(part) for part in parts)
    return salted_hmac("hub_lambdas.newcomers", value, algorithm="sha256").hexdigest()


def _sentence(seconds: int) -> str:
    minutes = math.ceil(seconds / 60)
    wait = f"{minutes} minutes" if minutes > 1 else "a minute"
    return f"Too many new visitors have written from your network. The chat takes new ones again in {wait}."
