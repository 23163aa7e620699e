"""The zip files for Lambda, unpacked in an empty folder and run with nothing else but what AWS has."""

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from django.conf import settings

from infra.local import queues
from infra.packages.build import build, head
from infra.packages.package import CONSOLE, FUNCTIONS, Package
from infra.packages.start import SETTINGS, make_runtime

pytestmark = pytest.mark.long
INVOKE = Path(__file__).with_name("invoke_package.py")
FORBIDDEN = {"llama_cpp", "fastapi", "tests", "infra", "boto3", "botocore", "pytest", ".env", "stack.env"}


class Unpacked:
    """A package, unpacked, with the environment that its functions run in."""

    def __init__(self, package: Package, packed: Path, folder: Path, environment: Mapping[str, str]) -> None:
        self.packed, self.folder = packed, folder / package.name
        self.runtime = make_runtime(folder / f"{package.name}-runtime")
        zipfile.ZipFile(packed).extractall(self.folder)
        self.names = [path.relative_to(self.folder).parts for path in self.folder.rglob("*")]
        self._environment = {"PATH": os.environ["PATH"], **SETTINGS, **environment, **package.environment}

    def run(self, *arguments: str, stdin: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "-I", "-S", *arguments],
            cwd=self.folder,
            env=self._environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def invoke(self, handler: str, *events: Mapping[str, Any]) -> list[Any]:
        lines = "".join(f"{json.dumps(event)}\n" for event in events)
        said = self.run(str(INVOKE), str(self.folder), str(self.runtime), handler, stdin=lines)
        return [json.loads(line[8:]) for line in said.splitlines() if line.startswith("answer: ")]


@pytest.fixture(scope="module")
def environment(emulator: str) -> dict[str, str]:
    """A database of these tests' own, empty as on a new account, and the queues of infra/queues.yaml."""
    server = settings.DATABASES["default"]
    address = {"host": server["HOST"], "user": server["USER"], "dbname": "postgres"}
    with closing(psycopg.connect(**address, autocommit=True)) as connection:
        connection.execute("DROP DATABASE IF EXISTS packages")
        connection.execute("CREATE DATABASE packages")
    aws = {
        "AWS_ENDPOINT_URL": emulator,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in aws.items():
            patch.setenv(name, value)
        queues.apply_queues("packages-")
    url = f"postgresql://{server['USER']}@/packages?host={server['HOST']}"
    return {**aws, "DATABASE_URL": url, "HUB_QUEUE_PREFIX": "packages-"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("packages")


@pytest.fixture(scope="module")
def console(folder: Path, environment: Mapping[str, str], zip_files: Mapping[str, Path]) -> Unpacked:
    """The console's package; it has made the tables, as a deploy does."""
    unpacked = Unpacked(CONSOLE, zip_files["console"], folder, environment)
    unpacked.run(
        "-c",
        f"import sys; sys.path[:0] = [{str(unpacked.folder)!r}, {str(unpacked.runtime)!r}];"
        "sys.argv = ['manage.py', 'migrate', '--verbosity', '0']; import manage; manage.main()",
    )
    return unpacked


@pytest.fixture(scope="module")
def functions(
    folder: Path, environment: Mapping[str, str], console: Unpacked, zip_files: Mapping[str, Path]
) -> Unpacked:
    return Unpacked(FUNCTIONS, zip_files["functions"], folder, environment)


def http_v1(path: str) -> dict[str, Any]:
    return {
        "httpMethod": "GET",
        "path": path,
        "headers": {"host": "127.0.0.1"},
        "multiValueHeaders": {"host": ["127.0.0.1"]},
        "requestContext": {"stage": "dev", "identity": {"sourceIp": "198.51.100.7"}},
        "body": None,
        "isBase64Encoded": False,
    }


def http_v2(path: str, **more: Any) -> dict[str, Any]:
    """Of an HTTP API, and of a function URL, which has the same form."""
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "127.0.0.1"},
        "requestContext": {
            "stage": "$default",
            "http": {"method": "GET", "path": path, "sourceIp": "198.51.100.7"},
        },
        "isBase64Encoded": False,
        **more,
    }


