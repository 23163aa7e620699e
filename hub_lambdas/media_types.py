"""What a file is, by its content: platforms and contacts may call it anything. Pure.

Kept are pictures, sound, films, PDF, common office documents and plain text. Never what a browser would run,
such as HTML and SVG. Signatures: en.wikipedia.org/wiki/List_of_file_signatures; brands of ISO media files:
mp4ra.org.
"""

import io
import zipfile
from collections.abc import Mapping
from pathlib import PurePosixPath

from hub_lambdas.channels.base import MediaRefused
from hub_lambdas.sentences import stored

OFFICE = "application/vnd.openxmlformats-officedocument"
OPEN_DOCUMENT = "application/vnd.oasis.opendocument"

EXTENSIONS: Mapping[str, str] = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "image/heic": ".heic",
    "audio/ogg": ".ogg",
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    "audio/aac": ".aac",
    "audio/amr": ".amr",
    "audio/wav": ".wav",
    "audio/flac": ".flac",
    "audio/webm": ".webm",
    "video/mp4": ".mp4",
    "video/3gpp": ".3gp",
    "video/quicktime": ".mov",
    "video/webm": ".webm",
    "video/ogg": ".ogv",
    "application/pdf": ".pdf",
    "application/rtf": ".rtf",
    f"{OFFICE}.wordprocessingml.document": ".docx",
    f"{OFFICE}.spreadsheetml.sheet": ".xlsx",
    f"{OFFICE}.presentationml.presentation": ".pptx",
    f"{OPEN_DOCUMENT}.text": ".odt",
    f"{OPEN_DOCUMENT}.spreadsheet": ".ods",
    f"{OPEN_DOCUMENT}.presentation": ".odp",
    "application/msword": ".doc",
    "application/vnd.ms-excel": ".xls",
    "application/vnd.ms-powerpoint": ".ppt",
    "text/plain": ".txt",
    "text/csv": ".csv",
    "text/vcard": ".vcf",
    "text/calendar": ".ics",
}
"""What is kept, each with the ending of its files' names."""

_STARTS = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"{\\rtf", "application/rtf"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xf1", "audio/aac"),
    (b"\xff\xf9", "audio/aac"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"\xff\xf2", "audio/mpeg"),
    (b"#!AMR", "audio/amr"),
    (b"fLaC", "audio/flac"),
)
_SOUND_OR_FILM = ((b"OggS", "ogg"), (b"\x1a\x45\xdf\xa3", "webm"))
_BRANDS = {b"M4A ": "audio/mp4", b"M4B ": "audio/mp4", b"qt  ": "video/quicktime", b"3gp": "video/3gpp"}
_HEIC_BRANDS = {b"heic", b"heix", b"mif1", b"heim", b"heis"}
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_OFFICE_FOLDERS = {
    "word": "wordprocessingml.document",
    "xl": "spreadsheetml.sheet",
    "ppt": "presentationml.presentation",
}
_OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLD_OFFICE_TYPES = ("application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint")
_TEXTS = {
    "text/x-vcard": "text/vcard",
    "text/directory": "text/vcard",
    "text/comma-separated-values": "text/csv",
}
_VAGUE = ("", "application/octet-stream", "binary/octet-stream")


def kept_as(content: bytes, claimed: str, name: str) -> str:
    """The media type that a file is kept under. `claimed`: what it is said to be, with or without parameters.
    MediaRefused where it is none that is kept."""
    said = claimed.partition(";")[0].strip().lower()
    found = _binary(content, said, name) or _text(content, said, name)
    if not found:
        named = stored("The hub keeps no files of this kind (%(kind)s).", kind=said[:60])
        raise MediaRefused(named if said else "The hub keeps no files of this kind.")
    return found


def file_name(name: str, media_type: str) -> str:
    """A name for a file of this type: an ending that says something else gives way."""
    ending = EXTENSIONS.get(media_type, "")
    path = PurePosixPath(name.replace("\\", "/").replace("\x00", "")).name
    if not path:
        return f"{media_type.partition('/')[0] or 'file'}{ending}"
    is_right = path.lower().endswith(ending) or (ending == ".jpg" and path.lower().endswith(".jpeg"))
    return path if is_right else f"{path}{ending}"


def _binary(content: bytes, said: str, name: str) -> str:
    if found := next((kind for start, kind in _STARTS if content.startswith(start)), ""):
        return found
    if kind := next((kind for start, kind in _SOUND_OR_FILM if content.startswith(start)), ""):
        is_film = said.startswith("video") or (kind == "webm" and not said.startswith("audio"))
        return f"{'video' if is_film else 'audio'}/{kind}"
    if content[:4] == b"RIFF":
        return _RIFF.get(content[8:12], "")
    if content[4:8] == b"ftyp":
        return _iso_media(content[8:12], said)
    if content.startswith(b"PK\x03\x04"):
        return _zipped(content)
    if content.startswith(_OLD_OFFICE):
        ending = PurePosixPath(name).suffix.lower()
        return next((kind for kind in _OLD_OFFICE_TYPES if said == kind or EXTENSIONS[kind] == ending), "")
    return ""


def _iso_media(brand: bytes, said: str) -> str:
    if brand in _HEIC_BRANDS:
        return "image/heic"
    found = _BRANDS.get(brand) or _BRANDS.get(brand[:3]) or "video/mp4"
    return "audio/mp4" if said.startswith("audio") else found


def _zipped(content: bytes) -> str:
    """An office document by what is in it; one with macros is none that is kept."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
            if names[:1] == ["mimetype"]:
                with archive.open("mimetype") as file:
                    kind = file.read(100).decode("ascii", "replace")
                return kind if kind.startswith(OPEN_DOCUMENT) and kind in EXTENSIONS else ""
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError, EOFError):
        return ""
    if "[Content_Types].xml" not in names or any(each.endswith("vbaProject.bin") for each in names):
        return ""
    folders = {each.partition("/")[0] for each in names}
    kinds = (kind for folder, kind in _OFFICE_FOLDERS.items() if folder in folders)
    return next((f"{OFFICE}.{kind}" for kind in kinds), "")


def _text(content: bytes, said: str, name: str) -> str:
    """Text by its sender's word, in whatever encoding: it is only ever handed out as a file to save."""
    kind = _TEXTS.get(said, said)
    if said in _VAGUE:
        ending = PurePosixPath(name).suffix.lower()
        texts = (each for each in EXTENSIONS if each.startswith("text/"))
        kind = next((each for each in texts if EXTENSIONS[each] == ending), "")
    is_text = kind.startswith("text/") and kind in EXTENSIONS and b"\x00" not in content
    return kind if is_text else ""
