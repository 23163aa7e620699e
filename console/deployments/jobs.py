"""The jobs of the worker of deploys. They have a queue of their own, which only that worker takes from: it
runs where the repository and the right to deploy are."""

import logging
import time
from typing import Any

from celery.signals import worker_ready
from django.conf import settings
from django.db import OperationalError, connection
from django.utils import timezone

from console.celery import app, takes_from
from console.deployments import looking, steps
from console.deployments.checkout import Checkout, CheckoutError, of_settings
from console.deployments.follow import follow
from console.deployments.models import Deploy, Stage
from console.single_run import single_run
from hub_lambdas.sentences import stored

log = logging.getLogger(__name__)

SEEN_EVERY_SECONDS = 5.0
LOCK_PATIENCE_SECONDS = 150
"""Longer than the stage's lock outlives a worker that was killed elsewhere (infra/deployment/lock.py)."""
WAIT_SECONDS = 2.0
_DEPLOY_LOCK = 0x44706C01
"""Class of the advisory lock that a running deploy holds."""


@app.task(name="look_at_releases")
def look_at_releases() -> None:
    """Fetch the repository and look at the stages."""
    looking.look()


@app.task(name="run_deploy")
def run_deploy(deploy_id: int) -> None:
    """Carry out a deploy, or what is left of it. Where another worker is at it, wait for what becomes of
    that: if it dies, this one goes on."""
    while deploy := Deploy.objects.filter(pk=deploy_id, state__in=Deploy.AT_WORK).first():
        with single_run(_DEPLOY_LOCK, deploy_id) as is_alone:
            if is_alone:
                _run(deploy)
                looking.look()
                return
        time.sleep(WAIT_SECONDS)


@worker_ready.connect
def _take_up(sender: Any, **_: Any) -> None:
    """A worker of deploys that starts looks around, and goes on with what the one before it left."""
    if not takes_from(sender, settings.DEPLOYS_QUEUE):
        return
    look_at_releases.delay()
    for deploy in Deploy.objects.filter(state__in=Deploy.AT_WORK):
        run_deploy.delay(deploy.pk)


def _run(deploy: Deploy) -> None:
    was_started, now = deploy.started_at is not None, timezone.now()
    steps.interrupt(deploy.steps)
    began = {"started_at": deploy.started_at or now, "seen_at": now, "steps": deploy.steps}
    still_wanted = Deploy.objects.filter(pk=deploy.pk, state__in=Deploy.AT_WORK)
    if not still_wanted.update(state=Deploy.State.RUNNING, **began):
        return
    deploy.refresh_from_db()
    writer = Writer(deploy)
    try:
        checkout = of_settings()
        with checkout.held():
            _carry_out(writer, checkout, was_started)
    except CheckoutError as error:
        writer.end("failed", str(error))
    except Exception:
        log.exception("deploy %s broke off", deploy.pk)
        writer.end("failed", stored("It broke off; the worker's log says why."))


def _carry_out(writer: "Writer", checkout: Checkout, was_started: bool) -> None:
    deploy = writer.deploy
    began = time.monotonic()
    writer.take({"began": "fetch"})
    looking.fetch(checkout)
    stage = looking.see(deploy.stage)
    if problem := _refusal(deploy, stage, was_started):
        writer.end("failed", problem)
        return
    task, release = deploy.task, deploy.release
    if was_started and writer.is_cancelled():
        # It was cancelled while nobody was at it: what it has left half-way is put back.
        if stage.problem:
            writer.end("failed", stage.problem)
            return
        if not stage.release:
            writer.end("cancelled", stored("Cancelled; no release ran before."))
            return
        task, release = Deploy.Task.ROLLBACK, stage.release
    python, folder = looking.own_code()
    if task == Deploy.Task.DEPLOY:
        release = checkout.find(release)
        checkout.put(release)
        python, folder = checkout.python(), checkout.folder
    seconds = time.monotonic() - began
    writer.take({"ended": "fetch", "note": f"{deploy.short} of the repository", "seconds": seconds})
    patience = LOCK_PATIENCE_SECONDS if was_started else 0
    command = [python, *looking.JOB, task, deploy.stage, release, "--who", _who(deploy)]
    command += ["--patience-seconds", str(patience)]
    asked = writer.is_cancelled if task == deploy.task else lambda: False
    for said in follow(command, folder, asked):
        writer.take(said)
    if task != deploy.task and deploy.state == Deploy.State.DONE:
        writer.end("cancelled", stored("Cancelled; what ran before runs again."))


def _refusal(deploy: Deploy, stage: Stage, was_started: bool) -> str:
    """Why a deploy may not go on, by what the stage is now."""
    approved = deploy.decided_by_id is not None and deploy.decided_by_id != deploy.asked_by_id
    if deploy.task == Deploy.Task.DEPLOY and stage.needs_approval and not approved:
        return f"{stage.name} needs the approval of a second person by now: ask for it again."
    if not was_started and stage.release != deploy.replaces:
        now, then = stage.release or "nothing", deploy.replaces or "nothing"
        return f"{stage.name} runs {now}, and {then} when this was asked for: look at the changes again."
    return ""


def _who(deploy: Deploy) -> str:
    """Who is named in the stage's own history."""
    asked = deploy.asked_by.email if deploy.asked_by else "somebody"
    approved = f", approved by {deploy.decided_by.email}" if deploy.decided_by else ""
    return f"{asked}{approved} (console)"


class Writer:
    """Writes down how far a deploy is, and sees whether somebody cancels it. A database that is away for a
    moment, as it may be in the middle of a deploy of its own, is written to a little later."""

    def __init__(self, deploy: Deploy) -> None:
        self.deploy = deploy
        self._is_cancelled = False
        self._looked = 0.0

    def take(self, said: dict[str, Any]) -> None:
        if "outcome" in said:
            self.end(said["outcome"], said.get("reason", ""))
            return
        steps.take(self.deploy.steps, said)
        self._save()

    def is_cancelled(self) -> bool:
        """Asked about once a second; also shows that somebody is at it."""
        if not self._is_cancelled and self._try(self._look):
            self._is_cancelled = self.deploy.cancelled_by_id is not None
        if time.monotonic() - self._looked > SEEN_EVERY_SECONDS:
            self._looked = time.monotonic()
            self._save()
        return self._is_cancelled

    def end(self, state: str, reason: str) -> None:
        """Raises OperationalError where the database stays away: the next worker finds it unfinished."""
        for step in self.deploy.steps:
            if step["state"] == "running":
                step["state"], step["note"] = "failed", reason
        self.deploy.end(state, reason)

    def _look(self) -> None:
        self.deploy.refresh_from_db(fields=["cancelled_by"])

    def _save(self) -> None:
        self.deploy.seen_at = timezone.now()
        self._try(lambda: self.deploy.save(update_fields=["steps", "seen_at"]))

    def _try(self, act: Any) -> bool:
        try:
            act()
        except OperationalError:
            log.warning("deploy %s: the database is away", self.deploy.pk)
            if not connection.is_usable():  # one that is holds the deploy's lock
                connection.close()
            return False
        return True
