"""Connected accounts at the platforms."""

import uuid
from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from console.encryption import EncryptedJSONField
from console.exact_text import printable
from console.organizations.models import Organization

REASON_MAX_LENGTH = 300


class Channel(models.Model):
    """One connected account of one kind; its id is part of its webhook address."""

    organization_lookup: ClassVar[str] = "organization"

    class Status(models.TextChoices):
        ACTIVE = "active", _("Active")
        PAUSED = "paused", _("Paused")
        RETIRED = "retired", _("Retired")

    class Bot(models.TextChoices):
        ANSWERS = "answers", _("Answers contacts")
        DRAFTS = "drafts", _("Writes drafts that staff send")
        SILENT = "silent", _("Is off: messages go to staff at once")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="channels")
    kind = models.CharField(max_length=20)
    name = models.CharField(max_length=120)
    account = models.CharField(
        max_length=120,
        blank=True,
        editable=False,
        help_text="Who this is at the platform, as the platform says.",
    )
    address = models.CharField(
        max_length=120,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="The platform's id for the account, by which a webhook that serves several names it.",
    )
    parent_address = models.CharField(
        max_length=120,
        blank=True,
        default="",
        db_default="",
        db_index=True,
        editable=False,
        help_text="The platform's id for what the account belongs to, by which webhooks name all of it.",
    )
    credentials = EncryptedJSONField(default=dict)
    options = models.JSONField(default=dict, blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.ACTIVE)
    bot = models.CharField(
        _("bot"), max_length=7, choices=Bot.choices, default=Bot.ANSWERS, db_default=Bot.ANSWERS
    )
    tells_contacts = models.BooleanField(
        _("tell contacts that staff will answer"),
        default=True,
        db_default=True,
        help_text=_(
            "Where the bot does not answer them: with the fallback, or the away text. Else they hear nothing "
            "until somebody writes."
        ),
    )
    status_reason = models.CharField(max_length=REASON_MAX_LENGTH, blank=True, editable=False)
    alerted_at = models.DateTimeField(
        null=True, editable=False, help_text="When its admins were told that it is broken."
    )
    resumed_at = models.DateTimeField(null=True, editable=False, help_text="When it was repaired last.")
    last_webhook_at = models.DateTimeField(null=True, editable=False)
    checked_at = models.DateTimeField(null=True, editable=False)
    health = models.JSONField(
        null=True, editable=False, help_text="What its platform said of it when it was asked last."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["organization", "kind", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "kind", "name"], name="one_channel_per_kind_and_name"
            ),
            models.UniqueConstraint(
                fields=["kind", "address"],
                condition=~models.Q(address="") & ~models.Q(status="retired"),
                name="one_channel_per_account",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def held(path: str = "") -> models.Q:
        """`is_held` as a condition on channels, or on what has its channel at `path` ("channel__")."""
        return models.Q(**{f"{path}status": Channel.Status.PAUSED}) & ~models.Q(
            **{f"{path}status_reason": ""}
        )

    def hold(self, reason: str) -> None:
        """Pause until the credential is repaired, and have its admins told. For one that is active only."""
        if self.status == self.Status.ACTIVE:
            self.status, self.alerted_at = self.Status.PAUSED, None
            self.status_reason = printable(reason)[:REASON_MAX_LENGTH]
            self.save(update_fields=["status", "status_reason", "alerted_at"])

    @property
    def is_held(self) -> bool:
        """Whether the hub paused it because of its credential: what is to be sent waits for the repair."""
        return self.status == self.Status.PAUSED and bool(self.status_reason)


class Newcomer(models.Model):
    """Somebody wrote for the first time where anybody may: `hub_lambdas.newcomers` counts and forgets them.
    Of nobody's organization, and nothing that can be read: all is hashed with the hub's key."""

    network = models.CharField(max_length=64, help_text="Of the channel and where they wrote from.")
    contact = models.CharField(max_length=64, help_text="Of the channel and who they are.")
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["network", "contact"], name="one_newcomer_per_network"),
        ]
        indexes = [models.Index(fields=["at"], name="newcomer_by_time")]
