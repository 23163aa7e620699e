"""Feedback: whether an answer of the bot helped, in the eyes of its contact or of a member."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from console.conversations.models import Message
from console.organizations.models import Organization


class Feedback(models.Model):
    """One opinion of one answer. Whoever changes their mind changes it."""

    organization_lookup: ClassVar[str] = "organization"

    class Source(models.TextChoices):
        CONTACT = "contact", "Contact"
        STAFF = "staff", "Staff"

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="feedback")
    source = models.CharField(max_length=7, choices=Source.choices)
    member = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    is_good = models.BooleanField()
    given_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["given_at"]
        constraints = [
            models.UniqueConstraint(fields=["message", "member"], name="one_feedback_per_member"),
            models.UniqueConstraint(
                fields=["message"], condition=Q(source="contact"), name="one_feedback_per_contact"
            ),
        ]
        indexes = [models.Index(fields=["organization", "given_at"], name="feedback_by_organization")]
