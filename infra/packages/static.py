"""static.zip: the static files of the console under names that tell their content. They are served from S3,
and the console's package holds only the list of their names."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from hub_lambdas.sentences import stored
from infra.packages.errors import PackageError
from infra.packages.start import SETTINGS
from infra.packages.zipped import write

NAME = "static.zip"
FOLDER = "staticfiles"
"""STATIC_ROOT of console.settings.console, below the sources."""
LIST = "staticfiles.json"
SOMEWHERE = "https://static.example/"


def collect(sources: Path) -> Path:
    """Collect what the console's sources and its packages have, into a folder below the sources. Raises
    PackageError."""
    done = subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--no-input", "--verbosity", "0"],
        cwd=sources,
        env={"PATH": os.environ.get("PATH", ""), **SETTINGS, "HUB_STATIC_URL": SOMEWHERE},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise PackageError(
            stored(
                "The static files of the console could not be collected: %(said)s", said=done.stderr.strip()
            )
        )
    return sources / FOLDER


def keep_list(sources: Path) -> None:
    """Of what was collected, and of what it was collected from, leave only the list."""
    for path in [*(sources / FOLDER).iterdir()]:
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LIST:
            path.unlink()
    shutil.rmtree(sources / "console" / "static")


def pack(collected: Path, target: Path) -> Path:
    """One zip file of all that pages ask for, and the list."""
    paths: dict[str, str] = json.loads((collected / LIST).read_text())["paths"]
    with (
        tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as unfinished,
        zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as written,
    ):
        for name in [*sorted(paths.values()), LIST]:
            write(written, name, (collected / name).read_bytes())
    return Path(unfinished.name).rename(target)
