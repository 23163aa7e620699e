"""llm-DIGEST.tar.gz: unpacked in an empty folder, what an LLM box runs is there."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from infra.local.environment import ROOT
from infra.packages.build import git, head
from infra.packages.errors import PackageError
from infra.packages.llm import CPU, GPU, archive_name, build_llm, fetch
from infra.packages.site import CONSTRAINTS


def test_the_box_gets_the_wheels_that_it_installs_and_no_tests(llm_box: Path) -> None:
    assert [path.name for path in (llm_box / "wheels").iterdir()] == ["model-1-py3-none-any.whl"]
    assert {path.name for path in llm_box.iterdir()} == {"infra", "llm_api", "requirements", "wheels"}
    assert {path.name for path in (llm_box / "infra").iterdir()} == {"__init__.py", "llm_box"}
    assert os.access(llm_box / "infra" / "llm_box" / "install.sh", os.X_OK)


def test_commits_that_change_nothing_for_a_box_have_the_same_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def commit(**files: str) -> str:
        for path, text in files.items():
            target = tmp_path / path.replace("__", "/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        git("add", ".", root=tmp_path)
        git("-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "change", root=tmp_path)
        return git("rev-parse", "HEAD", root=tmp_path).decode().strip()

    git("init", "-q", root=tmp_path)
    monkeypatch.setattr("infra.packages.llm.git", partial(git, root=tmp_path))
    first = archive_name(commit(llm_api__api="1", infra__llm_box__keeper="1", console__urls="1"), "small")

    assert archive_name(commit(console__urls="2"), "medium") == first
    assert archive_name("HEAD", "gpu") != first
    assert archive_name(commit(llm_api__api="2"), "small") != first


@pytest.mark.parametrize("module", ["llm_api.__main__", "infra.llm_box.keeper", "infra.llm_box.environment"])
def test_its_services_need_nothing_else_of_the_hub(llm_box: Path, module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import {module} as found; print(found.__file__)"],
        cwd=llm_box,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(llm_box)


def test_wheels_are_those_of_the_boxes_python(tmp_path: Path) -> None:
    fetch(tmp_path, "--no-deps", "--constraint", str(CONSTRAINTS), "markupsafe")

    [wheel] = tmp_path.iterdir()
    assert "-cp312-cp312-manylinux" in wheel.name


@pytest.mark.parametrize(
    "name", ["sapphire_rapids.cmake", "options.cmake", "ldtilecfg.h", "kernels.patch", "amx_weights.h"]
)
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
