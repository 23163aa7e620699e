"""What a deploy would change: the commits between two releases. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from console.deployments.models import Commit


@dataclass(frozen=True)
class Changes:
    """`added` and `removed`: commits, newest first. `is_whole`: whether what runs is among the known ones."""

    added: Sequence[Commit]
    removed: Sequence[Commit]
    is_whole: bool

    @property
    def migrations(self) -> list[str]:
        """Those that would run, in their order."""
        return _migrations(self.added)

    @property
    def left_migrations(self) -> list[str]:
        """Those that ran, and stay in the database."""
        return _migrations(self.removed)

    @property
    def templates(self) -> list[str]:
        """Those of infra/ that differ."""
        commits = (*self.added, *self.removed)
        return sorted({name for commit in commits for name in commit.templates})


def between(commits: Sequence[Commit], running: str, wanted: str) -> Changes:
    """What lies between two releases, named by the first digits of a commit's hash; from the beginning where
    nothing runs."""
    known = {commit.hash: commit for commit in commits}
    before, after = _with_ancestors(known, running), _with_ancestors(known, wanted)
    return Changes(
        added=[commit for commit in commits if commit.hash in after - before],
        removed=[commit for commit in commits if commit.hash in before - after],
        is_whole=not running or bool(before),
    )


def _migrations(commits: Sequence[Commit]) -> list[str]:
    """Those that are there after these commits, newest first, and were not before."""
    found: dict[str, None] = {}
    for commit in reversed(commits):
        for name in commit.removed_migrations:
            found.pop(name, None)
        found |= dict.fromkeys(commit.migrations)
    return [*found]


def _with_ancestors(known: Mapping[str, Commit], release: str) -> set[str]:
    waiting = [name for name in known if release and name.startswith(release)]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in known and name not in found:
            found.add(name)
            waiting += known[name].parents
    return found
