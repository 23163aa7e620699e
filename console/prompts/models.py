"""What the LLM is told: an organization's prompt, versioned, and its canned prompts."""

from typing import ClassVar

from django.conf import settings
from django.db import models, transaction
from django.db.models import Max, Q
from django.utils import timezone

from console.organizations.models import Organization
from console.prompts.choices import lines, validate_choices
from hub_lambdas.channels.base import CHOICE_LIMIT, MAX_CHOICES


class PromptVersion(models.Model):
    """One version of an organization's instructions to the LLM; exactly one at a time is published."""

    organization_lookup: ClassVar[str] = "organization"

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        PUBLISHED = "published", "Published"
        REPLACED = "replaced", "Replaced"

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="prompt_versions")
    number = models.PositiveIntegerField(editable=False)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT, editable=False)
    instructions = models.TextField(
        max_length=8000, help_text="Who the bot is, how it speaks, what it must not do."
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    published_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["organization", "-number"]
        verbose_name = "prompt"
        constraints = [
            models.UniqueConstraint(fields=["organization", "number"], name="one_prompt_per_number"),
            models.UniqueConstraint(
                fields=["organization"], condition=Q(status="published"), name="one_published_prompt"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.organization} v{self.number}"

    def save(self, *args: object, **kwargs: object) -> None:
        if not self.number:
            numbers = PromptVersion.objects.filter(organization=self.organization).aggregate(
                last=Max("number")
            )
            self.number = (numbers["last"] or 0) + 1
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    @transaction.atomic
    def publish(self) -> None:
        """Make this the version that the next request is asked with."""
        Organization.objects.select_for_update().get(pk=self.organization_id)
        published = PromptVersion.objects.filter(organization=self.organization, status=self.Status.PUBLISHED)
        published.exclude(pk=self.pk).update(status=self.Status.REPLACED)
        self.status, self.published_at = self.Status.PUBLISHED, timezone.now()
        self.save()


class CannedPrompt(models.Model):
    """A question with the answer the organization wants, shown to the LLM as a worked example."""

    organization_lookup: ClassVar[str] = "organization"

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="canned_prompts")
    position = models.PositiveIntegerField(default=0, help_text="Lower comes first.")
    question = models.CharField(max_length=500)
    also_asked = models.TextField(
        max_length=4000,
        blank=True,
        help_text="Other ways to ask it, one per line: they help the bot to recognize the question.",
    )
    answer = models.TextField(max_length=2000)
    choices = models.TextField(
        max_length=400,
        blank=True,
        default="",
        db_default="",
        validators=[validate_choices],
        help_text=f"What the contact may tap below the answer, one per line: up to {MAX_CHOICES}, of at most "
        f"{CHOICE_LIMIT} characters each. They are offered whenever the bot's answer is word for word this "
        "one. What is tapped comes back as a message, so another canned prompt should answer it.",
    )
    is_active = models.BooleanField("active", default=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["organization", "position", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "question"], name="one_canned_prompt_per_question"
            ),
        ]

    def __str__(self) -> str:
        return self.question

    @property
    def wordings(self) -> list[str]:
        """Every way to ask it, the question first."""
        others = (line.strip() for line in self.also_asked.splitlines())
        return [self.question, *(line for line in others if line)]

    @property
    def offered(self) -> list[str]:
        """Its choices, one by one."""
        return lines(self.choices)
