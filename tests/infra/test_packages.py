"""The zip files for Lambda, unpacked in an empty folder and run with nothing else but what AWS has."""

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from django.conf import settings

from infra.local import queues
from infra.local.environment import ROOT
from infra.packages.build import build, head
from infra.packages.package import CONSOLE, FUNCTIONS, Package
from infra.packages.start import SETTINGS, make_runtime
from tests.fakes.telegram import FakeTelegram
from tests.infra.studio import ANSWER, ORGANIZATION, Studio, answered, batches

pytestmark = pytest.mark.long
INVOKE = Path(__file__).with_name("invoke_package.py")
BUCKET = "packages-files"
TOKEN = "100:bot-of-the-studio"
FORBIDDEN = {"llama_cpp", "fastapi", "tests", "infra", "boto3", "botocore", "pytest", ".env", "stack.env"}


class Unpacked:
    """A package, unpacked, with the environment that its functions run in."""

    def __init__(self, package: Package, packed: Path, folder: Path, environment: Mapping[str, str]) -> None:
        self.packed, self.folder = packed, folder / package.name
        self.runtime = make_runtime(folder / f"{package.name}-runtime")
        zipfile.ZipFile(packed).extractall(self.folder)
        self.names = [path.relative_to(self.folder).parts for path in self.folder.rglob("*")]
        self.peak_mb: dict[str, float] = {}
        """The most memory that each handler took."""
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
        sys.stderr.write(done.stderr)
        return done.stdout

    def invoke(self, handler: str, *events: Mapping[str, Any]) -> list[Any]:
        lines = "".join(f"{json.dumps(event)}\n" for event in events)
        said = self.run(str(INVOKE), str(self.folder), str(self.runtime), handler, stdin=lines).splitlines()
        peak = float(said[-1].removeprefix("peak: "))
        self.peak_mb[handler] = max(peak, self.peak_mb.get(handler, 0))
        return [json.loads(line[8:]) for line in said if line.startswith("answer: ")]

    def manage(self, *arguments: str) -> None:
        """Run a command of manage.py, as a deploy does."""
        self.run(
            "-c",
            f"import sys; sys.path[:0] = [{str(self.folder)!r}, {str(self.runtime)!r}];"
            f"sys.argv = ['manage.py', *{arguments!r}]; import manage; manage.main()",
        )


@pytest.fixture(scope="module")
def telegram() -> Iterator[FakeTelegram]:
    with FakeTelegram() as telegram:
        telegram.add_bot(TOKEN)
        yield telegram


@pytest.fixture(scope="module")
def environment(emulator: str, telegram: FakeTelegram) -> dict[str, str]:
    """A database of these tests' own, empty as on a new account, the queues of infra/queues.yaml, a bucket
    and a platform."""
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
        with closing(boto3.client("s3")) as s3:
            s3.create_bucket(Bucket=BUCKET)
    url = f"postgresql://{server['USER']}@/packages?host={server['HOST']}"
    hub = {"DATABASE_URL": url, "HUB_QUEUE_PREFIX": "packages-", "HUB_STORAGE_BUCKET": BUCKET}
    return {**aws, **hub, **telegram.hub_settings, "LAKESIDE_YOGA_BOT_TOKEN": TOKEN}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("packages")


@pytest.fixture(scope="module")
def console(folder: Path, environment: Mapping[str, str], zip_files: Mapping[str, Path]) -> Unpacked:
    """The console's package; it has made the tables, as a deploy does."""
    unpacked = Unpacked(CONSOLE, zip_files["console"], folder, environment)
    unpacked.manage("migrate", "--verbosity", "0")
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


def http_v2(path: str, method: str = "GET", **more: Any) -> dict[str, Any]:
    """Of an HTTP API, and of a function URL, which has the same form."""
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "127.0.0.1"},
        "requestContext": {
            "stage": "$default",
            "http": {"method": method, "path": path, "sourceIp": "198.51.100.7"},
        },
        "isBase64Encoded": False,
        **more,
    }


