"""Notes among members, and where they stand between the messages."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import merge

from django import forms
from django.utils.translation import gettext_lazy as _

from console.conversations.models import Conversation
from console.conversations.page import Bubble
from console.exact_text import printable
from console.inbox.models import Note

MAX_LENGTH = 4000


class NoteForm(forms.Form):
    """A note to the other members."""

    text = forms.CharField(
        max_length=MAX_LENGTH,
        widget=forms.Textarea(
            {
                "rows": 2,
                "placeholder": _("A note for your colleagues. The contact never sees it."),
                "dir": "auto",
                "aria-label": _("Note"),
            }
        ),
    )


@dataclass(frozen=True)
class ShownNote:
    """A note among the bubbles."""

    id: int
    sender: str
    text: str
    at: datetime
    side: str = "note"


def among(
    bubbles: Sequence[Bubble], conversation: Conversation, *, has_earlier: bool, is_newest: bool
) -> Iterator[Bubble | ShownNote]:
    """The bubbles of a page in their order, with the notes of the time between them."""
    notes = Note.objects.filter(conversation=conversation).select_related("author")
    if bubbles and has_earlier:
        notes = notes.filter(created_at__gte=bubbles[0].at)
    if bubbles and not is_newest:
        notes = notes.filter(created_at__lte=bubbles[-1].at)
    shown = (
        ShownNote(note.pk, str(note.author or _("A former member")), printable(note.text), note.created_at)
        for note in notes
    )
    return merge(bubbles, shown, key=_at)


def _at(entry: Bubble | ShownNote) -> datetime:
    return entry.at
