"""What a stage on this machine stands on: an emulator of AWS, a database and llm_api. They stay when a deploy
ends, so that the next one, or a rollback, finds the stage as it was; `make stop STAGE=…` ends them, and with
them the stage."""

import json
import os
import secrets
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil

from hub_lambdas.sentences import stored
from infra.deployment.errors import StageError
from infra.deployment.stage import Emulator, Stage
from infra.local.environment import ROOT, Ports, home_of
from infra.local.postgres import socket_folder, url_of
from infra.local.programs import Program, Wave, aws, llm, postgres
from infra.local.stack_env import emulator_values

START_TIMEOUT_SECONDS = 120
STOP_TIMEOUT_SECONDS = 15


class Ground:
    """The programs under one emulated stage. `environment`: what they are told besides, such as
    HUB_LLM_URL."""

    def __init__(self, stage: Stage, emulator: Emulator, environment: Mapping[str, str] = os.environ) -> None:
        self._home = home_of(environment) / "stages" / stage.name
        # The functions inherit what the emulator is told: nothing that they should have of the secret.
        self._environment = {name: value for name, value in environment.items() if not _is_of_the_hub(name)}
        of_llm = {name: value for name, value in environment.items() if name.startswith("HUB_LLM_")}
        ports = Ports(console=0, webhook=0, llm=emulator.llm_port, aws=emulator.port, simulator=0)
        told = {
            **emulator_values(emulator.port),
            "HUB_LLM_TOKEN": secrets.token_urlsafe(),  # nobody asks it by HTTP
            **of_llm,
            "HUB_HOME": str(self._home),
            "HUB_QUEUE_PREFIX": stage.queue_prefix,
            "HUB_LLM_PORT": str(emulator.llm_port),
        }
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        self._programs = [
            replace(postgres(self._home), environment={"HUB_HOME": str(self._home)}),
            _whole_aws(self._home, ports),
            replace(llm(ports), environment=told),
        ]

    @property
    def database_url(self) -> str:
        return url_of(socket_folder(self._home))

    def is_up(self) -> bool:
        """Whether anything of it runs."""
        return bool(self._running())

    def start(self) -> list[str]:
        """Start what does not run, and wait until the stores among it are well; which those were. llm_api is
        well only once its queue is there. Raises StageError."""
        (self._home / "logs").mkdir(mode=0o700, parents=True, exist_ok=True)
        running = self._running()
        started = [program for program in self._programs if program.name not in running]
        for program in started:
            running[program.name] = self._start(program)
            self._note(running)
        for program in started:
            if program.wave == Wave.STORE:
                self._wait_until_well(program, running[program.name])
        return [program.name for program in started]

    def stop(self) -> list[str]:
        """Stop what runs, the stores last; which those were."""
        processes = self._running()
        for process in reversed(processes.values()):
            process.terminate()
            with suppress(psutil.TimeoutExpired):
                process.wait(STOP_TIMEOUT_SECONDS)
        for child in self._started.values():
            child.poll()
        self._file.unlink(missing_ok=True)
        return [*processes]

    @property
    def _file(self) -> Path:
        return self._home / "processes.json"

    def _start(self, program: Program) -> psutil.Process:
        log = (self._home / "logs" / f"{program.name}.log").open("a")
        with log:
            self._started[program.name] = subprocess.Popen(  # noqa: S603 - our own arguments
                program.command,
                cwd=ROOT,
                env={**self._environment, **program.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return psutil.Process(self._started[program.name].pid)

    def _wait_until_well(self, program: Program, process: psutil.Process) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not _is_well(program):
            if process.status() == psutil.STATUS_ZOMBIE or time.monotonic() > deadline:
                log = f"{self._home / 'logs'}/{program.name}.log"
                raise StageError(
                    stored("%(program)s does not start: see %(log)s.", program=program.name, log=log)
                )
            time.sleep(0.1)

    def _note(self, running: Mapping[str, psutil.Process]) -> None:
        self._file.write_text(
            json.dumps({name: [process.pid, process.create_time()] for name, process in running.items()})
        )

    def _running(self) -> dict[str, psutil.Process]:
        return dict(self._noted())

    def _noted(self) -> Iterator[tuple[str, psutil.Process]]:
        """Those that the file names, where the process is still the one that was started."""
        noted = json.loads(self._file.read_text()) if self._file.exists() else {}
        for name, (process_id, created) in noted.items():
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(process_id)
                if process.create_time() == created and process.status() != psutil.STATUS_ZOMBIE:
                    yield name, process


def _is_of_the_hub(name: str) -> bool:
    return name.startswith(("HUB_", "AWS_")) or name in ("DATABASE_URL", "DJANGO_SETTINGS_MODULE")


def _whole_aws(home: Path, ports: Ports) -> Program:
    """The emulator with all that a deploy needs, and without a memory of its own: a stage that it has
    forgotten is deployed anew."""
    program = aws(home, ports)
    environment = {**program.environment, "SERVICES": "", "PERSIST_STATE": "0", "S3_PERSIST": "0"}
    return replace(program, environment=environment)


def _is_well(program: Program) -> bool:
    return program.is_well is not None and program.is_well()
