"""CUDA as NVIDIA packs it for pip: a compiler that is there as long as something is compiled."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from infra.packages.errors import PackageError


def install_compiler(pins: Path, folder: Path) -> Mapping[str, str]:
    """Install what `pins` names into `folder`; the environment in which CMake finds it. Raises
    PackageError."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run(  # noqa: S603 - our own arguments
        [*command, "--only-binary", ":all:", "--target", str(folder), "-r", str(pins)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise PackageError(
            f"CUDA's compiler could not be installed from {pins.name}, which needs Linux on x86-64 and some "
            f"2 GB on the disk; pip says: {done.stderr.strip()}"
        )
    root = folder / "nvidia" / "cu13"
    # Linkers look for names without a version, and in lib64: links, which a wheel cannot hold.
    (root / "lib64").symlink_to("lib")
    for library in (root / "lib").glob("*.so.*"):
        library.with_name(f"{library.name.partition('.so')[0]}.so").symlink_to(library.name)
    return {"CUDACXX": str(root / "bin" / "nvcc"), "CUDAToolkit_ROOT": str(root)}
