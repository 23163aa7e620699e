"""What the LLM is told: an organization's prompt in versions, each with its canned prompts."""

import uuid
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.db import models, transaction
from django.db.models import Max, Q
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from console.organizations.models import Organization
from console.prompts import variables
from console.prompts.choices import lines, validate_choices
from hub_lambdas.channels.base import CHOICE_LIMIT, MAX_CHOICES


class PromptVersion(models.Model):
    """One version of what the LLM is told: instructions and canned prompts. One at a time is published, and
    only that one is production's."""

    organization_lookup: ClassVar[str] = "organization"

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        PUBLISHED = "published", _("Published")
        REPLACED = "replaced", _("Replaced")

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="prompt_versions")
    number = models.PositiveIntegerField(editable=False)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT, editable=False)
    instructions = models.TextField(
        _("instructions"), max_length=8000, help_text=_("Who the bot is, how it speaks, what it must not do.")
    )
    canned_prompts = models.JSONField(
        null=True,
        editable=False,
        help_text="Its canned prompts, unless it is published: then they are the rows of CannedPrompt. None: "
        "of a release that did not keep them.",
    )
    note = models.CharField(
        _("note"),
        max_length=300,
        blank=True,
        default="",
        db_default="",
        help_text=_("What changes, and why."),
    )
    revision = models.PositiveIntegerField(
        default=0, db_default=0, editable=False, help_text="How often the draft was edited."
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Who edited or published it last.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    edited_at = models.DateTimeField(null=True, editable=False)
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

    @property
    def canned(self) -> "list[CannedPrompt]":
        """Its canned prompts in order, those that are switched off too. Only a published one's are stored."""
        if self.status == self.Status.PUBLISHED or self.canned_prompts is None:
            return list(live_canned(self.organization_id))
        return [
            CannedPrompt.of_json(self.organization_id, position, entry)
            for position, entry in enumerate(self.canned_prompts, start=1)
        ]

    @canned.setter
    def canned(self, canned: "Iterable[CannedPrompt]") -> None:
        self.canned_prompts = [each.as_json() for each in canned]

    def audited_parts(self) -> dict[str, str]:
        """Its canned prompts, one by one, for the audit log."""
        return {f"“{entry['question']}”": _told(entry) for entry in self.canned_prompts or ()}

    @transaction.atomic
    def publish(self) -> None:
        """Make this the version that the next request is asked with."""
        Organization.objects.select_for_update().get(pk=self.organization_id)
        if self.status != self.Status.PUBLISHED:
            published = PromptVersion.objects.filter(
                organization=self.organization, status=self.Status.PUBLISHED
            )
            before = [each.as_json() for each in live_canned(self.organization_id)]
            published.update(status=self.Status.REPLACED, canned_prompts=before)
            if self.canned_prompts is None:
                self.canned_prompts = before
            wanted = self.canned
            live_canned(self.organization_id).delete()
            CannedPrompt.objects.bulk_create(wanted)
        self.status, self.published_at = self.Status.PUBLISHED, timezone.now()
        self.save()
        Organization.objects.filter(pk=self.organization_id).update(prompts_changed_at=self.published_at)


def _told(entry: dict[str, Any]) -> str:
    """A canned prompt as a line of the audit log."""
    parts = [entry["also_asked"], f"→ {entry['answer']}", entry["choices"]]
    return " / ".join(part for part in parts if part) + ("" if entry["is_active"] else " (off)")


class CannedPrompt(models.Model):
    """A question with the answer the organization wants, shown to the LLM as a worked example. The rows are
    those of the published version, which writes them; other versions keep theirs as JSON."""

    organization_lookup: ClassVar[str] = "organization"

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="canned_prompts")
    key = models.UUIDField(
        default=uuid.uuid4,
        db_default=RandomUUID(),
        editable=False,
        help_text="The same in all versions, whatever becomes of its question.",
    )
    position = models.PositiveIntegerField(default=0, help_text="Lower comes first.")
    question = models.CharField(_("question"), max_length=500)
    also_asked = models.TextField(
        _("also asked"),
        max_length=4000,
        blank=True,
        help_text=_("Other ways to ask it, one per line: they help the bot to recognize the question."),
    )
    answer = models.TextField(
        _("answer"),
        max_length=2000,
        validators=[variables.validate],
        help_text=format_lazy(
            _(
                "It may hold {variables}; what stands behind a bar is said where there is no name: "
                "{{{{contact.name|there}}}}."
            ),
            variables=variables.HELP,
        ),
    )
    choices = models.TextField(
        _("choices"),
        max_length=400,
        blank=True,
        default="",
        db_default="",
        validators=[validate_choices],
        help_text=format_lazy(
            _(
                "What the contact may tap below the answer, one per line: up to {count}, of at most {length} "
                "characters each. They are offered whenever the bot's answer is word for word this one. What "
                "is tapped comes back as a message, so another canned prompt should answer it."
            ),
            count=MAX_CHOICES,
            length=CHOICE_LIMIT,
        ),
    )
    is_active = models.BooleanField(_("active"), default=True)
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

    @property
    def content(self) -> dict[str, Any]:
        """What of it people write, by field."""
        return {name: getattr(self, name) for name in CONTENT}

    def as_json(self) -> dict[str, Any]:
        """What a version keeps of it."""
        return {"key": str(self.key), **self.content}

    @classmethod
    def of_json(cls, organization_id: int, position: int, entry: dict[str, Any]) -> "CannedPrompt":
        """What a version has kept, as it would be stored."""
        content = {name: entry[name] for name in CONTENT}
        return cls(organization_id=organization_id, position=position, key=uuid.UUID(entry["key"]), **content)


CONTENT: Sequence[str] = ("question", "also_asked", "answer", "choices", "is_active")


def live_canned(organization_id: int) -> "models.QuerySet[CannedPrompt]":
    """What is published, in order."""
    return CannedPrompt.objects.filter(organization_id=organization_id).order_by("position", "id")
