"""CUDA's compiler, from a package like NVIDIA's."""

import os
import zipfile
from pathlib import Path

import pytest

from infra.packages.cuda import install_compiler
from infra.packages.errors import PackageError

INFO = "nvidia_cuda-1.dist-info"
FILES = {
    "nvidia/cu13/bin/nvcc": "the compiler",
    "nvidia/cu13/lib/libcudart.so.13": "the library",
    f"{INFO}/METADATA": "Metadata-Version: 2.1\nName: nvidia-cuda\nVersion: 1\n",
    f"{INFO}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"{INFO}/RECORD": "",
}


def test_the_compiler_lies_as_cmake_and_linkers_look_for_it(tmp_path: Path) -> None:
    wheel = tmp_path / "nvidia_cuda-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as packed:
        for name, text in FILES.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o100755 << 16
            packed.writestr(entry, text)
    pins = tmp_path / "pins.txt"
    pins.write_text(str(wheel))

    environment = install_compiler(pins, tmp_path / "compiler")

    assert Path(environment["CUDACXX"]).read_text() == "the compiler"
    assert os.access(environment["CUDACXX"], os.X_OK)
    assert Path(environment["CUDAToolkit_ROOT"], "lib64", "libcudart.so").read_text() == "the library"


def test_a_compiler_that_cannot_be_had_is_told_with_what_it_needs(tmp_path: Path) -> None:
    pins = tmp_path / "pins.txt"
    pins.write_text(str(tmp_path / "nowhere-1-py3-none-any.whl"))

    with pytest.raises(PackageError, match=r"pins\.txt, which needs Linux on x86-64 .* pip says: "):
        install_compiler(pins, tmp_path / "compiler")