def record(queue: str, body: str, message_id: str = "1") -> dict[str, Any]:
    return {
        "messageId": message_id,
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


# --- at work ------------------------------------------------------------------------------------------------

PEOPLE, SENDER, UNLUCKY, FORGOTTEN = range(501, 509), 601, 602, 603
"""As many as one organization may have at the LLM at once (HUB_LLM_REQUESTS_PER_ORGANIZATION), and three."""
FILE = b"%PDF-1.4\n".ljust(15_000_000, b"\n")
"""Nearly the largest that is kept (HUB_MEDIA_MAX_BYTES)."""
NOTHING_FAILED = {"batchItemFailures": []}
RUNTIME_MB = 32
"""What is left of a function's memory to Lambda itself: AWS shows some 30 to 40 MB for one that does nothing,
of which about ten are the interpreter, which is measured here too."""


@pytest.fixture
def studio(console: Unpacked, environment: Mapping[str, str], telegram: FakeTelegram) -> Iterator[Studio]:
    console.manage("import_organization", str(ORGANIZATION))
    with closing(boto3.client("sqs", **_access(environment))) as sqs:
        yield Studio(telegram, TOKEN, sqs, environment["HUB_QUEUE_PREFIX"])


def test_every_function_does_its_work_within_its_memory(
    functions: Unpacked, studio: Studio, environment: Mapping[str, str]
) -> None:
    """Some people are answered at once, one sends a large file, a message of one cannot be stored, and one is
    forgotten by the queues."""

    def call(function: str, *events: Mapping[str, Any]) -> list[Any]:
        return functions.invoke(f"hub_lambdas.{function}.handler", *events)

    def work(function: str, events: Sequence[Mapping[str, Any]]) -> None:
        assert call(function, *events) == len(events) * [NOTHING_FAILED]

    def wait_in_bursts(seconds: float) -> None:
        execute("UPDATE organizations_organization SET burst_window_seconds = %s", seconds)

    def execute(statement: str, *values: object) -> list[Any]:
        with closing(psycopg.connect(environment["DATABASE_URL"], autocommit=True)) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    people = len(PEOPLE)
    wait_in_bursts(60)
    webhooks = [*map(studio.write, PEOPLE), studio.send_file(SENDER, "menu.pdf", FILE)]
    assert [each["statusCode"] for each in call("webhook", *webhooks)] == (people + 1) * [200]
    work("inbound", batches(studio.take("dm-inbound.fifo", people + 1)))
    wait_in_bursts(0)
    open_turns = execute("SELECT id FROM conversations_turn WHERE state = 'open'")
    work("wakeups", batches([_wakeup(turn) for (turn,) in open_turns]))
    work("replies", batches(answered(studio.take("llm-requests", people))))
    # To each a typing sign and an answer; and what the sender of the file is told.
    outbound = studio.take("dm-outbound.fifo", 2 * people + 1)
    work("outbound", [{"Records": [each]} for each in outbound])
    assert [studio.heard(chat) for chat in PEOPLE] == people * [[ANSWER]]
    work("errands", batches(studio.take("errands", 1)))

    call("webhook", studio.write(UNLUCKY))
    [buried] = studio.take("dm-inbound.fifo", 1)
    work("dead_letters", [{"Records": [{**buried, "eventSourceARN": _dead(buried["eventSourceARN"])}]}])

    wait_in_bursts(60)
    call("webhook", studio.write(FORGOTTEN))
    work("inbound", batches(studio.take("dm-inbound.fifo", 1)))
    wait_in_bursts(0)
    execute("UPDATE conversations_turn SET last_message_at = now() - interval '1 minute'")
    [swept] = call("sweep", {"source": "aws.events", "detail-type": "Scheduled Event"})
    assert (swept["turns"], swept["overdue"]) == (1, 0)

    turns = execute("SELECT state, count(*) FROM conversations_turn GROUP BY 1")
    assert dict(turns) == {"answered": people, "handed_over": 2, "asked": 1}
    assert execute("SELECT state, size_bytes FROM conversations_messagemedia") == [("kept", len(FILE))]
    _within_their_memory(functions.peak_mb)


def _wakeup(turn_id: int) -> dict[str, Any]:
    return record("packages-wakeups", json.dumps({"turn": turn_id}), message_id=f"turn-{turn_id}")


def _dead(arn: str) -> str:
    return arn.replace("dm-inbound.fifo", "dm-inbound-dead.fifo")


def _within_their_memory(peak_mb: Mapping[str, float]) -> None:
    """Says what each function took, too: `pytest -s` shows it."""
    stages = json.loads((ROOT / "zappa_settings.json").read_text())
    for stage in (each for each in stages if "lambda_handler" in stages[each]):
        memory_mb = {**stages["base"], **stages[stage]}["memory_size"]
        took = peak_mb[stages[stage]["lambda_handler"]]
        sys.stdout.write(f"{stage:<14}{took:6.0f} MB at its peak, of {memory_mb}\n")
        assert took <= memory_mb - RUNTIME_MB, stage
