"""llm.tar.gz: unpacked in an empty folder, what an LLM box runs is there."""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from infra.packages.build import head
from infra.packages.llm import OPTIONS, digest, pack


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


@pytest.mark.parametrize("name", ["options.cmake", "ldtilecfg.h"])
def test_what_llama_cpp_is_compiled_with_makes_other_wheels(tmp_path: Path, name: str) -> None:
    options = Path(shutil.copytree(OPTIONS.parent, tmp_path / "llama_cpp"), OPTIONS.name)
    assert digest(options) == digest()

    options.with_name(name).write_text("other")

    assert digest(options) != digest()
