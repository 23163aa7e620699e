"""Build the packages of the commit that is checked out, and say what each weighs and how it starts.

    .venv/bin/python -m infra.packages [functions|console …] [--folder packages]

Ends with 1 where a package exceeds its limit, or does not start. They are compiled for the Python that builds
them, so only that of zappa_settings.json builds what AWS can run.
"""

import argparse
import sys
from pathlib import Path

from infra.packages import runtime
from infra.packages.build import build, head
from infra.packages.checks import COLD_START_AIM_SECONDS, check
from infra.packages.errors import PackageError
from infra.packages.package import MEGABYTE, PACKAGES, Package


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="PACKAGE", choices=[*PACKAGES, []])
    parser.add_argument("--folder", type=Path, default=Path("packages"))
    arguments = parser.parse_args()
    try:
        for name in arguments.names or PACKAGES:
            _make(PACKAGES[name], arguments.folder)
    except PackageError as error:
        sys.exit(str(error))
    if runtime.here() != runtime.wanted():
        _print(f"Built for {runtime.here()}, to be looked at: AWS runs {runtime.wanted()}.")


def _make(package: Package, folder: Path) -> None:
    """Build one and print what it is."""
    _print(f"{package.name}: installing what it needs, compiling, packing …")
    packed = build(package, head(), folder)
    found = check(package, packed)
    _print(f"{packed}: {found.size_bytes / MEGABYTE:.1f} MB, limit {package.limit_bytes / MEGABYTE:g} MB")
    _print(f"  {'cold start':<28}{'CPU s':>7}{'peak MB':>9}   aim {COLD_START_AIM_SECONDS:g} s")
    for entry, start in found.starts.items():
        _print(f"  {entry:<28}{start.cpu_seconds:>7.2f}{start.peak_mb:>9.0f}")


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
