"""Console jobs of data protection. Each stands on a row, may be queued twice, and runs once at a time."""

import logging
from typing import Any

from celery.signals import worker_ready
from django.conf import settings

from console.celery import app, takes_from
from console.conversations.jobs import make_export
from console.conversations.models import Export
from console.organizations.models import Organization
from console.protection import erasing, purging, retiring
from console.protection.models import Erasure, Purge, Retirement
from console.signin.sessions import SessionStore
from console.single_run import single_run

log = logging.getLogger(__name__)

PURGE_LOCK, _ERASURE_LOCK, _RETIREMENT_LOCK = 0x50757201, 0x50757202, 0x50757203
"""Classes of the advisory locks that running jobs hold."""
STILL_SENDING_SECONDS = 30
TRY_AGAIN_SECONDS = 60


@app.task(name="purge")
def purge() -> None:
    """Each day: have every organization purged that does not keep everything, each by a job of its own; and
    go on with whatever has lost its job. Sessions that have ended go, too."""
    SessionStore.clear_expired()
    resume()
    anew = Organization.objects.filter(retention_days__isnull=False).exclude(purge__state=Purge.State.RUNNING)
    for key in anew.values_list("pk", flat=True):
        purge_organization.delay(key)


@worker_ready.connect
def _resume(sender: Any, **_: Any) -> None:
    if takes_from(sender, settings.CELERY_TASK_DEFAULT_QUEUE):
        resume()


def resume() -> None:
    """Go on with what a worker was at when it ended. Whatever another one is at is let be."""
    for key in Erasure.objects.exclude(state=Erasure.State.DONE).values_list("pk", flat=True):
        erase_contact.delay(key)
    for key in Retirement.objects.exclude(state=Retirement.State.STOPPED).values_list("pk", flat=True):
        retire.delay(key)
    for key in Export.objects.filter(state=Export.State.RUNNING).values_list("pk", flat=True):
        make_export.delay(key)
    for key in Purge.objects.filter(state=Purge.State.RUNNING).values_list("organization", flat=True):
        purge_organization.delay(key)


@app.task(name="purge_organization")
def purge_organization(organization_id: int) -> None:
    """Delete what an organization has kept long enough, and say so in its audit log."""
    with single_run(PURGE_LOCK, organization_id) as is_alone:
        organization = Organization.objects.filter(pk=organization_id).first() if is_alone else None
        purge = purging.run(organization) if organization else None
        if purge is not None:
            log.info("purge of %s: %s", purge.organization.slug, purge.deleted or "nothing is old enough")


@app.task(name="erase_contact")
def erase_contact(erasure_id: int) -> None:
    """Make a contact unknown. Where a message to them is just being sent, a little later."""
    with single_run(_ERASURE_LOCK, erasure_id) as is_alone:
        unfinished = Erasure.objects.select_related("contact__channel", "organization").exclude(
            state=Erasure.State.DONE
        )
        erasure = unfinished.filter(pk=erasure_id).first() if is_alone else None
        if erasure is None:
            return
        try:
            erasing.begin(erasure)
            erasing.erase(erasure)
        except erasing.StillSending:
            erase_contact.apply_async([erasure_id], countdown=STILL_SENDING_SECONDS)
        except Exception:
            log.exception("erasure %s failed", erasure_id)
            Erasure.objects.filter(pk=erasure_id).update(state=Erasure.State.FAILED)
        else:
            unexported = Retirement.objects.filter(state=Retirement.State.EXPORTING)
            for key in unexported.filter(organization=erasure.organization).values_list("pk", flat=True):
                retire.delay(key)


@app.task(name="retire", autoretry_for=(Exception,), max_retries=None, default_retry_delay=TRY_AGAIN_SECONDS)
def retire(retirement_id: int) -> None:
    """Do what is next for an organization that leaves: stop and export it, or erase it. Whatever fails is
    tried again until it is done."""
    with single_run(_RETIREMENT_LOCK, retirement_id) as is_alone:
        known = Retirement.objects.select_related("organization", "requested_by", "export")
        retirement = known.filter(pk=retirement_id).first() if is_alone else None
        if retirement is None:
            return
        if retirement.state == Retirement.State.ERASING:
            retiring.erase(retirement)
        else:
            _stop_and_export(retirement)


def _stop_and_export(retirement: Retirement) -> None:
    """Stopped it is once its file is made, or could not be. Where another worker is still at the file, or an
    erasure has taken it away, a little later."""
    if retirement.state == Retirement.State.STOPPING:
        retiring.stop(retirement)
        retirement.state = Retirement.State.EXPORTING
        retirement.save(update_fields=["state"])
    if retirement.state == Retirement.State.EXPORTING:
        make_export(_export_of(retirement).pk)
        ended = (Export.State.DONE, Export.State.FAILED)
        made = Retirement.objects.filter(pk=retirement.pk, export__state__in=ended)
        if not made.update(state=Retirement.State.STOPPED):
            retire.apply_async([retirement.pk], countdown=TRY_AGAIN_SECONDS)


def _export_of(retirement: Retirement) -> Export:
    if retirement.export is None:
        retirement.export = Export.objects.create(
            organization=retirement.organization,
            requested_by=retirement.requested_by,
            format=Export.Format.ZIP,
        )
        retirement.save(update_fields=["export"])
    return retirement.export
