"""Purges: what is older than an organization keeps is deleted, while a row says how far that is."""

from collections import Counter
from collections.abc import Callable

from django.db import transaction
from django.utils import timezone

from console.organizations.models import Organization
from console.protection import retention
from console.protection.models import Purge
from console.protection.record import note_purge
from console.protection.retention import Counts, Expired

Watch = Callable[[Purge], None]
"""Is shown the row with each batch."""


def run(organization: Organization, watch: Watch = lambda purge: None) -> Purge | None:
    """Delete what is old, and note in the audit log how much that was; None of whom keeps everything. A
    purge that was interrupted goes on, and counts what it had deleted before."""
    begun = Purge.objects.filter(organization=organization, state=Purge.State.RUNNING).first()
    old = retention.expired(organization, timezone.now())
    if old is None:
        return _end(begun, Purge.State.DONE) if begun else None
    purge = begun or _begin(organization)
    purge.rows_total = purge.rows_done + sum(retention.count(old).values())
    purge.save(update_fields=["rows_total"])
    try:
        _work(purge, old, watch)
    except Exception:
        purge.refresh_from_db()  # what the last batch had counted was taken back with it
        _end(purge, Purge.State.FAILED)
        raise
    return _end(purge, Purge.State.DONE)


def _begin(organization: Organization) -> Purge:
    """Its row, which says nothing of the time before any more."""
    fresh = {
        "state": Purge.State.RUNNING,
        "deleted": {},
        "rows_done": 0,
        "began_at": timezone.now(),
        "finished_at": None,
    }
    return Purge.objects.update_or_create(organization=organization, defaults=fresh)[0]


def _work(purge: Purge, old: Expired, watch: Watch) -> None:
    def show(counts: Counts) -> None:
        purge.deleted = dict(Counter(purge.deleted) + counts)
        purge.rows_done += counts.total()
        purge.save(update_fields=["deleted", "rows_done"])
        watch(purge)

    retention.purge(old, show)


@transaction.atomic
def _end(purge: Purge, state: Purge.State) -> Purge:
    purge.state, purge.finished_at = state, timezone.now()
    purge.save(update_fields=["state", "finished_at"])
    note_purge(purge.organization, purge.deleted)
    return purge
