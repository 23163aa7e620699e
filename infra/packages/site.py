"""A lean environment for one package: what its requirements pin, less what has no use on Lambda."""

import shutil
import subprocess
import sys
from pathlib import Path

from hub_lambdas.sentences import stored
from infra.local.environment import ROOT
from infra.packages.errors import PackageError
from infra.packages.package import Package

CONSTRAINTS = ROOT / "requirements" / "constraints.txt"


def make_site(package: Package, environment: Path) -> Path:
    """Install into `environment`, laid out as a virtual environment is; returns its site-packages.

    Only from wheels, so that nothing is compiled for this machine. Raises PackageError.
    """
    site = environment / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    for requirements in package.requirements:
        _install(site, "-r", str(ROOT / requirements))
    if package.bare_requirements:
        _install(site, "--no-deps", *package.bare_requirements)
    for pattern in package.left_out:
        for path in [*site.glob(pattern)]:
            _remove(path)
    for metadata in site.glob("*.dist-info/METADATA"):
        _drop_description(metadata)
    return site


def _install(site: Path, *arguments: str) -> None:
    options = ["--quiet", "--disable-pip-version-check", "--no-compile", "--only-binary", ":all:"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(site)]
    done = subprocess.run(  # noqa: S603 - our own arguments
        [*command, "--constraint", str(CONSTRAINTS), *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise PackageError(
            stored(
                "%(packages)s could not be installed; pip says: %(said)s",
                packages=" ".join(arguments),
                said=done.stderr.strip(),
            )
        )


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _drop_description(metadata: Path) -> None:
    """Leave the fields, which tell what version it is, and drop the page for people below them."""
    fields, _, _ = metadata.read_text().partition("\n\n")
    metadata.write_text(f"{fields}\n")
