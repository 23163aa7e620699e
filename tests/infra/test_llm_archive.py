"""llm.tar.gz: unpacked in an empty folder, what an LLM box runs is there."""

import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from infra.local.environment import ROOT
from infra.packages.build import head
from infra.packages.errors import PackageError
from infra.packages.llm import CPU, GPU, build_llm, fetch, pack
from infra.packages.site import CONSTRAINTS


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("llm")
    wheels = folder / "wheels"
    wheels.mkdir()
    (wheels / "model-1-py3-none-any.whl").write_bytes(b"a wheel")
    with tarfile.open(pack(head(), wheels, folder)) as archive:
        archive.extractall(folder / "box", filter="data")
    return folder / "box"


def test_the_box_gets_the_wheels_that_it_installs_and_no_tests(box: Path) -> None:
    assert [path.name for path in (box / "wheels").iterdir()] == ["model-1-py3-none-any.whl"]
    assert {path.name for path in box.iterdir()} == {"infra", "llm_api", "requirements", "wheels"}
    assert {path.name for path in (box / "infra").iterdir()} == {"__init__.py", "llm_box"}
    assert os.access(box / "infra" / "llm_box" / "install.sh", os.X_OK)


@pytest.mark.parametrize("module", ["llm_api.__main__", "infra.llm_box.keeper", "infra.llm_box.environment"])
def test_its_services_need_nothing_else_of_the_hub(box: Path, module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import {module} as found; print(found.__file__)"],
        cwd=box,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(box)


def test_wheels_are_those_of_the_boxes_python(tmp_path: Path) -> None:
    fetch(tmp_path, "--no-deps", "--constraint", str(CONSTRAINTS), "markupsafe")

    [wheel] = tmp_path.iterdir()
    assert "-cp312-cp312-manylinux" in wheel.name


@pytest.mark.parametrize("name", ["options.cmake", "ldtilecfg.h"])
def test_what_llama_cpp_is_compiled_with_makes_other_wheels(tmp_path: Path, name: str) -> None:
    options = Path(shutil.copytree(CPU.options.parent, tmp_path / "llama_cpp"), CPU.options.name)
    copied = replace(CPU, options=options)
    assert copied.digest == CPU.digest != GPU.digest

    options.with_name(name).write_text("other")

    assert copied.digest != CPU.digest


@pytest.mark.parametrize("pins", ["cuda.txt", "nvcc.txt"])
def test_another_cuda_makes_other_wheels_for_a_gpu(tmp_path: Path, pins: str) -> None:
    own = Path(shutil.copytree(ROOT / "requirements", tmp_path / "requirements"))
    assert GPU.compiler
    copied = replace(GPU, alone=[own / path.name for path in GPU.alone], compiler=own / GPU.compiler.name)
    assert copied.digest == GPU.digest

    (own / pins).write_text("other")

    assert copied.digest != GPU.digest


def test_a_size_that_there_is_not_is_said_before_anything_is_compiled(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="choose one of small, medium, gpu"):
        build_llm(head(), tmp_path, "huge")

    assert list(tmp_path.iterdir()) == []
