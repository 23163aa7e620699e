"""Build the packages of the commit that is checked out, and say what each weighs and how it starts.

    .venv/bin/python -m infra.packages [functions|console …] [--folder packages]

Ends with 1 where a package exceeds its limit, or does not start.
"""

import argparse
import sys
import tempfile
import zipfile
from pathlib import Path

from infra.packages.build import build, head
from infra.packages.errors import PackageError
from infra.packages.package import MEGABYTE, PACKAGES, Package
from infra.packages.start import make_runtime, measure_start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="PACKAGE", choices=[*PACKAGES, []])
    parser.add_argument("--folder", type=Path, default=Path("packages"))
    arguments = parser.parse_args()
    try:
        fit = [_make(PACKAGES[name], arguments.folder) for name in arguments.names or PACKAGES]
    except PackageError as error:
        sys.exit(str(error))
    sys.exit(0 if all(fit) else 1)


def _make(package: Package, folder: Path) -> bool:
    """Build one and print what it is; whether it is within its limit."""
    _print(f"{package.name}: installing what it needs, compiling, packing …")
    packed = build(package, head(), folder)
    size_bytes = packed.stat().st_size
    is_fit = size_bytes <= package.limit_bytes
    verdict = f"{size_bytes / MEGABYTE:.1f} MB, limit {package.limit_bytes / MEGABYTE:g} MB"
    _print(f"{packed}: {verdict}{'' if is_fit else ': too large, see infra/packages/package.py'}")
    with tempfile.TemporaryDirectory() as scratch:
        unpacked, runtime = Path(scratch, "unpacked"), make_runtime(Path(scratch, "runtime"))
        zipfile.ZipFile(packed).extractall(unpacked)  # our own
        _print(f"  {'cold start':<28}{'CPU s':>7}{'peak MB':>9}")
        for entry in package.entries:
            start = measure_start(package, entry, unpacked, runtime)
            _print(f"  {entry:<28}{start.cpu_seconds:>7.2f}{start.peak_mb:>9.0f}")
    return is_fit


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
