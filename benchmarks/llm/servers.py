"""The servers that are compared, each as a process of its own on a free port of the loopback."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Literal

import httpx
import psutil

from benchmarks.llm.llama_server import SETTINGS, llama_server_command

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
TOKEN = "benchmark"  # noqa: S105 - of servers that only this process can reach
START_SECONDS = 120.0
STOP_SECONDS = 10.0
HOME = ".hub"  # what HUB_HOME is by default
LOOK_SECONDS = 0.1
MEMORY_SECONDS = 0.25
SHOWN_LOG_CHARACTERS = 2000
# `python -m llm_api` with an empty folder for the repository, whose .env has no part in this.
OURS = "import sys, pathlib; from llm_api.__main__ import main; sys.exit(main(pathlib.Path('.')))"


class ServerFailed(Exception):
    """A server did not start or broke off; the text has the end of its log."""


@dataclass(frozen=True)
class Kind:
    """How to start a server. `command` and `environment` are given (model, port, threads).

    `computed` reads the prompt tokens that it computed from its log, where its answers do not tell them. A
    serial server answers one request after the other. `weights` is the file that it computes with, where that
    is not the model's; `home` is what its HUB_HOME begins with.
    """

    name: str
    side: Literal["ours", "packaged", "llama-server"]
    command: Callable[[Path, int, int], Sequence[str]]
    environment: Callable[[Path, int, int], Mapping[str, str]] = field(
        default=lambda model, port, threads: {}
    )
    computed: Callable[[str], int] | None = None
    is_serial: bool = False
    weights: Path | None = None
    home: Path | None = None


class Server:
    """One run of a server, with nothing in its memory. `peak_bytes`: the most memory it has had (RSS)."""

    def __init__(self, kind: Kind, model: Path, threads: int, folder: Path) -> None:
        self.kind = kind
        self.peak_bytes = 0
        self._port = _free_port()
        self.url = f"http://{HOST}:{self._port}"
        self._command = kind.command(model, self._port, threads)
        self._environment = {**_clean_environment(), **kind.environment(model, self._port, threads)}
        self._folder = folder
        self._log = folder / "log"
        self._is_over = Event()

    def __enter__(self) -> "Server":
        self._folder.mkdir(parents=True)
        if self.kind.home:
            shutil.copytree(self.kind.home, self._folder / HOME, copy_function=os.link)
        self._process = self._start()
        self._watching = Thread(target=self._watch_memory, daemon=True)
        self._watching.start()
        try:
            self._wait_until_ready()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("wb") as log:
            try:
                return subprocess.Popen(
                    self._command,
                    cwd=self._folder,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C is for the benchmark, which ends it
                )
            except FileNotFoundError:
                raise ServerFailed(f"{self.kind.name} is not installed: make bench-llm does that.") from None

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def cpu_seconds(self) -> float:
        """The processor time that it has used."""
        times = [each.cpu_times() for each in self._family()]
        return sum(each.user + each.system for each in times)

    def _family(self) -> Sequence[psutil.Process]:
        process = psutil.Process(self._process.pid)
        return [process, *process.children(recursive=True)]

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        headers = {"Authorization": f"Bearer {TOKEN}"}
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            with suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/v1/models", headers=headers).is_success:
                    return
            time.sleep(LOOK_SECONDS)
        raise ServerFailed(f"{self.kind.name} did not start:\n{self.log[-SHOWN_LOG_CHARACTERS:]}")

    def _watch_memory(self) -> None:
        while not self._is_over.wait(MEMORY_SECONDS):
            with suppress(psutil.NoSuchProcess):
                resident = sum(each.memory_info().rss for each in self._family())
                self.peak_bytes = max(self.peak_bytes, resident)

    def _stop(self) -> None:
        self._is_over.set()
        self._watching.join()
        for number in (signal.SIGTERM, signal.SIGKILL):
            self._process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
                return


def _ours_environment(model: Path, port: int, threads: int) -> Mapping[str, str]:
    nowhere = f"http://{HOST}:9"  # no queue: only /v1 is used
    return {
        "HUB_LLM_MODEL": str(model),
        "HUB_LLM_TOKEN": TOKEN,
        "HUB_LLM_PORT": str(port),
        "HUB_LLM_THREADS": str(threads),
        "AWS_ENDPOINT_URL": nowhere,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
    }


def _packaged_command(model: Path, port: int, threads: int) -> Sequence[str]:
    options = f"--host {HOST} --port {port} --n_ctx 4096 --n_threads {threads} --n_threads_batch {threads}"
    program = [sys.executable, "-m", "llama_cpp.server"]
    return [*program, "--model", str(model), *options.split(), "--logits_all", "False"]


def _packaged_computed(log: str) -> int:
    """It tells this of each prompt that begins as the one before it did: of all, by the chat template."""
    return sum(int(found) for found in re.findall(r"remaining (\d+) prompt tokens to eval", log))


def _llama_server(settings: str) -> Callable[[Path, int, int], Sequence[str]]:
    return lambda model, port, threads: llama_server_command(model, HOST, port, threads, settings)


OURS_KIND = Kind("ours", "ours", lambda *_: [sys.executable, "-c", OURS], _ours_environment)
PACKAGED_KIND = Kind(
    "llama_cpp.server", "packaged", _packaged_command, computed=_packaged_computed, is_serial=True
)
LLAMA_SERVER_KIND = Kind("llama-server", "llama-server", _llama_server(SETTINGS))


def kinds(checkout: Path = ROOT, llama_server_settings: str = SETTINGS) -> Sequence[Kind]:
    """All three, ours from the checkout that is given."""

    def environment(model: Path, port: int, threads: int) -> Mapping[str, str]:
        return {**_ours_environment(model, port, threads), "PYTHONPATH": str(checkout)}

    return (
        replace(OURS_KIND, environment=environment),
        PACKAGED_KIND,
        replace(LLAMA_SERVER_KIND, command=_llama_server(llama_server_settings)),
    )


def _clean_environment() -> dict[str, str]:
    """This process's environment without settings of the hub or AWS."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "AWS_"))}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])
