"""What ops want deployed, and what the worker of deploys last saw of the repository and of the stages."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from hub_lambdas.sentences import stored

RESTART = gettext_noop("Restart")
"""What `make restart` leaves in a stage's history; nobody asks for it here."""
INTERRUPTED = gettext_noop("Interrupted")
"""What the stage's history says of a deploy that was killed; the console goes on with its own."""
APPROVED_WITHIN = timedelta(hours=24)
"""A deploy that nobody has approved by then ends."""
SHOWN_LENGTH = 12
"""So much of a commit's hash names its release."""


class Repository(models.Model):
    """What releases are made of, as it was fetched last: the one row there is."""

    asked_at = models.DateTimeField(null=True)
    fetched_at = models.DateTimeField(null=True)
    problem = models.TextField(blank=True)

    @property
    def is_asked_for(self) -> bool:
        """Whether somebody wants it fetched and it has not been since."""
        return self.asked_at is not None and (self.fetched_at is None or self.fetched_at < self.asked_at)


class Commit(models.Model):
    """A commit of the branch that is deployed from, the newest first."""

    hash = models.CharField(max_length=40, primary_key=True)
    position = models.PositiveIntegerField()
    parents = models.JSONField(default=list)
    subject = models.TextField()
    author = models.CharField(max_length=200)
    at = models.DateTimeField()
    migrations = models.JSONField(default=list)
    """Those that it adds, as "conversations 0011_who_waits"."""
    removed_migrations = models.JSONField(default=list)
    """Those that it renames or takes out, as main's migrations are numbered anew after a merge."""
    templates = models.JSONField(default=list)
    """Those of infra/ that it touches."""

    class Meta:
        ordering = ["position"]

    @property
    def release(self) -> str:
        return self.hash[:SHOWN_LENGTH]


class Stage(models.Model):
    """A stage: what ran there and what runs, newest first, as infra.deployment.job says it."""

    name = models.CharField(max_length=16, primary_key=True)
    place = models.CharField(max_length=100)
    needs_approval = models.BooleanField(default=False)
    release = models.CharField(max_length=SHOWN_LENGTH, blank=True)
    before = models.CharField(max_length=SHOWN_LENGTH, blank=True)
    """Where a rollback leads."""
    kept = models.JSONField(default=list)
    history = models.JSONField(default=list)
    problem = models.TextField(blank=True)
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]


class Deploy(models.Model):
    """One deploy or rollback that somebody asked for, and how far it is."""

    class Task(models.TextChoices):
        DEPLOY = "deploy", _("Deploy")
        ROLLBACK = "rollback", _("Rollback")

    class State(models.TextChoices):
        TO_APPROVE = "to_approve", _("Waits for approval")
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")
        REFUSED = "refused", _("Refused")
        EXPIRED = "expired", _("Expired")

    AT_WORK = (State.WAITING, State.RUNNING)
    UNDER_WAY = (State.TO_APPROVE, *AT_WORK)

    stage = models.CharField(max_length=16)
    task = models.CharField(max_length=8, choices=Task.choices)
    release = models.CharField(max_length=40)
    """The commit that is deployed, or the kept release that is gone back to."""
    replaces = models.CharField(max_length=SHOWN_LENGTH, blank=True)
    """What ran when it was asked for."""
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    asked_at = models.DateTimeField(auto_now_add=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    """Who approved or refused it."""
    cancelled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    steps = models.JSONField(default=list)
    """As `console.deployments.steps.Steps` writes them."""
    reason = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)
    """When the worker last showed that it is at it."""
    lease = models.PositiveIntegerField(default=0, db_default=0)
    """The number of the worker that took it up last (console.deployments.lease)."""
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["stage"],
                condition=Q(state__in=("to_approve", "waiting", "running")),
                name="one_deploy_of_a_stage_at_a_time",
            )
        ]

    def __str__(self) -> str:
        return title(self.task, self.short, self.stage)

    @property
    def short(self) -> str:
        """The release, as it is named everywhere."""
        return self.release[:SHOWN_LENGTH]

    @property
    def is_under_way(self) -> bool:
        return self.state in self.UNDER_WAY

    def end(self, state: str, reason: str = "") -> None:
        """Write down what became of it."""
        self.state, self.reason, self.finished_at = state, reason, timezone.now()
        self.save(update_fields=["state", "reason", "finished_at", "steps"])


def title(task: str, release: str, stage: str) -> str:
    """What somebody wants: "Deploy of 0123456789ab on prod"."""
    label = Deploy.Task(task).label if task in Deploy.Task.values else gettext(task.capitalize())
    said = {"task": label, "release": release, "stage": stage}
    return gettext("%(task)s of %(release)s on %(stage)s") % said


def expire() -> None:
    """End what nobody approved in time."""
    forgotten: Any = Deploy.objects.filter(
        state=Deploy.State.TO_APPROVE, asked_at__lt=timezone.now() - APPROVED_WITHIN
    )
    forgotten.update(
        state=Deploy.State.EXPIRED,
        reason=stored("Nobody approved it within a day."),
        finished_at=timezone.now(),
    )
