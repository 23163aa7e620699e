"""Prefixes on a real disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from llm_api.engine.prefix_store import Prefix
from llm_api.engine.spill import DiskSpill

STATE = np.arange(5000, dtype=np.uint32).view(np.uint8)


def prefix(first: int = 0, group: str = "smile 🦷") -> Prefix:
    return Prefix(group, np.arange(first, first + 100, dtype=np.int32), STATE.copy())


def open_spill(folder: Path, fingerprint: str = "model", budget_bytes: int = 10**9) -> DiskSpill:
    return DiskSpill(folder, fingerprint, budget_bytes)


def keep(spill: DiskSpill, *prefixes: Prefix) -> None:
    for each in prefixes:
        spill.write(each)
    spill.close()


def keep_long_ago(folder: Path, *prefixes: Prefix) -> None:
    """One after the other."""
    for n, each in enumerate(prefixes):
        keep(open_spill(folder), each)
        newest = max(files(folder), key=lambda path: path.stat().st_mtime_ns)
        os.utime(newest, (1000 + n, 1000 + n))


def files(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*/*") if path.is_file()]


def test_a_prefix_comes_back_after_a_restart(tmp_path: Path) -> None:
    keep(open_spill(tmp_path), prefix())
    restarted = open_spill(tmp_path)
    [found] = restarted.load()
    assert (found.group, found.state, found.is_branch) == ("smile 🦷", None, True)
    assert found.tokens.tolist() == list(range(100))
    state = restarted.read(found)
    assert state is not None
    assert state.tolist() == STATE.tolist()


def test_only_this_user_can_read_what_it_keeps(tmp_path: Path) -> None:
    keep(open_spill(tmp_path), prefix())
    [path] = files(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_what_another_model_has_left_is_not_read(tmp_path: Path) -> None:
    keep(open_spill(tmp_path, "another"), prefix())
    assert list(open_spill(tmp_path).load()) == []
    assert len(files(tmp_path)) == 1


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


@pytest.mark.parametrize("damage", [flip_a_byte, cut])
def test_a_damaged_state_is_lost_and_deleted(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    keep(open_spill(tmp_path), prefix())
    [path] = files(tmp_path)
    damage(path)
    restarted = open_spill(tmp_path)
    [found] = restarted.load()
    assert restarted.read(found) is None
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    "content", [b"", b"junk", b"hub-prefix-1\n", b"hub-prefix-1\n[]\n", b"hub-prefix-1\n{}\n"]
)
def test_a_file_that_is_none_is_deleted(tmp_path: Path, content: bytes) -> None:
    spill = open_spill(tmp_path)
    (tmp_path / "model" / "x.prefix").write_bytes(content)
    assert list(spill.load()) == []
    assert files(tmp_path) == []


def test_over_budget_the_one_used_longest_ago_goes(tmp_path: Path) -> None:
    one, two, three = prefix(0), prefix(1), prefix(2)
    keep_long_ago(tmp_path, one, two)
    spill = open_spill(tmp_path, budget_bytes=2 * (STATE.size + 1000))
    assert spill.read(one) is not None  # now used later than the second
    keep(spill, three)
    assert {p.tokens[0] for p in open_spill(tmp_path).load()} == {0, 2}


def test_over_budget_what_was_of_use_in_memory_stays(tmp_path: Path) -> None:
    one, two, three = prefix(0), prefix(1), prefix(2)
    keep_long_ago(tmp_path, one, two)
    spill = open_spill(tmp_path, budget_bytes=2 * (STATE.size + 1000))
    spill.touch(one)
    spill.touch(prefix(7))  # which it does not have
    keep(spill, three)
    assert [spill.has(each) for each in (one, two, three)] == [True, False, True]


def test_a_full_disk_costs_only_the_spill(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spill = open_spill(tmp_path)
    (tmp_path / "model").rmdir()
    keep(spill, prefix())
    assert "cannot spill a prefix" in caplog.text
