"""supervisord, which keeps the programs of the stack: its configuration, and orders to it over its unix
socket."""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import SupervisorTransport  # type: ignore[import-untyped]

from infra.local.environment import ROOT
from infra.local.errors import ProgramError
from infra.local.processes import follow_parent
from infra.local.programs import Program

# A program that ends sooner than this has not started; supervisord then waits a second longer before each new
# try.
START_SECONDS = 2
SOCKET_PATH_BYTES = 90  # supervisord binds a longer name first; sun_path in unix(7) holds 108
STOPPED_STATES = {"STOPPED", "EXITED", "FATAL"}
_EXIT = re.compile(
    r"^(?P<time>[-\d]+ [:\d]+),(?P<millis>\d+) \w+ exited: (?P<name>\w+) "
    r"\((?:terminated by (?P<signal>\w+)|exit status (?P<code>-?\d+))",
    re.MULTILINE,
)


@dataclass(frozen=True)
class State:
    """What supervisord says about a program. `process_id` is 0 while there is no process."""

    name: str
    state: str
    process_id: int


@dataclass(frozen=True)
class Exit:
    """A program ended: how ("signal 9", "exit code 1") and when (as time.time())."""

    name: str
    reason: str
    at: float


def configuration(programs: Iterable[Program], home: Path, socket: Path) -> str:
    """The text of supervisord's configuration. It holds no secret: programs inherit the environment."""
    user = "user=root\n" if os.geteuid() == 0 else ""
    head = f"""\
[supervisord]
nodaemon=true
silent=true
{user}logfile={_value(home / "logs" / "supervisord.log")}
logfile_maxbytes=10MB
logfile_backups=1
pidfile={_value(home / "supervisord.pid")}
childlogdir={_value(home / "logs")}

[unix_http_server]
file={_value(socket)}
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
    return head + "".join(_section(program, home) for program in programs)


def _section(program: Program, home: Path) -> str:
    environment = ",".join(f'{name}="{_value(value)}"' for name, value in program.environment.items())
    return f"""
[program:{program.name}]
command={_value(shlex.join(program.command))}
environment={environment}
directory={_value(ROOT)}
priority={program.wave}
autostart=false
autorestart=true
startsecs={START_SECONDS}
startretries=1000000
stopsignal={program.stop_signal}
stopwaitsecs={program.stop_wait_seconds}
killasgroup=true
redirect_stderr=true
stdout_logfile={_value(log_of(program.name, home))}
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""


def log_of(name: str, home: Path) -> Path:
    """Where the output of a program goes."""
    return home / "logs" / f"{name}.log"


def _value(value: object) -> str:
    return str(value).replace("%", "%%")


def _socket(home: Path) -> Path:
    path = home / "supervisord.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
        return path
    return Path(tempfile.mkdtemp(prefix="channels-hub-"), "s")


class Supervisor:
    """A supervisord of our own. It goes when this process goes, however it goes."""

    def __init__(self, programs: list[Program], home: Path) -> None:
        self._log = home / "logs" / "supervisord.log"
        self._log_offset = self._log.stat().st_size if self._log.exists() else 0
        socket = _socket(home)
        socket.unlink(missing_ok=True)
        config = home / "supervisord.conf"
        config.write_text(configuration(programs, home, socket))
        self._transport: Any = SupervisorTransport(None, None, f"unix://{socket}")
        self._server = xmlrpc.client.ServerProxy("http://supervisord", transport=self._transport)
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(config)],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is ours alone: the order in which programs stop matters
            preexec_fn=partial(follow_parent, os.getpid()),
        )

    def start(self, name: str) -> None:
        self._call("startProcess", name, False)

    def stop(self, name: str) -> None:
        with contextlib.suppress(xmlrpc.client.Fault):  # it runs no more
            self._call("stopProcess", name, False)

    def states(self) -> list[State]:
        found: Any = self._call("getAllProcessInfo")
        return [State(each["name"], each["statename"], each["pid"]) for each in found]

    def is_up(self) -> bool:
        """Whether it takes orders; raises where it ended."""
        try:
            self.states()
        except ProgramError:
            if self._process.poll() is not None:
                raise
            return False
        return True

    def exits(self) -> Iterator[Exit]:
        """The programs that ended since the last call, unasked."""
        with contextlib.suppress(FileNotFoundError):
            if self._log.stat().st_size < self._log_offset:  # rotated
                self._log_offset = 0
            with self._log.open(errors="replace") as log:
                log.seek(self._log_offset)
                text = log.read()
                self._log_offset = log.tell()
            yield from exits_in(text)

    def shut_down(self, timeout_seconds: float) -> None:
        """End supervisord, and with it whatever still runs under it."""
        with contextlib.suppress(ProgramError):
            self._call("shutdown")
        self._transport.close()
        try:
            self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _call(self, method: str, *arguments: object) -> object:
        try:
            return getattr(self._server.supervisor, method)(*arguments)
        except xmlrpc.client.Fault:
            raise
        except (OSError, HTTPException, xmlrpc.client.Error) as error:
            self._transport.close()  # a connection that failed stays unusable
            raise ProgramError(f"supervisord does not answer: see {self._log}.") from error


def exits_in(text: str) -> Iterator[Exit]:
    """The exits that lines of supervisord's log tell of."""
    for match in _EXIT.finditer(text):
        at = time.mktime(time.strptime(match["time"], "%Y-%m-%d %H:%M:%S")) + int(match["millis"]) / 1000
        yield Exit(match["name"], _reason(match), at)


def _reason(match: re.Match[str]) -> str:
    if name := match["signal"]:
        return f"signal {signal.Signals[name].value}" if name in signal.Signals.__members__ else name
    return f"exit code {match['code']}"
