"""The programs of the stack: how each is started, how it is known to be well, how it is stopped."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial
from pathlib import Path

from infra.local.environment import LOOPBACK, Ports
from infra.local.health import answers
from infra.local.platforms import SIMULATOR_FOLDER
from infra.local.postgres import is_ready


class Wave(IntEnum):
    """What a program stands on: the lower waves start first and stop last."""

    STORE = 0
    MODEL = 1
    SERVICE = 2


@dataclass(frozen=True)
class Program:
    """One process that the supervisor keeps. Without an `is_well` it is well while it runs."""

    name: str
    command: tuple[str, ...]
    wave: Wave
    is_well: Callable[[], bool] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = "TERM"
    stop_wait_seconds: int = 8


def programs_of(
    home: Path, ports: Ports, own_database: bool, own_emulator: bool, own_platforms: bool
) -> list[Program]:
    """The programs of this start, in the order in which they start."""
    programs = [llm(ports), lambdas(), webhook(ports), console(ports)]
    programs += [worker("worker", "console-jobs", "--beat"), worker("deploys", "deploys")]
    if own_platforms:
        programs.insert(0, simulator(home, ports))
    if own_emulator:
        programs.insert(0, aws(home, ports))
        programs.append(metrics())
    if own_database:
        programs.insert(0, postgres(home))
    return programs


def postgres(home: Path) -> Program:
    # SIGINT is Postgres' fast shutdown: it does not wait for clients.
    command = (sys.executable, "-m", "infra.local.postgres")
    return Program("postgres", command, Wave.STORE, partial(is_ready, home), stop_signal="INT")


def aws(home: Path, ports: Ports) -> Program:
    environment = {
        "BIND_HOST": LOOPBACK,
        "MINISTACK_HOST": LOOPBACK,
        "GATEWAY_PORT": str(ports.aws),
        "SERVICES": "sqs,s3,cloudformation,cloudwatch",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        # Its state is written when it stops and read when it starts: messages outlive Ctrl-C, not kill -9.
        "PERSIST_STATE": "1",
        "STATE_DIR": str(aws_state_folder(home)),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(home / "aws" / "s3"),
    }
    is_well = answering(ports.aws, "/_ministack/ready")
    return Program("aws", (sys.executable, "-m", "ministack"), Wave.STORE, is_well, environment)


def aws_state_folder(home: Path) -> Path:
    return home / "aws" / "state"


def simulator(home: Path, ports: Ports) -> Program:
    # A store: channels are connected to it before the services start.
    command = (sys.executable, "-m", "tests.fakes.simulator", "--port", str(ports.simulator))
    return Program(
        "simulator",
        (*command, "--home", str(home / SIMULATOR_FOLDER)),
        Wave.STORE,
        answering(ports.simulator),
    )


def llm(ports: Ports) -> Program:
    return Program("llm", (sys.executable, "-m", "llm_api"), Wave.MODEL, answering(ports.llm))


def lambdas() -> Program:
    return Program("lambdas", (sys.executable, "-m", "infra.local.lambdas"), Wave.SERVICE)


def webhook(ports: Ports) -> Program:
    command = gunicorn("infra.local.gateway:make_application()", ports.webhook, workers=2, threads=4)
    return Program("webhook", command, Wave.SERVICE, answering(ports.webhook))


def console(ports: Ports) -> Program:
    command = gunicorn("console.wsgi:application", ports.console, workers=1, threads=4)
    return Program("console", command, Wave.SERVICE, answering(ports.console))


def worker(name: str, queue: str, *options: str) -> Program:
    command = (sys.executable, "-m", "celery", "-A", "console.celery:app", "worker", "--concurrency", "1")
    queue = os.environ.get("HUB_QUEUE_PREFIX", "") + queue
    return Program(name, (*command, "--queues", queue, *options, "--loglevel", "INFO"), Wave.SERVICE)


def metrics() -> Program:
    return Program("metrics", (sys.executable, "-m", "infra.local.metrics"), Wave.SERVICE)


def answering(port: int, path: str = "/healthz") -> Callable[[], bool]:
    return partial(answers, f"http://{LOOPBACK}:{port}{path}")


def gunicorn(application: str, port: int, workers: int, threads: int) -> tuple[str, ...]:
    """A server on the loopback. No access log: a query string can hold a token."""
    return (
        *(sys.executable, "-m", "gunicorn", application),
        *("--bind", f"{LOOPBACK}:{port}", "--workers", str(workers), "--threads", str(threads)),
        *("--worker-class", "gthread", "--preload", "--no-control-socket", "--graceful-timeout", "6"),
    )
