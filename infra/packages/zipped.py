"""Entries of a zip file that are the same each time: without a date, and with one mode."""

import zipfile

_BEGINNING_OF_TIME = (1980, 1, 1, 0, 0, 0)
_MODE = 0o644 << 16


def write(written: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, _BEGINNING_OF_TIME)
    info.external_attr, info.create_system = _MODE, 3
    written.writestr(info, content, zipfile.ZIP_DEFLATED, 9)
