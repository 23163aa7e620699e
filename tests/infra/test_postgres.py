"""The embedded Postgres: found where it runs, started where it does not, stopped with its last user."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from infra.local import postgres
from tests.infra.conftest import wait_until

Start = Callable[..., "subprocess.Popen[str]"]
USE = """
import sys
from pathlib import Path
import psycopg
from infra.local.postgres import database_url
url = database_url(Path(sys.argv[1]))
with psycopg.connect(url) as connection:
    print(connection.execute("select pg_postmaster_start_time()").fetchone()[0], flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def use(start: Start, tmp_path: Path) -> Callable[[], "subprocess.Popen[str]"]:
    return lambda: start("-c", USE, str(tmp_path))


def started_at(user: "subprocess.Popen[str]") -> str:
    """When the server that a user talks to was started."""
    assert user.stdout
    return user.stdout.readline()


def leave(user: "subprocess.Popen[str]") -> None:
    user.communicate("\n", timeout=30)
    assert user.returncode == 0


def is_running(home: Path) -> bool:
    return postgres.is_ready(home)


def test_two_users_share_a_server_that_ends_with_the_last(
    use: Callable[[], "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    first, second = use(), use()
    assert started_at(first) == started_at(second)

    leave(first)
    assert is_running(tmp_path)

    leave(second)
    assert not is_running(tmp_path)


def test_a_user_that_is_killed_leaves_a_server_that_the_next_one_ends(
    use: Callable[[], "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    killed = use()
    started_at(killed)
    killed.kill()
    killed.wait()
    assert is_running(tmp_path)

    following = use()
    started_at(following)
    leave(following)

    wait_until(lambda: not is_running(tmp_path))


def test_the_server_of_the_stack_is_used_and_never_stopped(
    start: Start, use: Callable[[], "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    server = start("-m", "infra.local.postgres", HUB_HOME=str(tmp_path))
    wait_until(lambda: is_running(tmp_path))

    user = use()
    assert started_at(user)
    leave(user)

    assert is_running(tmp_path)
    server.send_signal(signal.SIGINT)
    server.communicate(timeout=30)
    assert not is_running(tmp_path)


def test_the_server_of_the_stack_takes_over_one_that_runs(
    start: Start, use: Callable[[], "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    user = use()
    before = started_at(user)

    server = start("-m", "infra.local.postgres", HUB_HOME=str(tmp_path))

    url = postgres.url_of(postgres.socket_folder(tmp_path))
    wait_until(lambda: read_start(url) not in ("", before))
    leave(user)
    assert is_running(tmp_path)
    server.send_signal(signal.SIGINT)
    server.communicate(timeout=30)


def read_start(url: str) -> str:
    try:
        with psycopg.connect(url) as connection:
            row = connection.execute("select pg_postmaster_start_time()").fetchone()
    except psycopg.OperationalError:
        return ""
    return f"{row[0]}\n" if row else ""


def test_a_long_home_has_its_socket_elsewhere(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 30)

    folder = postgres.socket_folder(home)

    assert not folder.is_relative_to(home)
    assert len(os.fsencode(folder / postgres.SOCKET_NAME)) <= postgres.SOCKET_PATH_BYTES


def test_text_sorts_and_changes_case_the_same_on_every_machine(
    use: Callable[[], "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    user = use()
    started_at(user)

    with psycopg.connect(postgres.url_of(postgres.socket_folder(tmp_path))) as connection:
        assert connection.execute("select upper('zürich')").fetchone() == ("ZÜRICH",)
        assert connection.execute("show server_encoding").fetchone() == ("UTF8",)
    leave(user)
