"""The ledger: contacts, conversations, turns, messages, requests to the LLM.

The constraints back the guarantee.
"""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from console.channels.models import Channel
from console.exact_text import ExactTextField
from console.organizations.models import Organization
from console.progress import Progress
from console.prompts.models import PromptVersion


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


class Export(Progress):
    """A file of an organization's conversations, or of all that there is of it or of one contact, made by a
    console job."""

    organization_lookup: ClassVar[str] = "organization"

    class Format(models.TextChoices):
        CSV = "csv", "CSV"
        JSONL = "jsonl", _("JSON lines")
        ZIP = "zip", _("Everything, with files (ZIP)")

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="exports")
    contact = models.ForeignKey(
        Contact,
        null=True,
        on_delete=models.CASCADE,
        related_name="+",
        editable=False,
        help_text="Of whom alone it is.",
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    format = models.CharField(max_length=5, choices=Format.choices, default=Format.CSV)
    state = models.CharField(max_length=7, choices=State.choices, default=State.WAITING)
    file = models.FileField(upload_to="exports/", blank=True, help_text="Named before it is there.")
    messages_count = models.PositiveIntegerField(_("messages"), null=True)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    progressed_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.organization} {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def media_type(self) -> str:
        """What the file is."""
        return MEDIA_TYPES[Export.Format(self.format)]


MEDIA_TYPES = {
    Export.Format.CSV: "text/csv",
    Export.Format.JSONL: "application/x-ndjson",
    Export.Format.ZIP: "application/zip",
}
