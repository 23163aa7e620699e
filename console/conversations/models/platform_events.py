"""What platforms report besides messages."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from console.channels.models import Channel
from console.exact_text import ExactTextField


class PlatformEvent(models.Model):
    """Whatever a platform reports that is no message: reactions, edits, blocks, and kinds not known yet. Of a
    receipt also what it says of which message: that may not be known by its id yet."""

    organization_lookup: ClassVar[str] = "channel__organization"

    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="events")
    platform_id = models.CharField(max_length=200)
    kind = models.CharField(max_length=40)
    contact_platform_id = models.CharField(max_length=200, blank=True)
    payload = ExactTextField()
    message_platform_id = models.CharField(max_length=200, blank=True, default="", db_default="")
    until = models.DateTimeField(null=True, help_text="All that the contact was sent up to then is meant.")
    reached = models.CharField(max_length=9, blank=True, default="", db_default="")
    failure = models.CharField(max_length=300, blank=True, default="", db_default="")
    received_at = models.DateTimeField()
    stored_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["channel", "platform_id"], name="one_event_per_platform_id"),
        ]
        indexes = [
            models.Index(
                fields=["channel", "message_platform_id"],
                condition=~Q(message_platform_id=""),
                name="event_of_message",
            ),
            models.Index(
                fields=["channel", "contact_platform_id", "until"],
                condition=Q(until__isnull=False),
                name="event_with_watermark",
            ),
        ]
