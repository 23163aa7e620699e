"""Runs of the simulation that ops asked for on the Capacity page."""

from django.conf import settings
from django.db import models


class Run(models.Model):
    """One run, a console job's row: asked for, then running, then with its study or an error."""

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    asked_at = models.DateTimeField(auto_now_add=True)
    question = models.JSONField()
    """What was asked, as QuestionForm says it and `forms.traffic_of` reads it."""
    state = models.CharField(max_length=7, choices=State.choices, default=State.WAITING)
    share = models.FloatField(default=0.0)
    """What part of it is simulated."""
    study = models.JSONField(null=True)
    error = models.TextField(blank=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]

    @property
    def is_under_way(self) -> bool:
        """Whether its study is still to come."""
        return self.state in (self.State.WAITING, self.State.RUNNING)

    @property
    def percent(self) -> int:
        """Of it that is simulated."""
        return round(self.share * 100)
