"""What two workers may share out: whole files, since their tests share what is slow to start.

pytest-xdist 3.8 has a mark for this, `xdist_group`, which pytest 9 made void: the plugin renames tests, and
pytest does not look at that name any more.
"""

from pathlib import PurePath

import pytest
from xdist.scheduler import LoadScopeScheduling

TOGETHER = {
    "tests/end_to_end": "the running system",
    "tests/infra/test_packages.py": "the zip files",
    "tests/infra/deployment/test_on_the_emulator.py": "the zip files",
}
ALONE = "test_histories.py"
"""Each of its chunks takes minutes and needs nothing but a database."""


class Scheduling(LoadScopeScheduling):
    """Gives a worker one share after the other."""

    def _split_scope(self, nodeid: str) -> str:
        return share_of(nodeid)


def share_of(nodeid: str) -> str:
    """The tests that one worker must get together have the same."""
    path = PurePath(nodeid.partition("::")[0])
    if path.name == ALONE:
        return nodeid
    return next((TOGETHER[str(each)] for each in (path, *path.parents) if str(each) in TOGETHER), str(path))


def longest_first(items: list[pytest.Item]) -> None:
    """Those that share the zip files take longest of all: begun last, they would keep one worker waiting."""
    items.sort(key=lambda item: share_of(item.nodeid) != "the zip files")
