"""The tally: what each hour brought on each channel, so that a dashboard need not go through the ledger."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from console.channels.models import Channel
from console.organizations.models import Organization


class Tally(models.Model):
    """The turns of one channel that began in one hour, and those of all channels together (no organization):
    that row says that the hour is counted. It outlives the messages, of which it keeps only numbers."""

    organization_lookup: ClassVar[str] = "organization"

    hour = models.DateTimeField(help_text="Where it begins.")
    organization = models.ForeignKey(Organization, null=True, on_delete=models.CASCADE, related_name="+")
    channel = models.ForeignKey(Channel, null=True, on_delete=models.CASCADE, related_name="+")
    counted_at = models.DateTimeField()
    received = models.PositiveIntegerField(help_text="Messages of contacts.")
    sent = models.PositiveIntegerField(help_text="Messages that platforms took.")
    turns = models.PositiveIntegerField()
    answered = models.PositiveIntegerField()
    handed_over = models.PositiveIntegerField()
    declined = models.PositiveIntegerField()
    in_time = models.PositiveIntegerField(help_text="First reply within five seconds.")
    slow = models.PositiveIntegerField(help_text="First reply later, or still waited for.")
    prompt_tokens = models.BigIntegerField()
    completion_tokens = models.BigIntegerField()
    reasons = models.JSONField(help_text="Why turns were handed over: how many for each reason.")
    answer_times = models.JSONField(help_text="How long answers took: how many in each bin of `times.py`.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "organization", "channel"], nulls_distinct=False, name="one_tally_per_hour"
            ),
            models.CheckConstraint(
                condition=Q(organization__isnull=True, channel__isnull=True)
                | Q(organization__isnull=False, channel__isnull=False),
                name="tally_of_a_channel_or_of_all",
            ),
        ]
        indexes = [
            models.Index(
                fields=["organization", "hour"],
                include=[
                    *("channel", "received", "sent", "turns", "answered", "handed_over", "declined"),
                    *("in_time", "slow", "prompt_tokens", "completion_tokens"),
                ],
                name="tally_sums",
            )
        ]
