"""A ministack of the test run's own, and processes that end with their test."""

import contextlib
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.local.environment import ROOT
from infra.packages.build import build, head, packed
from infra.packages.llm import pack
from infra.packages.package import PACKAGES
from tests.emulator import emulator as emulator_of_aws

WAIT_SECONDS = 30


def wait_until(condition: Callable[[], Any], timeout_seconds: float = WAIT_SECONDS) -> Any:
    """The first true value of a condition; fails where it never comes."""
    deadline = time.monotonic() + timeout_seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return value


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a ministack that lives as long as the tests of this folder."""
    with emulator_of_aws(tmp_path_factory.mktemp("aws"), "sqs,s3,cloudformation,cloudwatch,sts") as url:
        yield url


@pytest.fixture(scope="session")
def zip_files() -> dict[str, Path]:
    """The packages of the commit that is checked out, built once for all that run them."""
    commit, folder = head(), ROOT / "packages"
    made = {name: packed(package, commit, folder) for name, package in PACKAGES.items()}
    return {
        name: path if path.exists() else build(PACKAGES[name], commit, folder) for name, path in made.items()
    }


@pytest.fixture(scope="session")
def llm_box(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the LLM boxes get of the commit that is checked out, with a wheel for show."""
    folder = tmp_path_factory.mktemp("llm")
    wheels = folder / "wheels"
    wheels.mkdir()
    (wheels / "model-1-py3-none-any.whl").write_bytes(b"a wheel")
    with tarfile.open(pack(head(), wheels, folder / "llm.tar.gz")) as archive:
        archive.extractall(folder / "box", filter="data")
    return folder / "box"


@pytest.fixture
def aws(emulator: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An environment in which boto3 talks to the emulator."""
    values = {
        "AWS_ENDPOINT_URL": emulator,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return emulator


@pytest.fixture
def sqs(aws: str) -> Iterator[Any]:
    client = boto3.client("sqs")
    yield client
    client.close()


class Queue:
    """A queue with its dead-letter queue, made for one test."""

    def __init__(self, client: Any, name: str, visibility_seconds: int, receives: int) -> None:
        self.client = client
        self.name = name
        self.is_fifo = name.endswith(".fifo")
        fifo = {"FifoQueue": "true"} if self.is_fifo else {}
        dead = f"{name.removesuffix('.fifo')}-dead{'.fifo' if self.is_fifo else ''}"
        self.dead_url = client.create_queue(QueueName=dead, Attributes=fifo)["QueueUrl"]
        arn = f"arn:aws:sqs:us-east-1:000000000000:{dead}"
        redrive = f'{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{receives}}}'
        attributes = {**fifo, "VisibilityTimeout": str(visibility_seconds), "RedrivePolicy": redrive}
        self.url = client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    @property
    def arn(self) -> str:
        return f"arn:aws:sqs:us-east-1:000000000000:{self.name}"

    def send(self, *bodies: str, group: str = "group") -> None:
        for body in bodies:
            fifo = {"MessageGroupId": group, "MessageDeduplicationId": body} if self.is_fifo else {}
            self.client.send_message(QueueUrl=self.url, MessageBody=body, **fifo)

    def receive(self, **options: Any) -> list[Any]:
        answer = self.client.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=10,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
            **options,
        )
        messages: list[Any] = answer.get("Messages", [])
        return messages

    def count(self) -> int:
        """How many messages the queue holds, in flight or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)
        return sum(int(value) for value in answer["Attributes"].values())

    def dead_bodies(self) -> list[str]:
        answer = self.client.receive_message(QueueUrl=self.dead_url, MaxNumberOfMessages=10)
        return [message["Body"] for message in answer.get("Messages", [])]


@pytest.fixture
def make_queue(sqs: Any) -> Callable[..., Queue]:
    def make(name: str, visibility_seconds: int = 30, receives: int = 5) -> Queue:
        return Queue(sqs, name, visibility_seconds, receives)

    return make


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts Python programs that are killed, with their groups, when the test ends."""
    processes: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, **environment: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()
