"""llm.tar.gz: what an LLM box is made of. llm_api, the installation (infra/llm_box), and a wheel of every
package that it installs, so that a box which starts in a burst asks nobody but S3."""

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

from infra.local.environment import ROOT
from infra.packages.build import export
from infra.packages.errors import PackageError
from infra.packages.site import CONSTRAINTS

NAME = "llm.tar.gz"
SOURCES = ("llm_api", "infra/__init__.py", "infra/llm_box", "requirements")
_PINS = (ROOT / "requirements" / "llm.txt", ROOT / "requirements" / "model.txt", CONSTRAINTS)
OPTIONS = ROOT / "scripts" / "llama_cpp" / "options.cmake"
# For any x86-64 of the last ten years (AVX2), not for the machine that compiles.
_FLAGS = "-DGGML_NATIVE=OFF"


def build_llm(commit: str, folder: Path) -> Path:
    """Pack `commit` for the LLM boxes. Compiles llama.cpp, which takes some minutes, where `folder` does not
    hold the wheels of these versions yet. Raises PackageError."""
    return pack(commit, wheels(folder), folder / commit[:12])


def digest(options: Path = OPTIONS) -> str:
    """What the wheels are made of: two builds of one digest are the same. Covers every file beside `options`,
    wherever the folder lies."""
    facts = [_FLAGS.encode(), *(path.read_bytes() for path in (*_PINS, *sorted(options.parent.iterdir())))]
    return hashlib.sha256(b"\0".join(facts)).hexdigest()[:12]


def wheels(folder: Path) -> Path:
    """The folder with a wheel of each package. Raises PackageError."""
    made = folder / f"wheels-{digest()}"
    if not made.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            unfinished = Path(scratch, "wheels")
            _wheel(unfinished, "--constraint", str(CONSTRAINTS), "-r", str(_PINS[0]))
            _wheel(unfinished, "--no-deps", "-r", str(_PINS[1]))
            unfinished.rename(made)
    return made


def pack(commit: str, wheels: Path, folder: Path) -> Path:
    """The archive of `commit` and these wheels, in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        unfinished = Path(scratch, NAME)
        with tarfile.open(unfinished, "w:gz") as packed:
            with tarfile.open(fileobj=BytesIO(export(commit, *SOURCES))) as sources:
                for member in sources:
                    packed.addfile(member, sources.extractfile(member) if member.isfile() else None)
            for wheel in sorted(wheels.glob("*.whl")):
                packed.add(wheel, f"wheels/{wheel.name}")
        return unfinished.rename(folder / NAME)


def _wheel(folder: Path, *arguments: str) -> None:
    # Not from pip's cache, where llama.cpp may lie as it was compiled for this machine.
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(  # noqa: S603 - our own arguments
        [*command, "--no-cache-dir", "--wheel-dir", str(folder), *arguments],
        env={**os.environ, "CMAKE_ARGS": f"{_FLAGS} -DCMAKE_PROJECT_llama_cpp_INCLUDE='{OPTIONS}'"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise PackageError(f"The wheels of the LLM boxes could not be made; pip says: {done.stderr.strip()}")
