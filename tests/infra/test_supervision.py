"""The configuration of supervisord, its orders, and what is told of programs that die."""

import configparser
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.environment import Ports
from infra.local.programs import Program, Wave, programs_of
from infra.local.supervision import Exit, State, Supervisor, configuration, exits_in
from infra.local.watch import Watch
from tests.infra.conftest import wait_until

PORTS = Ports(console=1, webhook=2, llm=3, aws=4, simulator=5)
SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")


def parsed(programs: list[Program], home: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read_string(configuration(programs, home, home / "s"))
    return parser


def names(own_database: bool, own_emulator: bool, own_platforms: bool) -> list[str]:
    programs = programs_of(Path("/h"), PORTS, own_database, own_emulator, own_platforms)
    return [program.name for program in programs]


def test_the_stores_are_ours_only_where_no_other_is_named() -> None:
    services = ["llm", "lambdas", "webhook", "console", "worker", "deploys"]

    assert names(True, True, True) == ["postgres", "aws", "simulator", *services, "metrics"]
    assert names(own_database=False, own_emulator=False, own_platforms=False) == services


def test_every_server_listens_on_the_loopback_alone() -> None:
    for program in programs_of(Path("/h"), PORTS, True, True, True):
        text = f"{shlex.join(program.command)} {program.environment}"
        assert "0.0.0.0" not in text  # noqa: S104
        if program.name in ("webhook", "console", "aws"):
            assert "127.0.0.1" in text


def test_the_configuration_opens_no_port_and_holds_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_SECRET_KEY", "the-secret")
    programs = programs_of(tmp_path, PORTS, True, True, True)

    text = configuration(programs, tmp_path, tmp_path / "s")

    assert "inet_http_server" not in text
    assert "the-secret" not in text


def test_awkward_values_reach_the_program_as_they_are(tmp_path: Path) -> None:
    home = tmp_path / "100% ours"
    command = ("/bin/echo", "a b", "50%", '"quoted"')
    program = Program("odd", command, Wave.SERVICE, environment={"RATE": "50%,x"})

    section = parsed([program], home)["program:odd"]

    assert shlex.split(section["command"]) == list(command)
    assert section["environment"] == 'RATE="50%,x"'
    assert section["stdout_logfile"] == f"{home}/logs/odd.log"
    assert section["autorestart"] == "true"


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    (tmp_path / "logs").mkdir()
    programs = [
        Program("sleeper", SLEEP, Wave.SERVICE),
        Program("failing", (sys.executable, "-c", "raise SystemExit(7)"), Wave.SERVICE),
    ]
    supervisor = Supervisor(programs, tmp_path)
    wait_until(supervisor.is_up)
    yield supervisor
    supervisor.shut_down(10)


def state(supervisor: Supervisor, name: str) -> State:
    return next(each for each in supervisor.states() if each.name == name)


def test_nothing_starts_by_itself(supervisor: Supervisor) -> None:
    assert {each.state for each in supervisor.states()} == {"STOPPED"}


def test_a_killed_program_is_named_and_started_again(supervisor: Supervisor) -> None:
    supervisor.start("sleeper")
    wait_until(lambda: state(supervisor, "sleeper").state == "RUNNING")
    first = state(supervisor, "sleeper").process_id

    os.kill(first, signal.SIGKILL)

    wait_until(lambda: state(supervisor, "sleeper").process_id not in (0, first))
    (exit_,) = supervisor.exits()
    assert (exit_.name, exit_.reason) == ("sleeper", "signal 9")
    assert list(supervisor.exits()) == []


def test_a_program_that_cannot_start_is_tried_again(supervisor: Supervisor) -> None:
    supervisor.start("failing")

    seen: list[Exit] = []

    def has_died_twice() -> bool:
        seen.extend(supervisor.exits())
        return len(seen) >= 2

    wait_until(has_died_twice)
    assert {(each.name, each.reason) for each in seen} == {("failing", "exit code 7")}


def test_stopping_is_no_death(supervisor: Supervisor) -> None:
    supervisor.start("sleeper")
    wait_until(lambda: state(supervisor, "sleeper").state == "RUNNING")

    supervisor.stop("sleeper")
    supervisor.stop("failing")

    wait_until(lambda: state(supervisor, "sleeper").state == "STOPPED")
    assert list(supervisor.exits()) == []


def test_shutting_down_leaves_no_process(supervisor: Supervisor) -> None:
    supervisor.start("sleeper")
    wait_until(lambda: state(supervisor, "sleeper").state == "RUNNING")
    process_id = state(supervisor, "sleeper").process_id

    supervisor.shut_down(20)

    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)


def test_exits_are_read_from_the_log() -> None:
    log = (
        "2026-11-24 06:40:02,250 INFO spawned: 'aws' with pid 1\n"
        "2026-11-24 06:40:02,500 WARN exited: aws (terminated by SIGKILL; not expected)\n"
        "2026-11-24 06:40:03,000 WARN exited: llm (exit status 1; not expected)\n"
        "2026-11-24 06:40:04,000 INFO stopped: llm (exit status 0)\n"
    )

    first, second = exits_in(log)

    assert (first.name, first.reason) == ("aws", "signal 9")
    assert (second.name, second.reason) == ("llm", "exit code 1")
    assert second.at - first.at == pytest.approx(0.5)


class Follower:
    """A watch over one program whose health and clock the test sets."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.mended: list[str] = []
        self.is_well = True
        self.now = 100.0
        program = Program("llm", SLEEP, Wave.MODEL, lambda: self.is_well)
        self.watch = Watch([program], self.lines.append, self.mended.append, lambda: self.now)

    def look(self, *exits: Exit, state: str = "RUNNING") -> None:
        self.watch.look([State("llm", state, 1)], exits)


def test_nothing_is_told_while_nothing_dies() -> None:
    follower = Follower()

    follower.look()

    assert follower.lines == []


def test_a_death_is_told_once_it_is_mended() -> None:
    follower = Follower()
    follower.is_well = False
    follower.look(Exit("llm", "signal 9", at=100.0))
    assert follower.lines == []

    follower.is_well, follower.now = True, 102.1
    follower.look()
    follower.look()

    assert follower.lines == ["llm died (signal 9), restarted, healthy again after 2.1 s"]
    assert follower.mended == ["llm"]


def test_one_that_keeps_dying_is_told_once_and_counted() -> None:
    follower = Follower()
    follower.is_well = False
    for second in range(0, 30, 10):
        follower.now = 100.0 + second
        follower.look(Exit("llm", "exit code 1", at=follower.now), state="BACKOFF")
    assert follower.lines == ["llm died (exit code 1) and is not healthy yet: see its log"]

    follower.is_well, follower.now = True, 130.0
    follower.look()

    assert follower.lines[1] == "llm died 3 times (exit code 1), restarted, healthy again after 30.0 s"


def test_a_stopped_program_is_not_well_whatever_answers_at_its_address() -> None:
    follower = Follower()

    follower.look(Exit("llm", "signal 9", at=100.0), state="EXITED")

    assert follower.lines == []
