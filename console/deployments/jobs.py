"""The jobs of the worker of deploys. They have a queue of their own, which only that worker takes from: it
runs where the repository and the right to deploy are."""

import logging
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

from celery.signals import worker_ready
from django.conf import settings
from django.db import OperationalError, connection
from django.utils import timezone

from console.celery import app, takes_from
from console.deployments import looking, steps
from console.deployments.checkout import Checkout, CheckoutError, of_settings
from console.deployments.follow import follow
from console.deployments.lease import Lease, LeaseLost
from console.deployments.models import Deploy, Stage
from hub_lambdas.sentences import stored

log = logging.getLogger(__name__)

LOCK_PATIENCE_SECONDS = 150
"""Longer than the stage's lock outlives a worker that was killed elsewhere (infra/deployment/lock.py)."""
WAIT_SECONDS = 2.0
FETCH = stored("fetch")
"""The first step, which is done here; infra.deployment.job tells of the others."""

Outcome = tuple[str, str]
"""How a deploy ended: its last state, and why."""


@app.task(name="look_at_releases")
def look_at_releases() -> None:
    """Fetch the repository and look at the stages."""
    looking.look()


@app.task(name="run_deploy")
def run_deploy(deploy_id: int) -> None:
    """Carry out a deploy, or what is left of it. Where another worker is at it, wait for what becomes of
    that: if it dies, this one goes on."""
    while Deploy.objects.filter(pk=deploy_id, state__in=Deploy.AT_WORK).exists():
        if lease := Lease.take(deploy_id):
            _run(lease)
        else:
            time.sleep(WAIT_SECONDS)


@worker_ready.connect
def _take_up(sender: Any, **_: Any) -> None:
    """A worker of deploys that starts looks around, and goes on with what the one before it left."""
    if not takes_from(sender, settings.DEPLOYS_QUEUE):
        return
    look_at_releases.delay()
    for deploy in Deploy.objects.filter(state__in=Deploy.AT_WORK):
        run_deploy.delay(deploy.pk)


def _run(lease: Lease) -> None:
    try:
        with lease.shown():
            writer = Writer(lease)
            state, reason = _carry_out_or_say_why(writer, lease.goes_on)
            # First what runs now: whoever reads of the end looks at that.
            looking.see_if_possible(writer.deploy.stage)
            writer.end(state, reason)
    except LeaseLost:
        log.warning("deploy %s: another worker is at it, this one stops", lease.deploy_id)


def _carry_out_or_say_why(writer: "Writer", goes_on: bool) -> Outcome:
    """Raises LeaseLost."""
    try:
        checkout = of_settings()
        with checkout.held():
            return _carry_out(writer, checkout, goes_on)
    except CheckoutError as error:
        return "failed", str(error)
    except LeaseLost:
        raise
    except Exception:
        log.exception("deploy %s broke off", writer.deploy.pk)
        return "failed", looking.BROKE_OFF


def _carry_out(writer: "Writer", checkout: Checkout, goes_on: bool) -> Outcome:
    deploy = writer.deploy
    began = time.monotonic()
    writer.take({"began": FETCH})
    looking.fetch(checkout)
    stage = looking.see(deploy.stage)
    if problem := _refusal(deploy, stage, goes_on):
        return "failed", problem
    task, release = deploy.task, deploy.release
    if goes_on and writer.is_cancelled():
        # It was cancelled while nobody was at it: what it has left half-way is put back.
        if stage.problem:
            return "failed", stage.problem
        if not stage.release:
            return "cancelled", stored("Cancelled; no release ran before.")
        task, release = Deploy.Task.ROLLBACK, stage.release
    python, folder = looking.own_code()
    if task == Deploy.Task.DEPLOY:
        release = checkout.find(release)
        checkout.put(release)
        python, folder = checkout.python(), checkout.folder
    seconds = time.monotonic() - began
    note = stored("%(release)s of the repository", release=deploy.short)
    writer.take({"ended": FETCH, "note": note, "seconds": seconds})
    patience = LOCK_PATIENCE_SECONDS if goes_on else 0
    command = [python, *looking.JOB, task, deploy.stage, release, "--who", _who(deploy)]
    command += ["--patience-seconds", str(patience)]
    restores = task != deploy.task
    outcome: Outcome = ("failed", "")
    with closing(follow(command, folder, lambda: writer.is_cancelled() and not restores)) as lines:
        for said in lines:
            if "outcome" in said:
                outcome = said["outcome"], said.get("reason", "")
            else:
                writer.take(said)
    if restores and outcome[0] == Deploy.State.DONE:
        return "cancelled", stored("Cancelled; what ran before runs again.")
    return outcome


def _refusal(deploy: Deploy, stage: Stage, goes_on: bool) -> str:
    """Why a deploy may not go on, by what the stage is now."""
    approved = deploy.decided_by_id is not None and deploy.decided_by_id != deploy.asked_by_id
    if deploy.task == Deploy.Task.DEPLOY and stage.needs_approval and not approved:
        return stored(
            "%(stage)s needs the approval of a second person by now: ask for it again.", stage=stage.name
        )
    if not goes_on and stage.release != deploy.replaces:
        return stored(
            "%(stage)s runs %(now)s, and %(then)s when this was asked for: look at the changes again.",
            stage=stage.name,
            now=stage.release or stored("nothing"),
            then=deploy.replaces or stored("nothing"),
        )
    return ""


def _who(deploy: Deploy) -> str:
    """Who is named in the stage's own history."""
    asked = deploy.asked_by.email if deploy.asked_by else "somebody"
    approved = f", approved by {deploy.decided_by.email}" if deploy.decided_by else ""
    return f"{asked}{approved} (console)"


class Writer:
    """Writes down how far a deploy is, and sees whether somebody cancels it. A database that is away for a
    moment, as it may be in the middle of a deploy of its own, is written to a little later. Each method
    raises LeaseLost."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self.deploy = lease.read()
        steps.interrupt(self.deploy.steps)
        self._is_written = False

    def take(self, said: dict[str, Any]) -> None:
        steps.take(self.deploy.steps, said)
        self._write()

    def is_cancelled(self) -> bool:
        """Asked about once a second."""
        if not self._is_written:
            self._write()
        self._try(self._look)
        return self.deploy.cancelled_by_id is not None

    def end(self, state: str, reason: str) -> None:
        """Raises OperationalError where the database stays away: the next worker finds it unfinished."""
        for step in self.deploy.steps:
            if step["state"] == "running":
                step["state"], step["note"] = "failed", reason
        ended = {"state": state, "reason": reason, "finished_at": timezone.now()}
        self._lease.write(steps=self.deploy.steps, **ended)

    def _look(self) -> None:
        self.deploy.cancelled_by_id = self._lease.read().cancelled_by_id

    def _write(self) -> None:
        self._is_written = self._try(lambda: self._lease.write(steps=self.deploy.steps))

    def _try(self, act: Callable[[], None]) -> bool:
        try:
            act()
        except OperationalError:
            log.warning("deploy %s: the database is away", self.deploy.pk)
            connection.close_if_unusable_or_obsolete()
            return False
        return True
