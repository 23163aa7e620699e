"""What functions run on in AWS: the Python that zappa_settings.json names, on Amazon Linux 2023. What is
compiled for another Python or a newer C library is refused before it is deployed, and not found at the first
call."""

import json
import sys
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from fnmatch import fnmatch
from pathlib import Path

from packaging.tags import Tag, compatible_tags, cpython_tags, parse_tag

from hub_lambdas.sentences import stored
from infra.local.environment import ROOT
from infra.packages.errors import PackageError

_GLIBC_MINOR = 34
"""Of Amazon Linux 2023, on which all of Lambda's Pythons from 3.12 on run
(docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html)."""
_OLDEST_GLIBC_MINOR = 5


def wanted() -> str:
    """The runtime of all functions, such as "python3.12"."""
    base = json.loads((ROOT / "zappa_settings.json").read_text())["base"]
    return str(base["runtime"])


def here() -> str:
    """The runtime that packages fit which are built by this Python."""
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


def expect_same() -> None:
    """Raises PackageError where this Python is not that of the functions."""
    if here() != wanted():
        raise PackageError(
            stored(
                "Packages for AWS are compiled for %(wanted)s, and this is %(here)s: install it, then "
                "`make clean` and the same again with PYTHON=%(wanted)s.",
                wanted=wanted(),
                here=here(),
            )
        )


def expect_fit(packed: Path) -> None:
    """Raises PackageError where something in a zip file would not load in AWS."""
    supported = set(_supported())
    with zipfile.ZipFile(packed) as files:
        for name in files.namelist():
            if fnmatch(name, "*.dist-info/WHEEL") and not _tags(files.read(name)) & supported:
                raise PackageError(
                    stored(
                        "%(library)s in %(package)s is not for %(wanted)s on Linux with glibc 2.%(minor)s on "
                        "x86-64, which AWS has: build it on such a machine or on an older one.",
                        library=name.split(".dist-info")[0],
                        package=packed.name,
                        wanted=wanted(),
                        minor=_GLIBC_MINOR,
                    )
                )


def _supported() -> Iterator[Tag]:
    version = tuple(int(part) for part in wanted().removeprefix("python").split("."))
    platforms = [f"manylinux_2_{minor}_x86_64" for minor in range(_GLIBC_MINOR, _OLDEST_GLIBC_MINOR - 1, -1)]
    platforms += [f"{name}_x86_64" for name in ("manylinux2014", "manylinux2010", "manylinux1")]
    yield from cpython_tags(version, platforms=platforms)
    yield from compatible_tags(version, f"cp{version[0]}{version[1]}", platforms)


def _tags(wheel: bytes) -> set[Tag]:
    """Of the metadata file of an installed wheel (packaging.python.org, "Binary distribution format")."""
    return {tag for line in message_from_bytes(wheel).get_all("Tag", []) for tag in parse_tag(line)}
