"""A deploy takes templates and settings from the working tree, so that has to be the commit."""

from pathlib import Path

import pytest

from infra.deployment.checkout import expect_checked_out
from infra.deployment.errors import CheckoutError
from infra.packages.build import git

WHO = ("-c", "user.name=ann", "-c", "user.email=ann@example.com")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "infra").mkdir()
    (tmp_path / "requirements").mkdir()
    (tmp_path / "infra" / "roles.yaml").write_text("Resources: {}")
    (tmp_path / "requirements" / "llm.txt").write_text("pins")
    (tmp_path / "zappa_settings.json").write_text("{}")
    git("init", "--quiet", root=tmp_path)
    commit(tmp_path)
    return tmp_path


def commit(root: Path) -> str:
    git("add", ".", root=root)
    git(*WHO, "commit", "--quiet", "--allow-empty", "--message", "More", root=root)
    return git("rev-parse", "HEAD", root=root).decode().strip()


def test_what_is_committed_is_deployed_whatever_else_lies_about(root: Path) -> None:
    (root / "notes.txt").write_text("mine")

    expect_checked_out(git("rev-parse", "HEAD", root=root).decode().strip(), root)


@pytest.mark.parametrize(
    "name", ["infra/roles.yaml", "infra/new.yaml", "requirements/llm.txt", "zappa_settings.json"]
)
def test_a_template_or_setting_that_is_not_committed_stops_it(root: Path, name: str) -> None:
    at = git("rev-parse", "HEAD", root=root).decode().strip()
    (root / name).write_text("changed")

    with pytest.raises(CheckoutError, match=name):
        expect_checked_out(at, root)


def test_another_commit_than_the_one_checked_out_stops_it(root: Path) -> None:
    before = git("rev-parse", "HEAD", root=root).decode().strip()
    commit(root)

    with pytest.raises(CheckoutError, match=f"{before[:12]} is to be deployed"):
        expect_checked_out(before, root)
