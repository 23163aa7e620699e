"""The files of a conversation as its page shows them, and as a browser gets them."""

from dataclasses import dataclass
from typing import Any

from django.http import FileResponse, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import content_disposition_header

from console.conversations.models import MessageMedia
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

POLICY = "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"

State = MessageMedia.State
_ICONS = {"image": "image", "audio": "mic", "video": "videocam"}
_NOTES = {
    State.WAITING: "Being fetched…",
    State.REFUSED: "Not kept",
    State.FAILED: "Could not be fetched",
    State.REMOVED: "Deleted",
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
        note=": ".join(filter(None, (_NOTES.get(State(media.state), ""), media.name))),
        reason=_reason(media),
    )


def _reason(media: MessageMedia) -> str:
    is_tried_again = media.state == State.WAITING and media.reason
    return f"{media.reason} It is tried again." if is_tried_again else media.reason


def shown_name(media: MessageMedia) -> str:
    """What to call a file: as its sender did, with an ending that says what it is."""
    if media.state == State.KEPT:
        return file_name(media.name, media.media_type)
    return media.name or media.media_type.partition(";")[0] or "file"


def serve(media: MessageMedia) -> HttpResponse | FileResponse:
    """A file as a browser may have it: shown only where nothing in it can run. From disk it is sent; in
    S3 it lies behind an address that is valid for minutes."""
    is_inline = media.media_type in INLINE
    disposition = content_disposition_header(not is_inline, shown_name(media)) or "attachment"
    storage: Any = media.file.storage  # django-storages has no types
    try:
        storage.path(media.file.name)
    except NotImplementedError:
        override = {"ResponseContentType": media.media_type, "ResponseContentDisposition": disposition}
        return redirect(storage.url(media.file.name, parameters=override))
    response = FileResponse(media.file.open(), content_type=media.media_type)
    response["Content-Disposition"] = disposition
    response["Content-Security-Policy"] = POLICY
    response["X-Content-Type-Options"] = "nosniff"
    return response
