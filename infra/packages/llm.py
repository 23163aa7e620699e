"""llm-DIGEST.tar.gz: what an LLM box is made of. llm_api, the installation (infra/llm_box), and a wheel of
every package that it installs, so that a box which starts in a burst asks nobody but S3."""

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from hub_lambdas.sentences import stored
from infra.local.environment import ROOT
from infra.packages.build import export, git
from infra.packages.cuda import install_compiler
from infra.packages.errors import PackageError
from infra.packages.site import CONSTRAINTS

SOURCES = ("llm_api", "infra/__init__.py", "infra/llm_box", "requirements")
_PINS = ROOT / "requirements"
_CMAKE = ROOT / "scripts" / "llama_cpp"
# For any x86-64 of the last ten years (AVX2) and what the options add, not for the machine that compiles.
_FLAGS = "-DGGML_NATIVE=OFF"
# Of Ubuntu 24.04, the image of the boxes: its Python, and its C library (2.39).
_PYTHON = "3.12"
_PLATFORMS = ("linux_x86_64", "manylinux2014_x86_64", *(f"manylinux_2_{n}_x86_64" for n in range(17, 40)))


@dataclass(frozen=True)
class Recipe:
    """What the wheels of a box are made of. `options` say how llama.cpp is compiled; `alone` pins what is
    used without what it depends on; `compiler` pins what compiles it beyond this machine's own."""

    options: Path
    alone: Sequence[Path]
    compiler: Path | None = None

    @property
    def digest(self) -> str:
        """Wheels of one digest are the same. Covers every file beside `options`, wherever the folder lies."""
        pins = [_PINS / "llm.txt", CONSTRAINTS, *self.alone, *([self.compiler] if self.compiler else [])]
        files = [*pins, *sorted(self.options.parent.iterdir())]
        facts = [f"{_FLAGS} {_PYTHON} {self.options.name}".encode(), *(path.read_bytes() for path in files)]
        return hashlib.sha256(b"\0".join(facts)).hexdigest()[:12]


CPU = Recipe(_CMAKE / "sapphire_rapids.cmake", [_PINS / "model.txt"])
GPU = Recipe(_CMAKE / "cuda.cmake", [_PINS / "model.txt", _PINS / "cuda.txt"], _PINS / "nvcc.txt")
RECIPES: Mapping[str, Recipe] = {"small": CPU, "medium": CPU, "gpu": GPU}
"""By the sizes of infra/llm.yaml."""


def archive_name(commit: str, size: str) -> str:
    """The archive's, after what is in it: commits that change nothing for boxes of a size have the same one.
    Raises PackageError."""
    sources = git("ls-tree", "-r", commit, *SOURCES)
    return f"llm-{hashlib.sha256(sources + _recipe(size).digest.encode()).hexdigest()[:16]}.tar.gz"


def build_llm(commit: str, folder: Path, size: str) -> Path:
    """Pack `commit` for LLM boxes of a size. Compiles llama.cpp, which takes some minutes, and for a GPU more
    than an hour, where `folder` does not hold the wheels of these versions yet. Raises PackageError."""
    made = wheels(folder, _recipe(size))
    return pack(commit, made, folder / archive_name(commit, size))


def wheels(folder: Path, recipe: Recipe) -> Path:
    """The folder with a wheel of each package. Raises PackageError."""
    made = folder / f"wheels-{recipe.digest}"
    if not made.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            unfinished = Path(scratch, "wheels")
            _compile(unfinished, recipe, Path(scratch, "compiler"))
            fetch(unfinished, "--constraint", str(CONSTRAINTS), "-r", str(_PINS / "llm.txt"))
            for pins in recipe.alone:
                fetch(unfinished, "--no-deps", "-r", str(pins))
            unfinished.rename(made)
    return made


def pack(commit: str, wheels: Path, target: Path) -> Path:
    """The archive of `commit` and these wheels, at `target`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        unfinished = Path(scratch, "unfinished")
        with tarfile.open(unfinished, "w:gz") as packed:
            with tarfile.open(fileobj=BytesIO(export(commit, *SOURCES))) as sources:
                for member in sources:
                    packed.addfile(member, sources.extractfile(member) if member.isfile() else None)
            for wheel in sorted(wheels.glob("*.whl")):
                packed.add(wheel, f"wheels/{wheel.name}")
        return unfinished.rename(target)


def _recipe(size: str) -> Recipe:
    if size not in RECIPES:
        raise PackageError(f"There are no LLM boxes of Size {size!r}: choose one of {', '.join(RECIPES)}.")
    return RECIPES[size]


def _compile(folder: Path, recipe: Recipe, compiler: Path) -> None:
    """The wheel of llama.cpp, which fits every Python."""
    environment = dict(install_compiler(recipe.compiler, compiler)) if recipe.compiler else {}
    environment["CMAKE_ARGS"] = f"{_FLAGS} -DCMAKE_PROJECT_llama_cpp_INCLUDE='{recipe.options}'"
    # Not from pip's cache, where llama.cpp may lie as it was compiled for this machine.
    options = ["--no-cache-dir", "--no-deps", "--constraint", str(CONSTRAINTS), "--wheel-dir", str(folder)]
    _pip(["wheel", *options, "--no-binary", "llama-cpp-python", "llama-cpp-python"], environment)


def fetch(folder: Path, *arguments: str) -> None:
    """The wheels that fit a box, whatever this machine runs."""
    box = ["--python-version", _PYTHON, *(word for name in _PLATFORMS for word in ("--platform", name))]
    options = ["--only-binary", ":all:", *box, "--find-links", str(folder), "--dest", str(folder)]
    _pip(["download", *options, *arguments], {})


def _pip(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    done = subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise PackageError(
            stored(
                "The wheels of the LLM boxes could not be made; pip says: %(said)s", said=done.stderr.strip()
            )
        )
