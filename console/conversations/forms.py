"""What staff write."""

from django import forms

REPLY_MAX_LENGTH = 4000


class ReplyForm(forms.Form):
    """A reply to the contact."""

    text = forms.CharField(
        max_length=REPLY_MAX_LENGTH,
        error_messages={"required": "Write something first."},
        widget=forms.Textarea(
            {"rows": 2, "placeholder": "Write a reply…", "dir": "auto", "aria-label": "Reply"}
        ),
    )
