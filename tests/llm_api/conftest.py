from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from llm_api.settings import ROOT

WAIT_SECONDS = 60.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def until(condition: Callable[[], object]) -> None:
    """Let the loop run until the condition holds."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():
            await asyncio.sleep(0.001)


def wait_for(condition: Callable[[], Any]) -> Any:
    """Poll other processes until the condition gives something true; returns it."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def clean_environment(**values: str) -> dict[str, str]:
    """This process's environment without settings of the hub or AWS, plus `values`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "AWS_"))}
    return kept | {"PYTHONPATH": str(ROOT)} | values


@pytest.fixture(scope="session")
def sqs_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A local SQS on loopback."""
    port = free_port()
    environment = clean_environment(
        BIND_HOST="127.0.0.1", IOT_MTLS_ENABLED="0", SERVICES="sqs,s3,cloudformation", GATEWAY_PORT=str(port)
    )
    folder: Path = tmp_path_factory.mktemp("ministack")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ministack"], env=environment, cwd=folder, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}"
    client = make_client(url)

    def answers() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        try:
            client.list_queues()
        except (BotoCoreError, ClientError):
            return False
        return True

    try:
        wait_for(answers)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def make_client(url: str) -> Any:
    return boto3.client(
        "sqs",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=2),
    )
