"""Whom an organization talks with: contacts, and their conversations."""

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from console.channels.models import Channel
from console.exact_text import ExactTextField
from console.organizations.models import Organization


class Contact(models.Model):
    """A person on one channel, known by the platform's id for them."""

    organization_lookup: ClassVar[str] = "channel__organization"

    COUNTS_NOWHERE: ClassVar[Q] = Q(is_test=True) | Q(erased_at__isnull=False)
    """In no queue of the inbox: who was made up for a test, and who was erased."""

    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="contacts")
    platform_id = models.CharField(max_length=200)
    alias = models.CharField(
        max_length=200, null=True, help_text="Another id that the platform may use for the same contact."
    )
    name = ExactTextField(blank=True)
    language = models.CharField(max_length=35, blank=True)
    is_unreachable = models.BooleanField(
        default=False, help_text="The contact blocked the bot or left the platform."
    )
    is_blocked = models.BooleanField(
        _("blocked"),
        default=False,
        help_text=_("What they write is stored and declined, without a word to them."),
    )
    is_test = models.BooleanField(
        _("test"),
        default=False,
        db_default=False,
        editable=False,
        help_text="The hub itself wrote as them: they exist at no platform, and count nowhere.",
    )
    limit_told_at = models.DateTimeField(
        null=True, editable=False, help_text="When they were last told that they are over a limit."
    )
    looked_up_at = models.DateTimeField(
        null=True, editable=False, help_text="When the platform was last asked for their name."
    )
    erased_at = models.DateTimeField(
        null=True, editable=False, help_text="Since when nobody can tell who they were."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["channel", "platform_id"], name="one_contact_per_platform_id"),
            models.UniqueConstraint(fields=["channel", "alias"], name="one_contact_per_alias"),
        ]
        indexes = [
            models.Index(
                fields=["id"],
                condition=Q(is_test=True) | Q(erased_at__isnull=False),
                name="contact_counts_nowhere",
            ),
        ]

    def __str__(self) -> str:
        return gettext("Erased contact") if self.erased_at else self.name or self.platform_id


class Conversation(models.Model):
    """All messages with one contact."""

    organization_lookup: ClassVar[str] = "organization"

    class Owner(models.TextChoices):
        BOT = "bot", _("Bot")
        STAFF = "staff", _("Staff")

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="conversations")
    contact = models.OneToOneField(Contact, on_delete=models.PROTECT, related_name="conversation")
    owner = models.CharField(max_length=5, choices=Owner.choices, default=Owner.BOT)
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    owned_since = models.DateTimeField(null=True, help_text="When staff got it last.")
    waiting_since = models.DateTimeField(
        null=True, help_text="When the contact wrote what staff have not answered yet."
    )
    closed_at = models.DateTimeField(
        null=True, help_text="When a member was done with it. What the contact writes later opens it again."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    last_message_at = models.DateTimeField(null=True)
    written_at: datetime | None
    """When the contact wrote last (`hub_lambdas.reply_window`): of one that the inbox has found."""

    class Meta:
        ordering = ["-last_message_at"]
        indexes = [
            models.Index(fields=["organization", "-last_message_at"], name="conversation_latest"),
            models.Index(
                "organization",
                models.F("last_message_at").desc(nulls_last=True),
                models.F("id").desc(),
                name="conversation_newest",
            ),
            models.Index(
                fields=["last_message_at"], condition=Q(owner="staff"), name="conversation_of_staff"
            ),
            models.Index(
                fields=["organization", "waiting_since"],
                condition=Q(waiting_since__isnull=False),
                name="conversation_waiting",
            ),
        ]

    def __str__(self) -> str:
        return str(self.contact)

    @property
    def is_closed(self) -> bool:
        """Whether a member was done with it, and the contact has written nothing since."""
        return self.closed_at is not None and (
            self.last_message_at is None or self.closed_at >= self.last_message_at
        )
