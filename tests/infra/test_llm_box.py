"""What an LLM box does when it has to go, and when its LLM falls silent."""

import http.server
import subprocess
import threading
from collections.abc import Iterator
from typing import NoReturn

import pytest
from botocore.stub import Stubber

from infra.llm_box.environment import lines
from infra.llm_box.keeper import (
    GIVE_UP_AFTER_SECONDS,
    HOOK,
    RESTART_AFTER_SECONDS,
    SERVICE,
    Due,
    Ec2Box,
    Watch,
    keep,
    look,
)


class Metadata(http.server.BaseHTTPRequestHandler):
    """EC2's metadata service: what it knows, to who has fetched a token first."""

    values: dict[str, str] = {}

    def do_PUT(self) -> None:
        self._answer(200, "token")

    def do_GET(self) -> None:
        value = self.values.get(self.path.removeprefix("/latest/meta-data/"))
        if self.headers.get("x-aws-ec2-metadata-token") != "token":
            self._answer(401, "")
        else:
            self._answer(404 if value is None else 200, value or "")

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - so named above
        """Quiet."""


@pytest.fixture
def metadata() -> Iterator[str]:
    Metadata.values = {"instance-id": "i-1", "autoscaling/target-lifecycle-state": "InService"}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class Machine:
    """A box on the metadata service, with AWS's answers as they are told beforehand."""

    def __init__(self, metadata_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        self.commands: list[list[str]] = []
        self.box = Ec2Box("hub-llm", 1, metadata_url, self.commands.append)
        self.aws = Stubber(self.box._scaling)
        self.aws.activate()

    def expect_completion(self) -> None:
        self.aws.add_response(
            "complete_lifecycle_action",
            {},
            {
                "AutoScalingGroupName": "hub-llm",
                "LifecycleHookName": HOOK,
                "LifecycleActionResult": "CONTINUE",
                "InstanceId": "i-1",
            },
        )


@pytest.fixture
def machine(metadata: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    found = Machine(metadata, monkeypatch)
    yield found
    found.box.close()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spot/instance-action", '{"action": "terminate"}'),
        ("autoscaling/target-lifecycle-state", "Terminated"),
    ],
)
def test_a_box_that_has_to_go_stops_its_llm_once_and_lets_its_group_go_on(
    machine: Machine, path: str, value: str
) -> None:
    watch = Watch(healthy_at=0.0)
    assert look(machine.box, watch, 1.0) is Due.NOTHING

    Metadata.values[path] = value
    machine.expect_completion()

    assert look(machine.box, watch, 6.0) is Due.DRAIN
    assert look(machine.box, watch, 11.0) is Due.NOTHING
    assert machine.commands == [["systemctl", "stop", SERVICE]]
    machine.aws.assert_no_pending_responses()


def test_a_spot_instance_without_a_hook_is_drained_all_the_same(machine: Machine) -> None:
    Metadata.values["spot/instance-action"] = "{}"
    machine.aws.add_client_error("complete_lifecycle_action", "ValidationError")

    assert look(machine.box, Watch(healthy_at=0.0), 1.0) is Due.DRAIN
    assert machine.commands == [["systemctl", "stop", SERVICE]]


def test_a_silent_llm_is_restarted_and_in_the_end_the_box_is_replaced_once(machine: Machine) -> None:
    watch = Watch(healthy_at=0.0)  # nobody listens on its port
    machine.aws.add_response("set_instance_health", {}, {"InstanceId": "i-1", "HealthStatus": "Unhealthy"})

    seen = [look(machine.box, watch, float(now)) for now in range(0, int(GIVE_UP_AFTER_SECONDS) + 60, 5)]

    restarts = int(GIVE_UP_AFTER_SECONDS // RESTART_AFTER_SECONDS) - 1
    assert [due for due in seen if due is not Due.NOTHING] == [Due.RESTART] * restarts + [Due.GIVE_UP]
    assert machine.commands == [["systemctl", "restart", SERVICE]] * restarts


def test_what_aws_does_not_take_is_tried_again_at_the_next_look(machine: Machine) -> None:
    watch = Watch(healthy_at=0.0)
    machine.aws.add_client_error("set_instance_health", "Throttling")
    machine.aws.add_response("set_instance_health", {}, {"InstanceId": "i-1", "HealthStatus": "Unhealthy"})

    assert keep(machine.box, watch, GIVE_UP_AFTER_SECONDS) is None
    assert keep(machine.box, watch, GIVE_UP_AFTER_SECONDS + 5) is Due.GIVE_UP
    assert keep(machine.box, watch, GIVE_UP_AFTER_SECONDS + 10) is Due.NOTHING


def test_an_llm_that_cannot_be_stopped_yet_is_drained_at_the_next_look(machine: Machine) -> None:
    Metadata.values["spot/instance-action"] = "{}"
    watch, run = Watch(healthy_at=0.0), machine.box._run
    machine.box._run = fail
    assert keep(machine.box, watch, 1.0) is None

    machine.box._run = run
    machine.expect_completion()
    assert keep(machine.box, watch, 6.0) is Due.DRAIN
    machine.aws.assert_no_pending_responses()


def fail(command: list[str]) -> NoReturn:
    raise subprocess.CalledProcessError(1, command)


def test_an_llm_that_answers_is_left_alone() -> None:
    watch = Watch(healthy_at=0.0)

    assert {watch.due(float(now), must_go=False, healthy=True) for now in range(0, 900, 5)} == {Due.NOTHING}


def test_a_box_gets_the_settings_of_llm_api_and_no_other_secret() -> None:
    secret = {"HUB_LLM_TOKEN": 'a"b$c', "HUB_META_APP_SECRET": "no", "HUB_CREDENTIAL_KEYS": "no"}

    written = lines({"HUB_QUEUE_PREFIX": "prod-", "HUB_LLM_GPU": "true", "PATH": "/bin"}, secret)

    assert written == [
        'HUB_HOME="/var/lib/channels-hub"',
        'HUB_LLM_GPU="true"',
        'HUB_LLM_TOKEN="a\\"b$c"',
        'HUB_QUEUE_PREFIX="prod-"',
    ]
