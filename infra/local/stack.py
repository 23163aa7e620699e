"""`make run`: channels-hub on this machine, until Ctrl-C.

Checks come first, so that a mistake costs a sentence and no half-started stack; then the stores and the
model, what lies between (infra.local.prepare) and the services. It ends with everything that it started.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Never

from infra.local.checks import check_model, check_ports
from infra.local.environment import (
    LOOPBACK,
    PORT_SETTINGS,
    ROOT,
    Ports,
    home_of,
    load_env_file,
    load_environment,
    ports_of,
)
from infra.local.errors import ProgramError, StackError
from infra.local.platforms import are_simulated, simulator_url, simulator_values
from infra.local.postgres import socket_folder, url_of
from infra.local.programs import Program, Wave, programs_of
from infra.local.progress import CHAT_MARK, Progress
from infra.local.stack_env import emulator_values, write_stack_env
from infra.local.supervision import STOPPED_STATES, State, Supervisor, log_of
from infra.local.watch import Watch

LOOK_SECONDS = 0.5
START_TIMEOUT_SECONDS = 300
STOP_TIMEOUT_SECONDS = 10
DEATHS_BEFORE_GIVING_UP = 3
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """Ctrl-C, or another signal to stop."""


class Stack:
    """The programs of one run, from the first start to the last stop."""

    def __init__(self, programs: list[Program], home: Path, progress: Progress) -> None:
        self.programs = programs
        self.home = home
        self.progress = progress
        self.chat_pages: list[str] = []
        self.process_ids: dict[str, int] = {}
        self.supervisor = Supervisor(programs, home)
        self.watch = Watch(programs, progress.say, self._mend)

    def start(self) -> None:
        """Start everything in its order and wait until all of it is well."""
        self._wait_for_supervisor()
        stores, models, services = (self._of(wave) for wave in Wave)
        for program in stores + models:
            self.supervisor.start(program.name)
        self._wait_until_well(stores)
        self._prepare()
        for program in services:
            self.supervisor.start(program.name)
        self._wait_until_well(models + services)

    def keep(self) -> Never:
        """Watch until somebody stops us."""
        while True:
            time.sleep(LOOK_SECONDS)
            self._look()

    def stop(self) -> None:
        """Stop everything, the stores last; nothing of it is left."""
        try:
            self._stop_programs([program for program in self.programs if program.wave != Wave.STORE])
            self._stop_programs(self._of(Wave.STORE))
        except ProgramError:
            self._kill_orphans()
        self.supervisor.shut_down(STOP_TIMEOUT_SECONDS)

    def _of(self, wave: Wave) -> list[Program]:
        return [program for program in self.programs if program.wave == wave]

    def _wait_for_supervisor(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self.supervisor.is_up() and time.monotonic() < deadline:
            time.sleep(0.05)

    def _look(self) -> list[State]:
        states = self.supervisor.states()
        self.process_ids = {state.name: state.process_id for state in states if state.process_id}
        self.watch.look(states, self.supervisor.exits())
        return states

    def _wait_until_well(self, programs: Iterable[Program]) -> None:
        waiting = {program.name for program in programs}
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while waiting:
            for state in self._look():
                if state.name in waiting and self.watch.is_well(state):
                    waiting.remove(state.name)
                    self.progress.say(f"{state.name} ready")
            self._give_up_on_what_dies()
            if time.monotonic() > deadline:
                raise ProgramError(self._failure(min(waiting), f"not ready after {START_TIMEOUT_SECONDS} s"))
            time.sleep(0.1)

    def _give_up_on_what_dies(self) -> None:
        for name, fall in self.watch.falls.items():
            if fall.deaths >= DEATHS_BEFORE_GIVING_UP:
                raise ProgramError(self._failure(name, fall.reason))

    def _failure(self, name: str, reason: str) -> str:
        """A sentence with the last that a program said, where its log tells more."""
        log = log_of(name, self.home)
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        last = next((line.strip() for line in reversed(lines) if len(line.strip()) > 1), "nothing")
        return f"{name} failed ({reason}), its last words in {shown(log)}: {last}"

    def _prepare(self) -> None:
        """Run infra.local.prepare, whose lines say what is done."""
        log = log_of("prepare", self.home)
        command = [sys.executable, "-m", "infra.local.prepare"]
        with (
            log.open("w") as errors,
            subprocess.Popen(  # noqa: S603
                command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
            ) as process,
        ):
            try:
                for line in process.stdout or ():
                    self._take_line(line.strip())
            finally:
                if process.poll() is None and sys.exc_info()[0]:
                    process.kill()
        if process.returncode:
            raise ProgramError(self._failure("prepare", f"exit code {process.returncode}"))

    def _take_line(self, line: str) -> None:
        if line.startswith(CHAT_MARK):
            self.chat_pages.append(line.removeprefix(CHAT_MARK))
        else:
            self.progress.say(line)

    def _mend(self, name: str) -> None:
        """The emulator of AWS forgets its queues when it dies."""
        if name == "aws":
            with log_of("prepare", self.home).open("a") as log:
                command = [sys.executable, "-m", "infra.local.queues"]
                subprocess.run(command, cwd=ROOT, stdout=log, stderr=log, timeout=60, check=False)  # noqa: S603

    def _stop_programs(self, programs: list[Program]) -> None:
        names = {program.name for program in programs}
        for name in names:
            self.supervisor.stop(name)
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            states = self.supervisor.states()
            if all(state.state in STOPPED_STATES for state in states if state.name in names):
                return
            time.sleep(0.1)

    def _kill_orphans(self) -> None:
        """supervisord died: end what ran under it. Each program leads a process group of its own."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process_id in self.process_ids.values():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process_id, number)
            time.sleep(2)


