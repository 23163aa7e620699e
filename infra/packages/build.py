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

from hub_lambdas.sentences import stored
from infra.local.environment import ROOT
from infra.packages import static
from infra.packages.errors import PackageError
from infra.packages.package import CONSOLE, Package
from infra.packages.site import make_site
from infra.packages.zipped import write

ON_LAMBDA = "/var/task"
"""Where Lambda unpacks a zip file; tracebacks name it."""
_ZAPPA_HANDLER = {"handler.py", "zappa_settings.py", "django_zappa_app.py"}


def build(package: Package, commit: str, folder: Path) -> Path:
    """Pack `commit` into `folder`; returns the zip file. Raises PackageError."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        environment, sources = Path(scratch, "environment"), Path(scratch, "sources")
        site = make_site(package, environment)
        export_to(sources, commit, "zappa_settings.json", *package.sources)
        if package is CONSOLE:
            static.collect(sources)
            static.keep_list(sources)
        _compile(site, "2")  # without docstrings: a tenth less
        _drop_sources(site)
        _strip(site)
        _compile(sources, "0")
        by_zappa = _pack(package, sources, environment, Path(scratch, "packed.zip"))
        target = packed(package, commit, folder)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as unfinished:
            _write_anew(by_zappa, Path(unfinished.name), {*_files(site), *_files(sources)}, package, commit)
        return Path(unfinished.name).rename(target)


def build_static(commit: str, folder: Path) -> Path:
    """Pack the console's static files of `commit` into `folder`. Raises PackageError."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        export_to(Path(scratch), commit, *CONSOLE.sources)
        return static.pack(static.collect(Path(scratch)), folder / f"static-{commit[:12]}.zip")


def packed(package: Package, commit: str, folder: Path) -> Path:
    """Where `build` leaves the zip file of a commit, whole or not at all."""
    return folder / f"{package.name}-{commit[:12]}.zip"


def head() -> str:
    """The commit that is checked out. Raises PackageError."""
    return git("rev-parse", "HEAD").decode().strip()


def git(*arguments: str, root: Path = ROOT) -> bytes:
    """What git prints. Raises PackageError."""
    done = subprocess.run(  # noqa: S603 - our own arguments
        ["git", *arguments],  # noqa: S607
        cwd=root,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise PackageError(
            stored(
                "Packages are built from a commit, and git says: %(said)s", said=done.stderr.decode().strip()
            )
        )
    return done.stdout


def export(commit: str, *paths: str) -> bytes:
    """What is committed at `paths`, and nothing that merely lies about, as a tar file. Raises
    PackageError."""
    return git("archive", commit, *paths)


def export_to(folder: Path, commit: str, *paths: str) -> None:
    with tarfile.open(fileobj=BytesIO(export(commit, *paths))) as files:
        files.extractall(folder, filter="data")


def _compile(root: Path, optimization: str) -> None:
    """Byte-compile below `root`: a cold start has no time to. Unchecked: a zip file's dates say nothing. Not
    in folders named migrations, django.db.migrations among them: of those Zappa packs the sources."""
    command = [sys.executable, "-m", "compileall", "-q", "-o", optimization, "-x", "/migrations/[^/]+$"]
    subprocess.run(  # noqa: S603 - our own arguments
        [*command, "--invalidation-mode", "unchecked-hash", "-s", str(root), "-p", ON_LAMBDA, str(root)],
        env={**os.environ, "PYTHONHASHSEED": "0"},
        check=True,
    )


def _strip(site: Path) -> None:
    """Take the names of functions out of compiled libraries that carry them; nothing looks there as they run.
    Those in psycopg_binary.libs have none, and do not survive it. Raises PackageError."""
    for library in sorted([*site.glob("cryptography/**/*.so"), *site.glob("_cffi_backend*.so")]):
        done = subprocess.run(  # noqa: S603 - our own arguments
            ["strip", "--strip-unneeded", str(library)],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise PackageError(
                stored(
                    "%(file)s could not be stripped: %(said)s", file=library.name, said=done.stderr.strip()
                )
            )


def _drop_sources(site: Path) -> None:
    """Leave of each module that is compiled only that."""
    for compiled in [*site.rglob("__pycache__/*.pyc")]:
        folder, module = compiled.parent.parent, compiled.name.split(".")[0]
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
        raise PackageError(
            stored(
                "Zappa could not pack %(package)s: %(said)s",
                package=package.name,
                said=(done.stderr or done.stdout).strip(),
            )
        )
    return target


def _files(root: Path) -> Iterator[str]:
    return (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def _write_anew(packed: Path, target: Path, files: set[str], package: Package, commit: str) -> None:
    """Zappa's zip file in order, without dates and without what Zappa adds: a random id, an empty
    `__init__.py` beside every compiled one, and its handler where Lambda calls another."""
    kept = files | (_ZAPPA_HANDLER if package.keeps_zappa_handler else set())
    with zipfile.ZipFile(packed) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as written:
        for name in sorted(kept & set(source.namelist()) - {"zappa_settings.json"}):
            write(written, name, source.read(name))
        write(written, "package_info.json", json.dumps({"commit": commit, "package": package.name}).encode())
