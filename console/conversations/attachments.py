"""The files of a conversation as its page shows them, and as a browser gets them."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from console import stored_file
from console.conversations.models import MessageMedia
from console.stored_sentences import translate_stored
from hub_lambdas.channels.download import size
from hub_lambdas.media_types import file_name

INLINE = frozenset(
    {
        *("image/jpeg", "image/png", "image/gif", "image/webp"),
        *("audio/ogg", "audio/mpeg", "audio/mp4", "audio/aac", "audio/wav", "audio/flac", "audio/webm"),
        *("video/mp4", "video/webm", "video/ogg", "video/quicktime", "video/3gpp"),
    }
)
"""What a browser shows or plays and never runs; anything else is a file to save."""

State = MessageMedia.State
_ICONS = {"image": "image", "audio": "mic", "video": "videocam"}
_NOTES = {
    State.WAITING: gettext_noop("Being fetched…"),
    State.REFUSED: gettext_noop("Not kept"),
    State.FAILED: gettext_noop("Could not be fetched"),
    State.REMOVED: gettext_noop("Deleted"),
}


@dataclass(frozen=True)
class Attachment:
    """One file as it is shown. `kind`: "image", "audio", "video", "file", or "none" where it is not there;
    `note` then says so, and `reason` why."""

    kind: str
    url: str
    name: str
    size: str
    icon: str
    note: str
    reason: str


def attachment(media: MessageMedia) -> Attachment:
    """How a file is shown, or that there is none."""
    is_kept = media.state == State.KEPT
    main = media.media_type.partition("/")[0]
    shown = main if media.media_type in INLINE else "file"
    return Attachment(
        kind=shown if is_kept else "none",
        url=reverse("admin:conversations_messagemedia_file", args=[media.pk]) if is_kept else "",
        name=shown_name(media),
        size="" if media.size_bytes is None else size(media.size_bytes),
        icon=_ICONS.get(main, "description"),
        note=": ".join(filter(None, (_note(media), media.name))),
        reason=_reason(media),
    )


def _note(media: MessageMedia) -> str:
    note = _NOTES.get(State(media.state))
    return _(note) if note else ""


def _reason(media: MessageMedia) -> str:
    is_tried_again = media.state == State.WAITING and media.reason
    again = _("It is tried again.") if is_tried_again else ""
    return f"{translate_stored(media.reason)} {again}".strip()


def shown_name(media: MessageMedia) -> str:
    """What to call a file: as its sender did, with an ending that says what it is."""
    if media.state == State.KEPT:
        return file_name(media.name, media.media_type)
    return media.name or media.media_type.partition(";")[0] or _("file")


def serve(request: HttpRequest, media: MessageMedia) -> HttpResponse | StreamingHttpResponse:
    """A file as a browser may have it: shown only where nothing in it can run."""
    is_inline = media.media_type in INLINE
    name = shown_name(media)
    return stored_file.serve(request, media.file, name, media.media_type, is_inline=is_inline)
