"""ops.tar.gz: what runs on the ops boxes. Sources alone: a box installs what they pin from the package index,
as the box that deploys has to anyway."""

import gzip
import tempfile
from pathlib import Path

from infra.packages.build import export

NAME = "ops.tar.gz"
SOURCES = ("console", "hub_lambdas", "infra", "requirements", "manage.py", "zappa_settings.json")


def pack(commit: str, folder: Path) -> Path:
    """The archive of `commit`, in a folder of its own below `folder`. Raises PackageError."""
    target = folder / commit[:12] / NAME
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as unfinished:
        unfinished.write(gzip.compress(export(commit, *SOURCES), mtime=0))
    return Path(unfinished.name).rename(target)