def record(queue: str, body: str) -> dict[str, Any]:
    return {
        "messageId": "1",
        "receiptHandle": "r",
        "body": body,
        "attributes": {"ApproximateReceiveCount": "1", "MessageGroupId": "g", "SentTimestamp": "1"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:us-east-1:000000000000:{queue}",
    }


@pytest.mark.parametrize("package", ["functions", "console"])
def test_a_package_has_what_it_needs_and_nothing_else(
    package: str, request: pytest.FixtureRequest, zip_files: Mapping[str, Path]
) -> None:
    unpacked: Unpacked = request.getfixturevalue(package)

    parts = {part for path in unpacked.names for part in path}
    assert not parts & FORBIDDEN
    limit = {"functions": FUNCTIONS, "console": CONSOLE}[package].limit_bytes
    assert unpacked.packed.stat().st_size <= limit
    commit = json.loads((unpacked.folder / "package_info.json").read_text())
    assert commit == {"commit": head(), "package": package}


def test_the_same_commit_gives_the_same_bytes(functions: Unpacked, tmp_path: Path) -> None:
    assert build(FUNCTIONS, head(), tmp_path).read_bytes() == functions.packed.read_bytes()


def test_the_webhook_answers_each_form_of_http(functions: Unpacked) -> None:
    forms = [http_v1("/healthz"), http_v2("/healthz"), http_v2("/healthz", cookies=["a=b"])]
    missing = http_v2("/telegram/00000000-0000-0000-0000-000000000001")

    answers = functions.invoke("hub_lambdas.webhook.handler", *forms, missing)

    assert [answer["statusCode"] for answer in answers] == [200, 200, 200, 404]


@pytest.mark.parametrize(
    ("handler", "queue"),
    [
        ("inbound", "dm-inbound.fifo"),
        ("wakeups", "wakeups"),
        ("replies", "llm-replies"),
        ("outbound", "dm-outbound.fifo"),
    ],
)
def test_a_function_of_a_queue_reports_the_record_it_cannot_read(
    functions: Unpacked, handler: str, queue: str
) -> None:
    event = {"Records": [record(f"packages-{queue}", "rubbish")]}

    assert functions.invoke(f"hub_lambdas.{handler}.handler", event) == [
        {"batchItemFailures": [{"itemIdentifier": "1"}]}
    ]


def test_a_dead_letter_is_stored_and_the_sweep_runs(
    functions: Unpacked, environment: Mapping[str, str]
) -> None:
    event = {"Records": [record("packages-wakeups-dead", "rubbish")]}

    assert functions.invoke("hub_lambdas.dead_letters.handler", event) == [{"batchItemFailures": []}]
    functions.invoke("hub_lambdas.sweep.handler", {"source": "aws.events", "detail-type": "Scheduled Event"})

    with closing(psycopg.connect(environment["DATABASE_URL"])) as connection:
        rows = connection.execute("SELECT queue, body FROM conversations_deadletter").fetchall()
    assert rows == [("wakeups", "rubbish")]


def _access(environment: Mapping[str, str]) -> dict[str, Any]:
    return {
        "endpoint_url": environment["AWS_ENDPOINT_URL"],
        "region_name": environment["AWS_DEFAULT_REGION"],
        "aws_access_key_id": environment["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": environment["AWS_SECRET_ACCESS_KEY"],
    }


def test_the_console_puts_its_jobs_on_their_queues(console: Unpacked, environment: Mapping[str, str]) -> None:
    console.run(
        "-c",
        f"import sys; sys.path[:0] = [{str(console.folder)!r}, {str(console.runtime)!r}]; import handler;"
        "from console.conversations.jobs import make_export; make_export.delay(7);"
        "from console.deployments.jobs import run_deploy; run_deploy.delay(7)",
    )

    with closing(boto3.client("sqs", **_access(environment))) as sqs:
        for queue in ("console-jobs", "deploys"):
            url = sqs.get_queue_url(QueueName=f"packages-{queue}")["QueueUrl"]
            assert len(sqs.receive_message(QueueUrl=url)["Messages"]) == 1, queue


def test_the_console_shows_its_sign_in_page(console: Unpacked) -> None:
    [page] = console.invoke("handler.lambda_handler", http_v2("/login/"))

    assert page["statusCode"] == 200
    assert "channels-hub" in page["body"]
    assert "script-src 'self' https://static.example " in page["headers"]["Content-Security-Policy"]
    assert re.search(r'href="https://static\.example/console/console\.[0-9a-f]{12}\.css"', page["body"])
