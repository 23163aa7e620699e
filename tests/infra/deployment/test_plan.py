"""Steps in their order, and what becomes of a stage when one fails."""

from collections.abc import Callable

import pytest

from infra.deployment.errors import Cancelled, DeployError, LockLost
from infra.deployment.plan import Step, carry_out


class Watched:
    """A report that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def began(self, step: str) -> None:
        self.lines.append(f"{step} …")

    def said(self, what: str) -> None:
        self.lines.append(f"  {what}")

    def ended(self, step: str, note: str, seconds: float) -> None:
        self.lines.append(f"{step}: {note}")

    def failed(self, step: str, reason: str, seconds: float) -> None:
        self.lines.append(f"{step} failed: {reason}")


def step(name: str, note: str = "fine", alters: bool = False, fails: bool = False) -> Step:
    def do() -> str:
        if fails:
            raise DeployError("no")
        return note

    return Step(name, do, alters)


def after(looks: int) -> Callable[[], bool]:
    """Not cancelled for so many looks, and then for ever."""
    seen = iter([False] * looks)
    return lambda: next(seen, True)


def test_each_step_is_shown_as_it_begins_and_ends() -> None:
    report = Watched()

    carry_out([step("build", "2 files"), step("update")], [step("restore")], report, after(2))

    assert report.lines == ["build …", "build: 2 files", "update …", "update: fine"]


def test_a_failure_before_anything_was_altered_restores_nothing() -> None:
    report = Watched()

    with pytest.raises(DeployError, match="no"):
        carry_out([step("build", fails=True), step("update")], [step("restore")], report, after(9))

    assert report.lines == ["build …", "build failed: no"]


@pytest.mark.parametrize(
    "steps",
    [[step("update", alters=True, fails=True)], [step("update", alters=True), step("test", fails=True)]],
)
def test_a_failure_after_something_was_altered_restores_what_ran(steps: list[Step]) -> None:
    report = Watched()

    with pytest.raises(DeployError, match="no"):
        carry_out(steps, [step("restore"), step("triggers")], report, after(9))

    assert report.lines[-4:] == ["restore …", "restore: fine", "triggers …", "triggers: fine"]


def test_who_cancels_gets_what_ran_before_and_no_further_step() -> None:
    report = Watched()

    with pytest.raises(Cancelled, match="before “test”"):
        carry_out([step("update", alters=True), step("test")], [step("restore")], report, after(1))

    assert report.lines == ["update …", "update: fine", "restore …", "restore: fine"]


def test_who_lost_the_lock_does_nothing_more_and_puts_nothing_back() -> None:
    report = Watched()

    with pytest.raises(LockLost, match=r"lost before “test”.*nothing was put back"):
        carry_out(
            [step("update", alters=True), step("test")], [step("restore")], report, after(9), is_lost=after(1)
        )

    assert report.lines == ["update …", "update: fine"]


def test_a_step_that_fails_without_the_lock_is_named_and_nothing_is_put_back() -> None:
    report = Watched()

    with pytest.raises(LockLost, match=r"^no The lock of this stage was lost before “restore”"):
        carry_out(
            [step("update", alters=True, fails=True)], [step("restore")], report, after(9), is_lost=after(1)
        )

    assert report.lines == ["update …", "update failed: no"]
