"""The repository on the machine that deploys: a release is built from it, by the release's own code."""

import fcntl
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from hub_lambdas.sentences import stored

HEAD = "refs/hub/head"
"""The branch that is deployed from, as it was fetched last."""
COMMITS = 300
"""So many of the latest are known to the console."""
_MIGRATION = re.compile(r"console/(?:\w+/)*(\w+)/migrations/(\d{4}_\w+)\.py")
_TEMPLATE = re.compile(r"infra/(\w+\.yaml)")
_PINS = ("capacity", "console", "constraints", "deploy", "lambdas")


class CheckoutError(Exception):
    """The repository cannot be used; the text says why."""


@dataclass(frozen=True)
class Logged:
    """A commit, with the migrations that it adds and takes out, and the templates of infra/ that it
    touches."""

    hash: str
    parents: list[str]
    at: datetime
    author: str
    subject: str
    migrations: list[str]
    removed_migrations: list[str]
    templates: list[str]


class Checkout:
    """A folder with one commit at a time of the repository at `address`. Raises CheckoutError."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self._address = folder, address

    @contextmanager
    def held(self) -> Iterator[None]:
        """Wait until nobody else works in it, and keep others out."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.folder.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def fetch(self) -> None:
        """Get the branch as it is now."""
        if not (self.folder / ".git").exists():
            self._git("init", "--quiet")
        self._git("fetch", "--quiet", "--no-tags", self._address, f"+HEAD:{HEAD}")

    def find(self, commit: str) -> str:
        """The whole hash of a commit, which has to be on the branch."""
        try:
            found = self._git("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}").strip()
            self._git("merge-base", "--is-ancestor", found, HEAD)
        except CheckoutError as error:
            raise CheckoutError(
                stored(
                    "%(commit)s is not on the branch that is deployed from: push it there first.",
                    commit=commit[:12],
                )
            ) from error
        return found

    def put(self, commit: str) -> None:
        """Make a commit the one that lies in the folder."""
        self._git("checkout", "--quiet", "--force", "--detach", commit)

    def python(self) -> str:
        """An interpreter with what the commit in the folder pins: the one that runs here, if that is the
        same."""
        here, there = settings.BASE_DIR / "requirements", self.folder / "requirements"
        if all(_read(here / f"{name}.txt") == _read(there / f"{name}.txt") for name in _PINS):
            return sys.executable
        environment = self.folder / ".venv"
        _run([sys.executable, "-m", "venv", str(environment)], self.folder)
        python = str(environment / "bin" / "python")
        pins = [argument for name in ("console", "deploy") for argument in ("-r", f"requirements/{name}.txt")]
        constraints = ["-c", "requirements/constraints.txt"]
        _run([python, "-m", "pip", "install", "--quiet", *constraints, *pins], self.folder)
        return python

    def log(self) -> list[Logged]:
        """The latest commits of the branch, newest first."""
        said = self._git(
            *("-c", "core.quotePath=false", "log", f"--max-count={COMMITS}", "--topo-order", "--no-renames"),
            *("--name-status", "--format=%x1e%H%x1f%P%x1f%cI%x1f%an%x1f%s", HEAD),
        )
        return [_logged(record) for record in said.split("\x1e")[1:]]

    def _git(self, *arguments: str) -> str:
        return _run(["git", *arguments], self.folder, self._address)


def of_settings() -> Checkout:
    """The one in HUB_HOME. Raises CheckoutError where no repository is known."""
    address: str = settings.DEPLOY_REPOSITORY
    if not address:
        raise CheckoutError(stored("There is no repository to deploy from: HUB_DEPLOY_REPOSITORY names it."))
    return Checkout(settings.HUB_HOME / "checkout", address)


def _logged(record: str) -> Logged:
    head, *touched = record.strip("\n").split("\n")
    commit, parents, at, author, subject = head.split("\x1f")
    changes = [line.split("\t", 1) for line in touched if line]
    templates = [_TEMPLATE.fullmatch(path) for _, path in changes]
    return Logged(
        hash=commit,
        parents=parents.split(),
        at=datetime.fromisoformat(at),
        author=author,
        subject=subject,
        migrations=_migrations(path for status, path in changes if status == "A"),
        removed_migrations=_migrations(path for status, path in changes if status == "D"),
        templates=sorted(found[1] for found in templates if found),
    )


def _migrations(paths: Iterable[str]) -> list[str]:
    return sorted(f"{found[1]} {found[2]}" for path in paths if (found := _MIGRATION.fullmatch(path)))


def _run(command: list[str], folder: Path, address: str = "") -> str:
    done = subprocess.run(  # noqa: S603 - our own arguments
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = _harmless(done.stderr, address) or stored("nothing")
        raise CheckoutError(stored("%(program)s says: %(said)s", program=Path(command[0]).name, said=said))
    return done.stdout


def _harmless(said: str, address: str) -> str:
    """What a program said, without the token that the repository's address may hold."""
    login = urlsplit(address).netloc.rpartition("@")[0]
    return (said.replace(login, "…") if login else said).strip()


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
