"""Building a package with Zappa, so that the same commit gives the same bytes."""

import json
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from infra.local.environment import ROOT
from infra.packages.errors import PackageError
from infra.packages.package import Package
from infra.packages.site import make_site

ON_LAMBDA = "/var/task"
"""Where Lambda unpacks a zip file; tracebacks name it."""
_ZAPPA_HANDLER = {"handler.py", "zappa_settings.py", "django_zappa_app.py"}
_BEGINNING_OF_TIME = (1980, 1, 1, 0, 0, 0)
_MODE = 0o644 << 16


def build(package: Package, commit: str, folder: Path) -> Path:
    """Pack `commit` into `folder`; returns the zip file. Raises PackageError."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        environment, sources = Path(scratch, "environment"), Path(scratch, "sources")
        site = make_site(package, environment)
        _export(package, commit, sources)
        _compile(site, "2")  # without docstrings: a tenth less
        _drop_sources(site)
        _compile(sources, "0")
        packed = _pack(package, sources, environment, Path(scratch, "packed.zip"))
        target = folder / f"{package.name}-{commit[:12]}.zip"
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as unfinished:
            _write_anew(packed, Path(unfinished.name), {*_files(site), *_files(sources)}, package, commit)
        return Path(unfinished.name).rename(target)


def head() -> str:
    """The commit that is checked out. Raises PackageError."""
    return _git("rev-parse", "HEAD").decode().strip()


def _git(*arguments: str) -> bytes:
    done = subprocess.run(  # noqa: S603 - our own arguments
        ["git", *arguments],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise PackageError(f"Packages are built from a commit, and git says: {done.stderr.decode().strip()}")
    return done.stdout


def _export(package: Package, commit: str, folder: Path) -> None:
    """What is committed, and nothing that merely lies about."""
    archive = _git("archive", commit, "zappa_settings.json", *package.sources)
    with tarfile.open(fileobj=BytesIO(archive)) as files:
        files.extractall(folder, filter="data")


def _compile(root: Path, optimization: str) -> None:
    """Byte-compile below `root`: a cold start has no time to. Unchecked: a zip file's dates say nothing."""
    command = [sys.executable, "-m", "compileall", "-q", "-o", optimization]
    subprocess.run(  # noqa: S603 - our own arguments
        [*command, "--invalidation-mode", "unchecked-hash", "-s", str(root), "-p", ON_LAMBDA, str(root)],
        env={**os.environ, "PYTHONHASHSEED": "0"},
        check=True,
    )


def _drop_sources(site: Path) -> None:
    """Leave of each module only what is compiled. Not in folders named migrations, django.db.migrations among
    them: there Zappa takes the sources and leaves what is compiled."""
    for compiled in [*site.rglob("__pycache__/*.pyc")]:
        folder, module = compiled.parent.parent, compiled.name.split(".")[0]
        if folder.name != "migrations":
            compiled.rename(folder / f"{module}.pyc")
            (folder / f"{module}.py").unlink()


def _pack(package: Package, sources: Path, environment: Path, target: Path) -> Path:
    done = subprocess.run(  # noqa: S603 - our own arguments
        [str(Path(sys.executable).parent / "zappa"), "package", package.stage, "--output", str(target)],
        cwd=sources,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "AWS_"))},
            "VIRTUAL_ENV": str(environment),
            # Zappa makes clients that packing never uses.
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or not target.exists():
        raise PackageError(f"Zappa could not pack {package.name}: {(done.stderr or done.stdout).strip()}")
    return target


def _files(root: Path) -> Iterator[str]:
    return (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def _write_anew(packed: Path, target: Path, files: set[str], package: Package, commit: str) -> None:
    """Zappa's zip file in order, without dates and without what Zappa adds: a random id, an empty
    `__init__.py` beside every compiled one, and its handler where Lambda calls another."""
    kept = files | (_ZAPPA_HANDLER if package.keeps_zappa_handler else set())
    with zipfile.ZipFile(packed) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as written:
        for name in sorted(kept & set(source.namelist()) - {"zappa_settings.json"}):
            _write(written, name, source.read(name))
        _write(written, "package_info.json", json.dumps({"commit": commit, "package": package.name}).encode())


def _write(written: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, _BEGINNING_OF_TIME)
    info.external_attr, info.create_system = _MODE, 3
    written.writestr(info, content, zipfile.ZIP_DEFLATED, 9)