def run() -> None:
    """The whole of `make run`."""
    progress = Progress()
    load_env_file()
    own_database = "DATABASE_URL" not in os.environ
    own_emulator = "AWS_ENDPOINT_URL" not in os.environ
    own_platforms = are_simulated(os.environ)
    home, ports = home_of(os.environ), ports_of(os.environ)
    for folder in (home, home / "logs"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with only_one(home):
        unused = {"HUB_AWS_PORT": not own_emulator, "HUB_SIMULATOR_PORT": not own_platforms}
        check_ports({name: port for name, port in named(ports).items() if not unused.get(name)})
        check_model(os.environ)
        set_environment(home, ports, own_database, own_emulator, own_platforms)
        for number in _SIGNALS:
            signal.signal(number, _stop)
        programs = programs_of(home, ports, own_database, own_emulator, own_platforms)
        stack = Stack(programs, home, progress)
        try:
            stack.start()
            progress.show(summary(home, ports, stack.chat_pages, own_platforms))
            stack.keep()
        except Stopped:
            progress.say("stopping")
        finally:
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_IGN)  # what stops is not stopped half-way
            stack.stop()
            progress.say("stopped")


def named(ports: Ports) -> dict[str, int]:
    """The ports by the names of their settings."""
    return dict(zip(PORT_SETTINGS, astuple(ports), strict=True))


def set_environment(
    home: Path, ports: Ports, own_database: bool, own_emulator: bool, own_platforms: bool
) -> None:
    """Make this process' environment what every program of the stack gets."""
    emulator = emulator_values(ports.aws) if own_emulator else {}
    # Those of the simulator only complete it: what the user has set wins, one by one.
    platforms = simulator_values(ports.simulator) if own_platforms else {}
    write_stack_env(home / "stack.env", {**emulator, **platforms})
    if own_emulator:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
            os.environ.pop(name, None)
    os.environ.update(emulator)
    load_environment()
    os.environ["HUB_HOME"] = str(home)
    os.environ["PYTHONUNBUFFERED"] = "1"
    for name in ("no_proxy", "NO_PROXY"):
        hosts = [os.environ.get(name, ""), LOOPBACK, "localhost"]
        os.environ[name] = ",".join(host for host in hosts if host)
    if own_database:
        # Known before the server runs, so that a program which starts while it is down starts none of its
        # own.
        os.environ["DATABASE_URL"] = url_of(socket_folder(home))


@contextlib.contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Hold the home, which two stacks cannot share."""
    with (home / "stack.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise StackError(
                f"channels-hub runs in {shown(home)} already (process {lock.read().strip() or 'unknown'}): "
                "stop it there with Ctrl-C, or set HUB_HOME and the ports for a second one."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def summary(home: Path, ports: Ports, chat_pages: Iterable[str], own_platforms: bool) -> str:
    """The block that a successful start ends with."""
    console = os.environ.get("HUB_CONSOLE_URL") or f"http://{LOOPBACK}:{ports.console}"
    lines = [
        "",
        "channels-hub runs",
        f"  Console    {console}/",
        f"  Login      admin@example.com, password {os.environ['HUB_ADMIN_PASSWORD']} (from the first run)",
        *([f"  Simulator  {simulator_url(ports.simulator)}/  (write as a contact)"] * own_platforms),
        *(f"  Chat page  {page}" for page in chat_pages),
        f"  LLM        http://{LOOPBACK}:{ports.llm}/stats",
        f"  Logs       {shown(home / 'logs')}",
        f"  Data       {shown(home)}",
        "  Ctrl-C stops everything.",
        "",
    ]
    return "\n".join(lines)


def shown(path: Path) -> str:
    """A path as the reader would type it: from the repository root where it lies below."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _stop(_number: int, _frame: object) -> None:
    raise Stopped


if __name__ == "__main__":
    try:
        run()
    except StackError as problem:
        sys.exit(str(problem))
    except Stopped:
        sys.exit(1)
