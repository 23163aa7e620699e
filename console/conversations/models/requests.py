"""What the LLM was asked, and what it said."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from console.conversations.models.messages import Message
from console.conversations.models.turns import Turn
from console.exact_text import ExactTextField
from console.prompts.models import PromptVersion


class LlmRequest(models.Model):
    """One request to the LLM for a turn, and the reply to it."""

    organization_lookup: ClassVar[str] = "turn__organization"

    class State(models.TextChoices):
        PENDING = "pending", "Pending"
        COMPLETED = "completed", "Completed"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    turn = models.ForeignKey(Turn, on_delete=models.PROTECT, related_name="requests")
    last_message = models.ForeignKey(
        Message,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The newest message it answers: a newer one makes it stale.",
    )
    prompt_version = models.ForeignKey(PromptVersion, null=True, on_delete=models.SET_NULL, related_name="+")
    state = models.CharField(max_length=9, choices=State.choices, default=State.PENDING)
    text = ExactTextField(blank=True)
    finish_reason = models.CharField(max_length=20, blank=True)
    model = models.CharField(max_length=200, blank=True)
    prompt_tokens = models.PositiveIntegerField(null=True)
    completion_tokens = models.PositiveIntegerField(null=True)
    error_code = models.CharField(max_length=60, blank=True)
    objection = models.CharField(
        max_length=300, blank=True, help_text="Why this answer is not sent: what in it nobody has said."
    )
    asked_at = models.DateTimeField(default=timezone.now)
    received_at = models.DateTimeField(null=True, help_text="When the LLM's server took it from the queue.")
    started_at = models.DateTimeField(null=True, help_text="When generation started.")
    finished_at = models.DateTimeField(null=True, help_text="When generation ended.")
    stored_at = models.DateTimeField(null=True, help_text="When the reply was stored.")

    class Meta:
        ordering = ["asked_at"]
        indexes = [
            models.Index(fields=["asked_at"], condition=Q(state="pending"), name="llmrequest_pending"),
        ]
