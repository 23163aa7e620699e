"""Whether a package is what functions can be given: its size, and how each of its entries starts."""

import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hub_lambdas.sentences import stored
from infra.packages.errors import PackageError
from infra.packages.package import MEGABYTE, Package
from infra.packages.start import Start, make_runtime, measure_start

COLD_START_AIM_SECONDS = 0.35
"""Of CPU. A busy machine needs more for the same, so that more is said and stops nothing."""


@dataclass(frozen=True)
class Checked:
    """A package that may be deployed. `starts`: by entry."""

    package: Package
    size_bytes: int
    starts: Mapping[str, Start]

    @property
    def slowest_seconds(self) -> float:
        """Of CPU, of the entry that starts slowest."""
        return max(each.cpu_seconds for each in self.starts.values())


def check(package: Package, packed: Path, rounds: int = 3) -> Checked:
    """Start each entry of a zip file from an empty folder, `rounds` times. Raises PackageError where it is
    too large, or one does not start."""
    size_bytes = packed.stat().st_size
    if size_bytes > package.limit_bytes:
        raise PackageError(
            stored(
                "%(package)s has %(size)s MB and may have %(limit)s: infra/packages/package.py says what is "
                "left out.",
                package=packed.name,
                size=f"{size_bytes / MEGABYTE:.1f}",
                limit=f"{package.limit_bytes / MEGABYTE:g}",
            )
        )
    with tempfile.TemporaryDirectory() as scratch:
        unpacked, runtime = Path(scratch, "unpacked"), make_runtime(Path(scratch, "runtime"))
        zipfile.ZipFile(packed).extractall(unpacked)  # our own
        starts = {
            entry: measure_start(package, entry, unpacked, runtime, rounds) for entry in package.entries
        }
    return Checked(package, size_bytes, starts)
