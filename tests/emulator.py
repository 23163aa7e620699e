"""An emulator of AWS of one's own, for tests and benchmarks."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local.environment import LOOPBACK
from infra.local.health import answers

START_SECONDS = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def emulator(folder: Path, services: str) -> Iterator[str]:
    """Serve AWS' `services` (comma-separated) on the loopback; yields the address. What it holds lies in
    `folder`, and is gone when it ends."""
    port = free_port()
    environment = os.environ | {
        "BIND_HOST": LOOPBACK,
        "MINISTACK_HOST": LOOPBACK,
        "GATEWAY_PORT": str(port),
        "SERVICES": services,
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
    }
    url = f"http://{LOOPBACK}:{port}"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ministack"], env=environment, stdout=log, stderr=log
        )
    try:
        _wait_for(process, url)
        yield url
    finally:
        process.kill()
        process.wait()


def _wait_for(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not answers(f"{url}/_ministack/ready"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the emulator of AWS did not start: see its log")
        time.sleep(0.05)
