"""What no handler could process."""

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.indexes import HashIndex
from django.db import models
from django.utils.translation import gettext_lazy as _

from console.conversations.models.turns import Turn
from console.exact_text import ExactTextField
from console.organizations.models import Organization


class DeadLetter(models.Model):
    """A queue message that no handler could process; the turn behind it was given to staff."""

    organization_lookup: ClassVar[str] = "organization"

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        REPLAYED = "replayed", _("Replayed")
        DISCARDED = "discarded", _("Discarded")

    organization = models.ForeignKey(
        Organization,
        null=True,
        on_delete=models.CASCADE,
        related_name="dead_letters",
    )
    turn = models.ForeignKey(Turn, null=True, on_delete=models.SET_NULL, related_name="dead_letters")
    queue = models.CharField(max_length=80)
    queue_message_id = models.CharField(max_length=100, unique=True)
    body = ExactTextField()
    cause = models.CharField(max_length=300, blank=True, help_text="What the handler said when it failed.")
    state = models.CharField(max_length=9, choices=State.choices, default=State.WAITING)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    resolved_at = models.DateTimeField(null=True)
    alerted_at = models.DateTimeField(null=True, help_text="When staff got an e-mail about it.")
    stored_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-stored_at"]
        indexes = [HashIndex(fields=["body"], name="dead_letter_by_body")]
