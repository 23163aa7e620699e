"""The whole system as `make run` starts it, in a folder and on ports of its own: for tests and benchmarks.

`with RunningStack() as stack:` waits until `make run` says that it runs, and stops it as Ctrl-C does. What
the user's environment and `.env` say of databases, queues and models has no part in it; settings given as
keywords have. The simulator is started only where HUB_PLATFORMS="simulator" asks for it.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

import psutil

from infra.local.environment import LOOPBACK, ROOT
from infra.local.stack_env import emulator_values

START_TIMEOUT_SECONDS = 180
STOP_TIMEOUT_SECONDS = 60
MANAGE_TIMEOUT_SECONDS = 60
LOOK_SECONDS = 0.1
_READY = "Ctrl-C stops everything."
_PORTS = ("HUB_CONSOLE_PORT", "HUB_WEBHOOK_PORT", "HUB_LLM_PORT", "HUB_AWS_PORT")
# Set but empty, so that `.env` cannot fill them either: the stack makes or starts its own.
_EMPTY = (
    *("DATABASE_URL", "AWS_ENDPOINT_URL", "HUB_STORAGE_BUCKET", "HUB_QUEUE_PREFIX"),
    *("HUB_CONSOLE_URL", "HUB_WEBHOOK_URL", "HUB_LLM_URL", "HUB_LLM_MODEL"),
)


class StackFailed(Exception):
    """The stack, or a command run against it, did not do what it should; the text holds its output."""


class RunningStack:
    """One run of the system. Everything but `manage` and `process` is set once it is entered."""

    home: Path
    """Its HUB_HOME: logs, data, stack.env. Removed at the end."""
    console_url: str
    webhook_url: str
    llm_url: str
    aws_url: str
    chat_url: str
    """The chat page of the demo organization."""
    simulator_url: str
    """The simulator's page; empty where there is none."""
    admin_email: str
    admin_password: str

    def __init__(self, **settings: str) -> None:
        self._settings = settings
        self._resources = ExitStack()
        self._environment: dict[str, str] = {}
        self._seen: dict[int, psutil.Process] = {}

    def __enter__(self) -> "RunningStack":
        folder = Path(tempfile.mkdtemp(prefix="hub-stack-"))
        self._resources.callback(shutil.rmtree, folder, ignore_errors=True)
        self.home = folder / "hub"
        ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
        self.console_url, self.webhook_url, self.llm_url, self.aws_url = (
            f"http://{LOOPBACK}:{port}" for port in ports.values()
        )
        self._environment = _environment(self.home, ports) | self._settings
        self._output = folder / "output.txt"
        with self._output.open("w") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "infra.local.stack"],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C for the tests stops it by way of __exit__, once
            )
        try:
            self._wait_until_it_runs()
        except BaseException:
            with self._resources:
                self._kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._resources:
            self._stop()

    # --- what a test or a benchmark does ---

    def manage(self, *arguments: str, **environment: str) -> str:
        """What `manage.py` prints when it is run against this stack, as in another shell."""
        result = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self._environment | emulator_values(_port_of(self.aws_url)) | environment,
            capture_output=True,
            text=True,
            timeout=MANAGE_TIMEOUT_SECONDS,
            check=False,
        )
        if result.returncode:
            raise StackFailed(f"manage.py {arguments[0]} failed: {result.stderr or result.stdout}")
        return result.stdout

    def process(self, module: str) -> psutil.Process:
        """The process that runs `python -m <module>` (the oldest of them: its workers are forks of it)."""
        found = [each for each in self._processes() if module in _command_of(each)]
        if not found:
            raise StackFailed(f"no process runs {module}:\n{self.output}")
        return min(found, key=lambda each: each.create_time())

    @property
    def output(self) -> str:
        """What `make run` has printed until now."""
        return self._output.read_text(errors="replace")

    # --- from start to stop ---

    def _wait_until_it_runs(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while _READY not in self.output:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise StackFailed(f"make run did not get up:\n{self.output}")
            time.sleep(LOOK_SECONDS)
        self.chat_url = self._printed(r"Chat page +(\S+)")
        is_simulated = self._environment["HUB_PLATFORMS"] == "simulator"
        self.simulator_url = self._printed(r"Simulator +(\S+)") if is_simulated else ""
        self.admin_email = self._printed(r"Login +([^,]+),")
        self.admin_password = self._printed(r"password (\S+)")

    def _printed(self, pattern: str) -> str:
        found = re.search(pattern, self.output)
        if found is None:
            raise StackFailed(f"make run did not print {pattern!r}:\n{self.output}")
        return found[1]

    def _stop(self) -> None:
        self._processes()
        self._process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_TIMEOUT_SECONDS)
        left = [" ".join(_command_of(each)) for each in self._seen.values() if _is_alive(each)]
        code = self._process.poll()
        self._kill()
        if left or code != 0:
            raise StackFailed(f"make run ended with {code} and left {left or 'no process'}:\n{self.output}")

    def _processes(self) -> Iterable[psutil.Process]:
        """Everything that runs below `make run` now; remembered, for an orphan is nobody's child."""
        with suppress(psutil.NoSuchProcess):
            found = psutil.Process(self._process.pid).children(recursive=True)
            self._seen |= {each.pid: each for each in found}
        return [each for each in self._seen.values() if _is_alive(each)]

    def _kill(self) -> None:
        self._processes()
        self._process.kill()
        self._process.wait()
        for each in self._seen.values():
            with suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(self._seen.values(), timeout=10)


def free_ports(count: int) -> list[int]:
    """Ports on the loopback that nobody listens on."""
    with ExitStack() as probes:
        sockets = [probes.enter_context(socket.socket()) for _ in range(count)]
        for probe in sockets:
            probe.bind((LOOPBACK, 0))
        return [probe.getsockname()[1] for probe in sockets]


def _environment(home: Path, ports: dict[str, int]) -> dict[str, str]:
    own = ("HUB_", "AWS_", "DJANGO_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    numbers = {name: str(port) for name, port in ports.items()}
    return kept | dict.fromkeys(_EMPTY, "") | {"HUB_HOME": str(home), "HUB_PLATFORMS": "real"} | numbers


def _port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def _is_alive(process: psutil.Process) -> bool:
    """A zombie is not: it ended, and waits for whoever inherited it."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
