"""What a file is taken for, and which are kept."""

import io
import zipfile

import pytest

from hub_lambdas.channels.base import MediaRefused
from hub_lambdas.media_types import EXTENSIONS, OFFICE, OPEN_DOCUMENT, file_name, kept_as


def zipped(*names: str, first: bytes = b"") -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name in names:
            archive.writestr(name, first if name == "mimetype" else b"")
    return written.getvalue()


DOCX = zipped("[Content_Types].xml", "word/document.xml")
OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and more"
MP4 = b"\x00\x00\x00\x20ftypisom and more"


@pytest.mark.parametrize(
    ("content", "claimed", "name", "expected"),
    [
        (b"\xff\xd8\xff\xe0 and more", "image/jpeg", "", "image/jpeg"),
        (b"\xff\xd8\xff\xe0 and more", "text/html", "a.html", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "", "", "image/png"),
        (b"GIF89a", "", "", "image/gif"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "", "", "image/webp"),
        (b"\x00\x00\x00\x18ftypheic", "image/jpeg", "", "image/heic"),
        (b"OggS\x00", "audio/ogg; codecs=opus", "", "audio/ogg"),
        (b"OggS\x00", "video/ogg", "", "video/ogg"),
        (b"\x1a\x45\xdf\xa3", "application/octet-stream", "", "video/webm"),
        (b"\x1a\x45\xdf\xa3", "audio/webm", "", "audio/webm"),
        (MP4, "video/mp4", "", "video/mp4"),
        (MP4, "audio/mp4", "", "audio/mp4"),
        (b"\x00\x00\x00\x20ftypM4A ", "", "", "audio/mp4"),
        (b"\x00\x00\x00\x20ftyp3gp4", "", "", "video/3gpp"),
        (b"#!AMR\n", "audio/amr", "", "audio/amr"),
        (b"ID3\x04", "", "", "audio/mpeg"),
        (b"RIFF\x10\x00\x00\x00WAVEfmt ", "", "", "audio/wav"),
        (b"%PDF-1.7", "application/octet-stream", "", "application/pdf"),
        (DOCX, "", "a.zip", f"{OFFICE}.wordprocessingml.document"),
        (zipped("[Content_Types].xml", "xl/a.xml"), "", "", f"{OFFICE}.spreadsheetml.sheet"),
        (zipped("mimetype", first=f"{OPEN_DOCUMENT}.text".encode()), "", "", f"{OPEN_DOCUMENT}.text"),
        (OLD_OFFICE, "application/msword", "", "application/msword"),
        (OLD_OFFICE, "application/octet-stream", "a.XLS", "application/vnd.ms-excel"),
        (b"a,b\n\xfc,1", "text/csv; charset=latin-1", "", "text/csv"),
        (b"BEGIN:VCARD", "text/x-vcard", "", "text/vcard"),
        (b"hello", "application/octet-stream", "notes.txt", "text/plain"),
    ],
)
def test_what_is_kept(content: bytes, claimed: str, name: str, expected: str) -> None:
    assert kept_as(content, claimed, name) == expected
    assert expected in EXTENSIONS


@pytest.mark.parametrize(
    ("content", "claimed", "name"),
    [
        (b"<html><script>alert(1)</script>", "text/html", "a.html"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", "a.svg"),
        (b"<html>", "image/png", "a.png"),
        (b"<?xml version='1.0'?>", "text/xml", ""),
        (b"alert(1)", "text/javascript", ""),
        (b"alert(1)", "application/octet-stream", "a.js"),
        (b"MZ\x90\x00", "application/pdf", "a.pdf"),
        (b"\x7fELF", "application/octet-stream", "a.txt\x00.pdf"),
        (b"a\x00b", "text/plain", ""),
        (OLD_OFFICE, "application/x-msi", "setup.msi"),
        (zipped("a.exe"), "application/zip", "a.docx"),
        (zipped("[Content_Types].xml", "word/vbaProject.bin", "word/document.xml"), "", "a.docm"),
        (zipped("mimetype", first=b"application/epub+zip"), "", ""),
        (b"PK\x03\x04 and no more", "", "a.docx"),
        (b"\x1f\x8b\x08", "application/x-tgsticker", ""),
        (b"RIFF", "", ""),
        (b"", "", ""),
    ],
)
def test_what_is_not_kept(content: bytes, claimed: str, name: str) -> None:
    with pytest.raises(MediaRefused, match="keeps no files of this kind"):
        kept_as(content, claimed, name)


@pytest.mark.parametrize(
    ("name", "media_type", "expected"),
    [
        ("Invoice.PDF", "application/pdf", "Invoice.PDF"),
        ("photo.jpeg", "image/jpeg", "photo.jpeg"),
        ("evil.html", "text/plain", "evil.html.txt"),
        ("../../etc/passwd", "application/pdf", "passwd.pdf"),
        ("C:\\temp\\a.exe", "image/png", "a.exe.png"),
        ("", "image/png", "image.png"),
        ("", "application/pdf", "application.pdf"),
        ("ärzte 😀.pdf", "application/pdf", "ärzte 😀.pdf"),
    ],
)
def test_a_name_says_what_the_file_is(name: str, media_type: str, expected: str) -> None:
    assert file_name(name, media_type) == expected
