"""Whether the working tree is the commit that is deployed: packages are built from the commit, but templates,
stages, pins and zappa_settings.json are read where they lie."""

from pathlib import Path

from hub_lambdas.sentences import stored
from infra.deployment.errors import CheckoutError
from infra.local.environment import ROOT
from infra.packages.build import git

READ = ("infra", "requirements", "scripts/llama_cpp", "zappa_settings.json")


def expect_checked_out(commit: str, root: Path = ROOT) -> None:
    """Raises CheckoutError."""
    there = git("rev-parse", "HEAD", root=root).decode().strip()
    if there != commit:
        raise CheckoutError(
            stored(
                "%(there)s is checked out, and %(commit)s is to be deployed: check that out first, since "
                "templates and zappa_settings.json are read where they lie.",
                there=there[:12],
                commit=commit[:12],
            )
        )
    if changed := git("status", "--porcelain", "--", *READ, root=root).decode().splitlines():
        files = ", ".join(line[3:] for line in changed)
        raise CheckoutError(
            stored(
                "These differ from the commit that is to be deployed: %(files)s. Commit them first.",
                files=files,
            )
        )
