"""What a member writes to a contact: the form, and what the platform makes of a text."""

from dataclasses import dataclass

from django import forms
from django.utils.translation import gettext_lazy as _

from console.channels.models import Channel
from console.conversations.models import Conversation
from console.conversations.reply_window import reply_window
from console.prompts.models import CannedPrompt
from hub_lambdas import personal
from hub_lambdas.channels import KINDS

MAX_LENGTH = 4000


class ReplyForm(forms.Form):
    """A reply to the contact. `seen`: the newest message that its author had before them."""

    seen = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    text = forms.CharField(
        max_length=MAX_LENGTH,
        error_messages={"required": _("Write something first.")},
        widget=forms.Textarea(
            {"rows": 2, "placeholder": _("Write a reply…"), "dir": "auto", "aria-label": _("Reply")}
        ),
    )

    def demand_open_window(self, conversation: Conversation) -> None:
        """Say so now where the platform would not take the text."""
        window = reply_window(conversation)
        if window and not window.is_open:
            self.add_error("text", window.sentence)


@dataclass(frozen=True)
class TextLimit:
    """How much text the platform takes in one message; more goes out as several."""

    size: int
    unit: str
    """"characters" or "bytes"."""


def text_limit(channel: Channel) -> TextLimit:
    """The limit of a channel's kind. One that cuts a text of as many two-byte letters counts bytes."""
    kind = KINDS[channel.kind]
    counts_bytes = len(kind.split("é" * kind.text_limit)) > 1
    return TextLimit(kind.text_limit, "bytes" if counts_bytes else "characters")


@dataclass(frozen=True)
class QuickReply:
    """A canned prompt as staff use it: its answer with this contact's values."""

    question: str
    text: str


def quick_replies(conversation: Conversation) -> list[QuickReply]:
    """Those of the conversation's organization, in its order."""
    canned = CannedPrompt.objects.filter(organization=conversation.organization_id, is_active=True)
    return [QuickReply(each.question, personal.fill(each.answer, conversation)) for each in canned]
