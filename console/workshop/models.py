"""What the workshop keeps: questions that were put to a version, and what came of them."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from console.exact_text import ExactTextField
from console.organizations.models import Organization
from console.prompts.models import PromptVersion


class Case(models.Model):
    """A test case: a question, and what has to come of it whenever something is published."""

    organization_lookup: ClassVar[str] = "organization"

    class Expectation(models.TextChoices):
        ANSWERED = "answered", _("The bot answers")
        HANDED_OVER = "handed_over", _("Staff get it")

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="cases")
    question = models.TextField(_("question"), max_length=2000)
    history = models.JSONField(
        default=list, editable=False, help_text="What was asked and answered before, in pairs."
    )
    expectation = models.CharField(
        _("what has to come of it"),
        max_length=11,
        choices=Expectation.choices,
        default=Expectation.ANSWERED,
    )
    must_contain = models.TextField(
        _("the answer must contain"),
        max_length=1000,
        blank=True,
        help_text=_("One a line; upper and lower case are the same."),
    )
    must_not_contain = models.TextField(
        _("the answer must not contain"),
        max_length=1000,
        blank=True,
        help_text=_("One a line; upper and lower case are the same."),
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["organization", "id"]
        verbose_name = _("test case")

    def __str__(self) -> str:
        return self.question[:80]


class CaseRun(models.Model):
    """All test cases of an organization, asked of the draft and of what is published: a console job's row."""

    organization_lookup: ClassVar[str] = "organization"

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        STOPPED = "stopped", _("Stopped")
        FAILED = "failed", _("Failed")

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="case_runs")
    published = models.ForeignKey(PromptVersion, null=True, on_delete=models.SET_NULL, related_name="+")
    draft = models.ForeignKey(PromptVersion, null=True, on_delete=models.SET_NULL, related_name="+")
    revision = models.PositiveIntegerField(default=0, help_text="Of the draft, when it was asked.")
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    asked_at = models.DateTimeField(auto_now_add=True)
    state = models.CharField(max_length=7, choices=State.choices, default=State.WAITING)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]

    @property
    def is_under_way(self) -> bool:
        """Whether more of it is to come."""
        return self.state in (self.State.WAITING, self.State.RUNNING)

    @property
    def percent(self) -> int:
        """Of it that is done."""
        return round(100 * self.done / self.total) if self.total else 0


class Rehearsal(models.Model):
    """A question that a version answers as production would. The answer is sent to nobody."""

    organization_lookup: ClassVar[str] = "organization"

    class State(models.TextChoices):
        PENDING = "pending", _("Asked")
        ANSWERED = "answered", _("Answered")
        HANDED_OVER = "handed_over", _("Handed over")
        FAILED = "failed", _("No reply")

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="rehearsals")
    version = models.ForeignKey(
        PromptVersion,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="None: of an organization without any, or of a draft that was discarded.",
    )
    is_draft = models.BooleanField(help_text="Whether the version was the draft, not what is published.")
    run = models.ForeignKey(CaseRun, null=True, on_delete=models.CASCADE, related_name="rehearsals")
    case = models.ForeignKey(Case, null=True, on_delete=models.CASCADE, related_name="rehearsals")
    pair = models.UUIDField(
        default=uuid.uuid4, db_index=True, help_text="The same for the two sides of a question."
    )
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    asked_at = models.DateTimeField()
    expires_at = models.DateTimeField(help_text="No reply comes any more after it.")
    priority = models.CharField(max_length=11, default="interactive", help_text="In llm_api's words.")
    question = ExactTextField()
    history = models.JSONField(default=list, help_text="What was asked and answered before, in pairs.")
    state = models.CharField(max_length=11, choices=State.choices, default=State.PENDING)
    reason = models.CharField(max_length=60, blank=True, help_text="Why it was handed over.")
    text = ExactTextField(blank=True, help_text="What the contact would get.")

    class Meta:
        ordering = ["-asked_at", "-id"]
        indexes = [models.Index(fields=["organization", "-asked_at"], name="rehearsal_by_organization")]
        constraints = [
            models.UniqueConstraint(fields=["run", "case", "is_draft"], name="one_rehearsal_per_case"),
        ]

    @cached_property
    def attempt_rows(self) -> "list[Attempt]":
        """Its requests to the LLM in order, read once."""
        return list(self.attempts.order_by("number"))


class Attempt(models.Model):
    """One request to the LLM for a rehearsal, and the reply to it."""

    organization_lookup: ClassVar[str] = "rehearsal__organization"

    class State(models.TextChoices):
        PENDING = "pending", _("Pending")
        COMPLETED = "completed", _("Completed")
        FAILED = "failed", _("Failed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    rehearsal = models.ForeignKey(Rehearsal, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    chat = models.JSONField(help_text="What the LLM is given, in its parts, and what is left out.")
    state = models.CharField(max_length=9, choices=State.choices, default=State.PENDING)
    text = ExactTextField(blank=True)
    finish_reason = models.CharField(max_length=20, blank=True)
    objection = models.CharField(max_length=300, blank=True, help_text="What in it nobody has said.")
    error_code = models.CharField(max_length=60, blank=True)
    prompt_tokens = models.PositiveIntegerField(null=True)
    completion_tokens = models.PositiveIntegerField(null=True)
    dropped_messages = models.PositiveIntegerField(
        default=0, help_text="So many of the oldest did not fit into the LLM's context."
    )
    context_tokens = models.PositiveIntegerField(null=True, help_text="For prompt and answer together.")
    asked_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["rehearsal", "number"]
        constraints = [
            models.UniqueConstraint(fields=["rehearsal", "number"], name="one_attempt_per_number"),
        ]

    @property
    def seconds(self) -> float | None:
        """How long the LLM worked at it."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()
