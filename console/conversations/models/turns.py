"""The ledger's row: what gets one answer and one outcome."""

from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from console.conversations.models.contacts import Conversation
from console.organizations.models import Organization

if TYPE_CHECKING:
    from console.conversations.models.messages import Message
    from console.conversations.models.requests import LlmRequest


class Turn(models.Model):
    """Consecutive messages of a contact that get one answer together: the ledger's row."""

    organization_lookup: ClassVar[str] = "organization"

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        ASKED = "asked", _("Asked")
        ANSWERED = "answered", _("Answered")
        HANDED_OVER = "handed_over", _("Handed over")
        DECLINED = "declined", _("Declined")

    UNSETTLED: ClassVar[tuple[str, ...]] = (State.OPEN, State.ASKED)

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="turns")
    conversation = models.ForeignKey(Conversation, on_delete=models.PROTECT, related_name="turns")
    state = models.CharField(max_length=11, choices=State.choices, default=State.OPEN)
    reason = models.CharField(max_length=60, blank=True, help_text="Why it was handed over or declined.")
    reason_detail = models.CharField(
        max_length=120,
        blank=True,
        default="",
        db_default="",
        help_text="The word or topic behind it.",
    )
    first_message_at = models.DateTimeField()
    last_message_at = models.DateTimeField()
    sealed_at = models.DateTimeField(
        null=True, help_text="When its answer started on its way: later messages belong to the next turn."
    )
    settled_at = models.DateTimeField(null=True, help_text="When its outcome was known.")
    wake_at = models.DateTimeField(
        null=True, help_text="The moment that a wake-up was ordered for last: a second one is not needed."
    )
    staff_told_at = models.DateTimeField(null=True, help_text="When staff got an e-mail on its hand-over.")

    class Meta:
        ordering = ["-first_message_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["conversation"],
                condition=Q(state__in=["open", "asked"], sealed_at__isnull=True),
                name="one_gathering_turn_per_conversation",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["open", "asked"], settled_at__isnull=True)
                | Q(state__in=["answered", "handed_over", "declined"], settled_at__isnull=False),
                name="settled_turns_have_a_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["last_message_at"], condition=Q(state__in=["open", "asked"]), name="turn_unsettled"
            ),
            models.Index(fields=["organization", "first_message_at"], name="turn_by_organization"),
            models.Index(fields=["settled_at"], name="turn_settled"),
            models.Index(
                fields=["conversation", "id"], condition=Q(state="handed_over"), name="turn_handed_over"
            ),
            models.Index(
                fields=["settled_at"],
                condition=Q(state="handed_over", staff_told_at__isnull=True),
                name="turn_staff_not_told",
            ),
        ]

    def __str__(self) -> str:
        return f"Turn {self.pk}"

    @cached_property
    def message_rows(self) -> "list[Message]":
        """Its messages in order, read once: for whoever holds the conversation's lock. Without their
        payloads."""
        return list(self.messages.defer("payload").order_by("id"))

    @cached_property
    def request_rows(self) -> "list[LlmRequest]":
        """Its requests to the LLM in order, read once: for whoever holds the conversation's lock."""
        return list(self.requests.order_by("asked_at"))
