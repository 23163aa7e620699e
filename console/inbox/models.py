"""What the inbox keeps of its own: what each member has read, notes among members, labels, and answers that
the LLM suggested to a member."""

import uuid
from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from console.conversations.models import Conversation, LlmRequest, Turn
from console.exact_text import ExactTextField
from console.organizations.models import Organization, User
from console.prompts.models import PromptVersion


class ReadMark(models.Model):
    """How far a member has read a conversation."""

    organization_lookup: ClassVar[str] = "conversation__organization"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="read_marks")
    message_id = models.BigIntegerField(help_text="The newest message that they had before them.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["conversation", "user"], name="one_read_mark_per_member"),
        ]


class Note(models.Model):
    """What a member wrote to the others about a conversation. It is no message: nothing sends it."""

    organization_lookup: ClassVar[str] = "conversation__organization"

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="notes")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    text = ExactTextField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["created_at"]
        indexes = [models.Index(fields=["conversation", "created_at"], name="note_of_conversation")]


class Label(models.Model):
    """A word of an organization's for conversations that have something in common."""

    organization_lookup: ClassVar[str] = "organization"

    class Color(models.TextChoices):
        GRAY = "gray", _("Gray")
        RED = "red", _("Red")
        AMBER = "amber", _("Amber")
        GREEN = "green", _("Green")
        BLUE = "blue", _("Blue")
        VIOLET = "violet", _("Violet")

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="labels")
    name = models.CharField(max_length=30)
    color = models.CharField(max_length=6, choices=Color.choices, default=Color.GRAY)
    conversations = models.ManyToManyField(
        Conversation, through="Labelling", related_name="labels", blank=True, editable=False
    )

    class Meta:
        ordering = ["organization", "name"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "name"], name="one_label_per_name"),
        ]

    def __str__(self) -> str:
        return self.name


class Labelling(models.Model):
    """A label on a conversation."""

    organization_lookup: ClassVar[str] = "label__organization"

    label = models.ForeignKey(Label, on_delete=models.CASCADE, related_name="labellings")
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="labellings")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["conversation", "label"], name="one_labelling_per_label"),
        ]

    def __str__(self) -> str:
        return str(self.conversation)


class Suggestion(models.Model):
    """An answer that a member asked the LLM for. It is theirs to send: no contact ever gets it by itself."""

    organization_lookup: ClassVar[str] = "turn__organization"

    class State(models.TextChoices):
        PENDING = "pending", "Pending"
        COMPLETED = "completed", "Completed"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    turn = models.ForeignKey(Turn, on_delete=models.CASCADE, related_name="suggestions")
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    prompt_version = models.ForeignKey(PromptVersion, null=True, on_delete=models.SET_NULL, related_name="+")
    state = models.CharField(max_length=9, choices=State.choices, default=State.PENDING)
    text = ExactTextField(blank=True, help_text="Empty where the LLM knows no answer.")
    objection = models.CharField(max_length=300, blank=True, help_text="What in it nobody has said.")
    asked_at = models.DateTimeField(auto_now_add=True)


class Draft(models.Model):
    """An answer of the LLM that is checked and waits for staff, on a channel whose bot writes drafts. At most
    one of a conversation waits: that of its newest turn with one."""

    organization_lookup: ClassVar[str] = "turn__organization"

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        SENT = "sent", _("Sent")
        DISCARDED = "discarded", _("Discarded")

    turn = models.OneToOneField(Turn, on_delete=models.CASCADE, related_name="draft")
    request = models.ForeignKey(
        LlmRequest, on_delete=models.CASCADE, related_name="+", help_text="Whose reply it is."
    )
    state = models.CharField(max_length=9, choices=State.choices, default=State.WAITING)
    settled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    settled_at = models.DateTimeField(null=True)
    is_overtaken: bool
    """Whether the contact has written or changed something since, so that it does not answer that: of a draft
    that `hub_lambdas.drafts` has found."""

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state="waiting", settled_at__isnull=True)
                | models.Q(state__in=["sent", "discarded"], settled_at__isnull=False),
                name="settled_drafts_have_a_time",
            ),
        ]

    @classmethod
    def put(cls, turn: Turn, request_id: uuid.UUID, at: datetime) -> None:
        """Have the reply to a request wait for staff, in place of what waits from before. The caller holds
        the conversation's lock."""
        cls.drop(turn.conversation_id, None, at)
        cls.objects.create(turn=turn, request_id=request_id)

    @classmethod
    def drop(cls, conversation_id: int, user: User | None, at: datetime) -> None:
        """Nobody needs what waits in a conversation any more. `user`: who has seen to that."""
        waiting = cls.objects.filter(turn__conversation=conversation_id, state=cls.State.WAITING)
        waiting.update(state=cls.State.DISCARDED, settled_by=user, settled_at=at)
