"""What was said, in and out, and the files that came with it."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from console.channels.models import Channel
from console.conversations.models.contacts import Conversation
from console.conversations.models.turns import Turn
from console.exact_text import ExactTextField


class Message(models.Model):
    """One message, in or out. Inbound rows change by edits only; outbound rows record each attempt."""

    organization_lookup: ClassVar[str] = "conversation__organization"

    class Direction(models.TextChoices):
        IN = "in", "In"
        OUT = "out", "Out"

    class Purpose(models.TextChoices):
        ANSWER = "answer", _("Answer")
        HOLDING = "holding", _("Holding line")
        FALLBACK = "fallback", _("Fallback")
        LIMIT = "limit", _("Limit line")
        MEDIA = "media", _("Media line")
        STAFF = "staff", _("Staff reply")

    class State(models.TextChoices):
        RECEIVED = "received", _("Received")
        PENDING = "pending", _("Pending")
        SENDING = "sending", _("Sending")
        SENT = "sent", _("Sent")
        FAILED = "failed", _("Failed")
        UNKNOWN = "unknown", _("Unknown")
        CANCELLED = "cancelled", _("Cancelled")

    conversation = models.ForeignKey(Conversation, on_delete=models.PROTECT, related_name="messages")
    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="+")
    turn = models.ForeignKey(Turn, null=True, on_delete=models.PROTECT, related_name="messages")
    request = models.ForeignKey(
        "LlmRequest",
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Whose reply this answer carries.",
    )
    direction = models.CharField(max_length=3, choices=Direction.choices)
    purpose = models.CharField(max_length=10, choices=Purpose.choices, blank=True)
    part = models.PositiveSmallIntegerField(
        default=0, help_text="Which piece of a text that exceeds the platform's limit."
    )
    kind = models.CharField(max_length=20, default="text")
    text = ExactTextField(blank=True)
    choices = models.JSONField(
        default=list, db_default=[], blank=True, help_text="What the contact may tap in answer to it."
    )
    payload = ExactTextField(blank=True, help_text="What the platform sent, as JSON.")
    platform_id = models.CharField(max_length=200, null=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    state = models.CharField(max_length=9, choices=State.choices, default=State.RECEIVED)
    error = models.CharField(max_length=300, blank=True)
    reached = models.CharField(
        max_length=9,
        blank=True,
        default="",
        db_default="",
        choices=[("sent", _("Sent")), ("delivered", _("Delivered")), ("read", _("Read"))],
        help_text="How far it has come, as the platform reports it.",
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    unknown_attempts = models.PositiveSmallIntegerField(
        db_default=0,
        default=0,
        help_text="After so many attempts the platform did not say whether it took the message.",
    )
    platform_at = models.DateTimeField(null=True, help_text="The payload's own time.")
    received_at = models.DateTimeField(null=True, help_text="When the webhook took it.")
    stored_at = models.DateTimeField(auto_now_add=True)
    sending_at = models.DateTimeField(null=True, help_text="When the last attempt to send was recorded.")
    sent_at = models.DateTimeField(null=True, help_text="When the platform took it.")
    edited_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["channel", "platform_id"], name="one_message_per_platform_id"),
            models.UniqueConstraint(
                fields=["turn", "purpose", "part"],
                condition=Q(direction="out", turn__isnull=False) & ~Q(state="cancelled"),
                name="one_outbound_message_per_purpose",
            ),
        ]
        indexes = [
            models.Index(
                fields=["stored_at"], condition=Q(state__in=["pending", "sending"]), name="message_unsent"
            ),
            models.Index(fields=["conversation", "-id"], name="message_newest"),
        ]

    def __str__(self) -> str:
        return f"Message {self.pk}"


class MessageMedia(models.Model):
    """A file that came with a message. It is fetched after the message is stored: no answer waits for it."""

    organization_lookup: ClassVar[str] = "message__conversation__organization"

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        KEPT = "kept", "Kept"
        REFUSED = "refused", "Refused"
        FAILED = "failed", "Failed"
        REMOVED = "removed", "Removed"

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="media")
    position = models.PositiveSmallIntegerField()
    reference = models.TextField(blank=True, help_text="The platform's id of the file, or its address there.")
    media_type = models.CharField(max_length=200, blank=True)
    name = models.CharField(max_length=200, blank=True)
    size_bytes = models.BigIntegerField(null=True)
    state = models.CharField(max_length=7, choices=State.choices, default=State.WAITING)
    reason = models.CharField(max_length=300, blank=True, help_text="Why there is no file, or not yet.")
    file = models.FileField(max_length=200, blank=True, help_text="Named before it is there.")
    attempts = models.PositiveSmallIntegerField(default=0)
    attempted_at = models.DateTimeField(null=True)
    stored_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["message", "position"]
        constraints = [
            models.UniqueConstraint(fields=["message", "position"], name="one_file_per_position"),
        ]
        indexes = [
            models.Index(
                fields=["stored_at"],
                condition=Q(state="waiting") | (Q(state="removed") & ~Q(file="")),
                name="media_to_be_seen_to",
            ),
        ]
