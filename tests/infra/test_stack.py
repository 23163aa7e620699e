"""`make run` as a user meets it when something is in its way, and what it prints when nothing is."""

import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.environment import PORT_SETTINGS, Ports
from infra.local.errors import StackError
from infra.local.platforms import simulator_values
from infra.local.stack import only_one, set_environment, summary
from infra.local.stack_env import write_stack_env
from tests.emulator import free_port

PORTS = Ports(console=8000, webhook=8080, llm=8001, aws=4566, simulator=8002)


def run_stack(home: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
    """`make run` after the install, in a home and on ports of its own; its checks end it."""
    ports = {name: str(free_port()) for name in PORT_SETTINGS}
    environment = os.environ | {"HUB_HOME": str(home)} | ports | settings
    command = [sys.executable, "-m", "infra.local.stack"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def assert_one_sentence(result: "subprocess.CompletedProcess[str]", part: str) -> None:
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert part in result.stderr


def test_a_busy_port(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]

        result = run_stack(tmp_path, HUB_WEBHOOK_PORT=str(port))

    assert_one_sentence(result, f"Port {port} is taken")
    assert "HUB_WEBHOOK_PORT" in result.stderr
    assert not (tmp_path / "supervisord.conf").exists()


def test_a_missing_model(tmp_path: Path) -> None:
    result = run_stack(tmp_path, HUB_LLM_MODEL=str(tmp_path / "none.gguf"))

    assert_one_sentence(result, "none.gguf cannot be read")
    assert not (tmp_path / "supervisord.conf").exists()


def test_a_second_run_in_the_same_home(tmp_path: Path) -> None:
    with (tmp_path / "stack.lock").open("w") as lock:
        lock.write("4711")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)

        result = run_stack(tmp_path)

    assert_one_sentence(result, f"channels-hub runs in {tmp_path} already (process 4711)")


def test_a_home_is_free_again_once_its_run_ended(tmp_path: Path) -> None:
    with only_one(tmp_path), pytest.raises(StackError, match=f"process {os.getpid()}"), only_one(tmp_path):
        pass

    with only_one(tmp_path):
        pass


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """The process environment without settings of the hub, put back after the test."""
    before = dict(os.environ)
    for name in before:
        if name.startswith(("AWS_", "HUB_")) or name in ("DATABASE_URL", "NO_PROXY", "no_proxy"):
            del os.environ[name]
    yield before
    os.environ.clear()
    os.environ.update(before)


def test_the_emulator_gets_dummy_keys_whatever_keys_the_user_has(
    environment: dict[str, str], tmp_path: Path
) -> None:
    os.environ |= {"HUB_HOME": str(tmp_path), "AWS_ACCESS_KEY_ID": "REAL", "AWS_PROFILE": "work"}

    set_environment(tmp_path, PORTS, own_database=True, own_emulator=True, own_platforms=False)

    assert os.environ["AWS_ACCESS_KEY_ID"] == os.environ["AWS_SECRET_ACCESS_KEY"] == "local"
    assert os.environ["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    assert "AWS_PROFILE" not in os.environ
    assert os.environ["NO_PROXY"] == "127.0.0.1,localhost"
    assert os.environ["DATABASE_URL"].startswith("postgresql://postgres@/postgres?host=")


def test_an_endpoint_and_a_database_of_the_user_are_left_alone(
    environment: dict[str, str], tmp_path: Path
) -> None:
    theirs = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_PROFILE": "work",
        "DATABASE_URL": "postgresql://x/y",
    }
    os.environ |= theirs | {"HUB_HOME": str(tmp_path)}

    set_environment(tmp_path, PORTS, own_database=False, own_emulator=False, own_platforms=False)

    assert {name: os.environ[name] for name in theirs} == theirs


def test_every_program_gets_the_secrets_of_the_first_run(environment: dict[str, str], tmp_path: Path) -> None:
    write_stack_env(tmp_path / "stack.env", {})
    os.environ["HUB_HOME"] = str(tmp_path)

    set_environment(tmp_path, PORTS, own_database=True, own_emulator=True, own_platforms=False)

    made = (tmp_path / "stack.env").read_text()
    for name in ("HUB_SECRET_KEY", "HUB_CREDENTIAL_KEYS", "HUB_LLM_TOKEN", "HUB_ADMIN_PASSWORD"):
        assert f"{name}={os.environ[name]}\n" in made


@pytest.mark.parametrize("variable", ["HUB_TELEGRAM_API_URL", "HUB_META_APP_SECRET"])
def test_the_hub_finds_the_platforms_in_the_simulator_unless_the_user_says_where(
    environment: dict[str, str], tmp_path: Path, variable: str
) -> None:
    os.environ |= {"HUB_HOME": str(tmp_path), variable: "https://theirs.example"}

    set_environment(tmp_path, PORTS, own_database=True, own_emulator=True, own_platforms=True)

    expected = simulator_values(8002) | {variable: "https://theirs.example"}
    assert {name: os.environ[name] for name in expected} == expected


def test_with_the_real_platforms_nothing_of_the_simulator_is_left(
    environment: dict[str, str], tmp_path: Path
) -> None:
    write_stack_env(tmp_path / "stack.env", simulator_values(8002))
    os.environ["HUB_HOME"] = str(tmp_path)

    set_environment(tmp_path, PORTS, own_database=True, own_emulator=True, own_platforms=False)

    assert not set(simulator_values(8002)) & set(os.environ)


def test_only_simulator_and_real_are_platforms(tmp_path: Path) -> None:
    result = run_stack(tmp_path, HUB_PLATFORMS="fake")

    assert_one_sentence(result, "HUB_PLATFORMS is 'fake': it must be simulator or real.")


def test_the_block_at_the_end_tells_where_to_go(environment: dict[str, str], tmp_path: Path) -> None:
    os.environ["HUB_ADMIN_PASSWORD"] = "the-one"

    pages = ["http://127.0.0.1:8080/webchat/1", "http://127.0.0.1:8080/webchat/2"]
    text = summary(tmp_path, PORTS, pages, own_platforms=True)

    for part in ("http://127.0.0.1:8000/", "admin@example.com", "the-one", "webchat/1", "webchat/2"):
        assert part in text
    assert f"{tmp_path}/logs" in text
    assert "Ctrl-C stops everything" in text
    assert "http://127.0.0.1:8002/" in text
    assert "Simulator" not in summary(tmp_path, PORTS, pages, own_platforms=False)
