"""Whose channel each item of a webhook is for: one webhook may hold what is for several organizations."""

import logging
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from django.db.models import Case, When

from console.channels.models import Channel
from hub_lambdas import inbox
from hub_lambdas.accounts import account
from hub_lambdas.channels import KINDS
from hub_lambdas.channels.base import SHARED, Inbound, Kind, SignatureError, Unread
from hub_lambdas.http import Request

log = logging.getLogger(__name__)


class StillUnread(Exception):
    """A kind cannot read a webhook the second time either."""


def addressed(
    request: Request, kind: Kind, called: Channel | None, parsed: Sequence[Inbound]
) -> Iterator[tuple[uuid.UUID, Inbound]]:
    """Each item with the channel that it is for, and with each of the channels where it is about what they
    belong to. `called`: the channel whose address was called; None for the hub's own app.

    What is for nobody here is let go: a platform that is told so may end the whole subscription. Only what
    nobody can read, and so may be for somebody, goes to SHARED, where it becomes a dead letter."""
    own, children = _by_address(request, kind, called, parsed), _by_parent(kind, called, parsed)
    let_go: Counter[str] = Counter()
    for item in parsed:
        if item.address:
            ids = own.get(item.address, [])
        elif called is not None:
            ids = [called.pk]
        elif isinstance(item, Unread) and not item.parent:
            ids, item = [SHARED], replace(item, kind=kind.name)
        else:
            ids = children.get(item.parent, [])
        yield from ((channel_id, item) for channel_id in ids)
        if not ids:
            let_go[getattr(item, "kind", "") or item.type] += 1
    if let_go:
        counted = ", ".join(f"{count} {name}" for name, count in sorted(let_go.items()))
        log.warning("%s webhook: for no channel here: %s", kind.name, counted)


def distribute(received_at: datetime, unread: Inbound) -> None:
    """Read a webhook of the hub's own app once more, which nobody could read when it came, and queue what is
    in it. Raises StillUnread, or whatever the kind raises."""
    kind = KINDS[unread.kind] if isinstance(unread, Unread) else None
    its_account = kind.shared_account() if kind else None
    if kind is None or its_account is None:
        raise StillUnread
    request = Request("POST", "", body=unread.payload.encode())
    found = list(addressed(request, kind, None, kind.parse(request, its_account)))
    if any(channel_id == SHARED for channel_id, _ in found):
        raise StillUnread
    inbox.queue(received_at, found)


def _by_address(
    request: Request, kind: Kind, called: Channel | None, parsed: Sequence[Inbound]
) -> dict[str, list[uuid.UUID]]:
    addresses = {item.address for item in parsed if item.address}
    # A retired one only where no other has the account now.
    last = Case(When(status=Channel.Status.RETIRED, then=0), default=1)
    found = Channel.objects.filter(kind=kind.name, address__in=addresses).order_by(last) if addresses else ()
    return {each.address: [each.pk] for each in found if _speaks_for(request, kind, called, each)}


def _by_parent(kind: Kind, called: Channel | None, parsed: Sequence[Inbound]) -> dict[str, list[uuid.UUID]]:
    """The channels in use of what an item of the hub's own app is about as a whole."""
    parents = {item.parent for item in parsed if item.parent and not item.address}
    found: dict[str, list[uuid.UUID]] = {}
    if parents and called is None:
        children = Channel.objects.filter(kind=kind.name, parent_address__in=parents)
        in_use = children.exclude(status=Channel.Status.RETIRED).order_by("pk")
        for channel_id, parent in in_use.values_list("pk", "parent_address"):
            found.setdefault(parent, []).append(channel_id)
    return found


def _speaks_for(request: Request, kind: Kind, called: Channel | None, other: Channel) -> bool:
    """Whether a request to one channel's address may hold something for another. An app of an organization's
    own may serve several; elsewhere it is believed only where it is the other channel's app too."""
    if called is None or called.organization_id == other.organization_id:
        return True
    try:
        kind.verify(request, account(other))
    except SignatureError:
        return False
    return True
