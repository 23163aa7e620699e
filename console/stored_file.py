"""A stored file as a browser gets it: from disk it is sent, in S3 it lies behind an address that is valid for
minutes. Either way a download that broke off goes on where it was (`Range`), and a film can be wound."""

import re
from collections.abc import Iterator
from typing import Any

from django.core.files.base import File
from django.db.models.fields.files import FieldFile
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.utils.http import content_disposition_header, http_date, quote_etag

POLICY = "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"
CHUNK_BYTES = 64 * 1024
_RANGE = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))")
"""One part. Who asks for several, or for what is none, gets the whole file."""


def serve(
    request: HttpRequest, file: FieldFile, name: str, media_type: str, *, is_inline: bool = False
) -> HttpResponse | StreamingHttpResponse:
    """`file` under `name`, or the part of it that `request` asks for; shown in the browser only where
    `is_inline`, which is for types that run nothing."""
    disposition = content_disposition_header(not is_inline, name) or "attachment"
    storage: Any = file.storage  # django-storages has no types
    try:
        storage.path(file.name)
    except NotImplementedError:
        override = {"ResponseContentType": media_type, "ResponseContentDisposition": disposition}
        return redirect(storage.url(file.name, parameters=override))
    response = _send(request, file)
    response["Content-Type"] = media_type
    response["Content-Disposition"] = disposition
    response["Content-Security-Policy"] = POLICY
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _send(request: HttpRequest, file: FieldFile) -> HttpResponse | StreamingHttpResponse:
    """The file, or the part of it that is asked for. A part of another file than the one that was begun is
    none: it is sent whole."""
    modified_at = file.storage.get_modified_time(str(file.name)).timestamp()
    marks = {
        "Accept-Ranges": "bytes",
        "ETag": quote_etag(f"{file.size:x}-{modified_at:.6f}"),
        "Last-Modified": http_date(modified_at),
    }
    response: HttpResponse | StreamingHttpResponse
    asked = _RANGE.fullmatch(request.headers.get("Range", ""))
    is_same = request.headers.get("If-Range", marks["ETag"]) in (marks["ETag"], marks["Last-Modified"])
    start, end = _part(asked, file.size) if asked and is_same else (0, file.size)
    if not asked or not is_same:
        response = FileResponse(file.open())
    elif start >= end:
        response = HttpResponse(status=416, headers={"Content-Range": f"bytes */{file.size}"})
    else:
        response = StreamingHttpResponse(_read(file.open(), start, end), status=206)
        response["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
        response["Content-Length"] = str(end - start)
    for header, value in marks.items():
        response[header] = value
    return response


def _part(asked: "re.Match[str]", size: int) -> tuple[int, int]:
    """Where the part begins and where it ends (behind its last byte); no further on for one that is not
    there."""
    start, last, from_end = asked.groups()
    if from_end:
        return max(0, size - int(from_end)), size
    return int(start), min(size, int(last) + 1) if last else size


def _read(file: "File[bytes]", start: int, end: int) -> Iterator[bytes]:
    with file:
        file.seek(start)
        left = end - start
        while left and (chunk := file.read(min(CHUNK_BYTES, left))):
            left -= len(chunk)
            yield chunk
