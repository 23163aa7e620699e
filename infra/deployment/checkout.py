"""Whether the working tree is the commit that is deployed: packages are built from the commit, but templates,
stages and zappa_settings.json are read where they lie."""

from pathlib import Path

from infra.deployment.errors import CheckoutError
from infra.local.environment import ROOT
from infra.packages.build import git

READ = ("infra", "zappa_settings.json")


def expect_checked_out(commit: str, root: Path = ROOT) -> None:
    """Raises CheckoutError."""
    there = git("rev-parse", "HEAD", root=root).decode().strip()
    if there != commit:
        raise CheckoutError(
            f"{there[:12]} is checked out, and {commit[:12]} is to be deployed: check that out first, since "
            "templates and zappa_settings.json are read where they lie."
        )
    if changed := git("status", "--porcelain", "--", *READ, root=root).decode().splitlines():
        files = ", ".join(line[3:] for line in changed)
        raise CheckoutError(
            f"These differ from the commit that is to be deployed: {files}. Commit them first."
        )
