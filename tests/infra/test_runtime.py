"""What may be deployed to AWS: only what its Python and its C library can load."""

import zipfile
from pathlib import Path

import pytest

from infra.packages import runtime
from infra.packages.errors import PackageError


def packed(folder: Path, *tags: str) -> Path:
    with zipfile.ZipFile(folder / "functions.zip", "w") as files:
        files.writestr("pure-1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py2-none-any\nTag: py3-none-any\n")
        lines = "".join(f"Tag: {tag}\n" for tag in tags)
        files.writestr("fast-2.dist-info/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\n{lines}\n")
    return folder / "functions.zip"


@pytest.mark.parametrize(
    "tags",
    [
        ["cp312-cp312-manylinux_2_17_x86_64", "cp312-cp312-manylinux2014_x86_64"],
        ["cp311-abi3-manylinux_2_34_x86_64"],
        ["cp312-cp312-manylinux_2_36_x86_64", "cp312-cp312-manylinux2014_x86_64"],
    ],
)
def test_what_aws_can_load_may_be_deployed(tmp_path: Path, tags: list[str]) -> None:
    runtime.expect_fit(packed(tmp_path, *tags))


@pytest.mark.parametrize(
    "tag",
    [
        "cp311-cp311-manylinux_2_17_x86_64",  # another Python
        "cp311-abi3-manylinux_2_35_x86_64",  # a newer C library
        "cp312-cp312-manylinux_2_17_aarch64",
        "cp312-cp312-macosx_11_0_x86_64",
    ],
)
def test_what_aws_cannot_load_is_refused_by_its_name(tmp_path: Path, tag: str) -> None:
    with pytest.raises(PackageError, match=r"fast-2 in functions\.zip is not for python3\.12"):
        runtime.expect_fit(packed(tmp_path, tag))


def test_another_python_than_the_functions_is_told_how_to_build_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runtime, "here", lambda: "python3.10")

    with pytest.raises(PackageError, match=r"PYTHON=python3\.12"):
        runtime.expect_same()
