"""The stages' files, and the settings that Zappa gets of them."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.deployment.errors import StageError
from infra.deployment.functions import Trigger, wanted_triggers
from infra.deployment.settings import Facts, expand, fingerprint, guard, read_functions
from infra.deployment.stage import FOLDER, Stage, load_stage
from infra.local.environment import ROOT
from infra.local.queues import queue_properties
from tests.infra.test_templates import load, resources

EXPORTS = {
    "private-subnets": "subnet-1,subnet-2",
    "functions-group": "sg-1",
    "database-secret": "arn:secret",
    "database-host": "proxy.example",
}
ADDRESSES = {"webhook": "https://w.example/webhook", "console": "https://c.example/console"}
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def settings(stage: Stage, release: str = "abc") -> dict[str, dict[str, Any]]:
    return expand(read_functions(), stage, Facts(EXPORTS, ADDRESSES), release)


@pytest.mark.parametrize("name", NAMES)
def test_a_stage_names_only_templates_and_parameters_that_there_are(name: str) -> None:
    for template, parameters in load_stage(name).stacks.items():
        assert set(parameters) <= set(load(f"{template}.yaml")["Parameters"]), template


@pytest.mark.parametrize("name", NAMES)
def test_each_stack_of_a_stage_comes_after_those_that_it_imports_from(name: str) -> None:
    exported: set[str] = set()
    for template in load_stage(name).stacks:
        text = (ROOT / "infra" / f"{template}.yaml").read_text()
        imported = {
            line.split('"Fn::Sub": "')[1].split('"')[0] for line in text.splitlines() if "ImportValue" in line
        }
        assert imported <= exported, f"{template} of {name}"
        exported |= {
            each["Export"]["Name"]["Sub"] for each in load(f"{template}.yaml").get("Outputs", {}).values()
        }


def test_a_function_of_a_stage_has_its_own_name_role_network_and_queues() -> None:
    stage = load_stage("prod")

    values = settings(stage)["dead_letters"]

    assert values["project_name"] == "channels-hub-prod"
    assert values["role_arn"].endswith(f":{stage.account}:role/channels-hub-prod-dead-letters")
    assert values["vpc_config"] == {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
    fed_by = [event["event_source"]["arn"] for event in values["events"]]
    assert f"arn:aws:sqs:{stage.region}:{stage.account}:prod-wakeups-dead" in fed_by
    assert "extends" not in values


def test_the_triggers_of_a_stage_are_on_queues_that_its_template_makes() -> None:
    stage = load_stage("dev")

    found = {trigger.queue for trigger in wanted_triggers(settings(stage))}

    assert found <= set(queue_properties(stage.queue_prefix))
    assert len(found) == 13


def test_what_a_function_is_told_of_its_stage_holds_no_secret() -> None:
    told = settings(load_stage("dev"))["webhook"]["aws_environment_variables"]

    assert told == {
        "DJANGO_SETTINGS_MODULE": "hub_lambdas.settings",
        "HUB_STAGE": "dev",
        "HUB_SECRETS": "channels-hub/dev/settings",
        "HUB_QUEUE_PREFIX": "dev-",
        "HUB_STORAGE_BUCKET": "channels-hub-dev-files-111122223333",
        "HUB_STATIC_URL": "https://channels-hub-dev-static-111122223333.s3.eu-central-1.amazonaws.com/abc",
        "HUB_DATABASE_SECRET": "arn:secret",
        "HUB_DATABASE_HOST": "proxy.example",
        "HUB_WEBHOOK_URL": "https://w.example/webhook",
        "HUB_CONSOLE_URL": "https://c.example/console",
        "HUB_ALLOWED_HOSTS": "c.example",
    }


def test_functions_on_aws_run_the_pinned_python_and_on_this_machine_its_own() -> None:
    here = f"python{sys.version_info.major}.{sys.version_info.minor}"

    assert {each["runtime"] for each in settings(load_stage("prod")).values()} == {"python3.12"}
    assert {each["runtime"] for each in settings(load_stage("local")).values()} == {here}


def test_the_health_page_is_told_where_the_number_of_boxes_is_led_to() -> None:
    facts = Facts({**EXPORTS, "requests-per-box": "6.4"}, ADDRESSES)

    told = expand(read_functions(), load_stage("dev"), facts, "abc")["console"]["aws_environment_variables"]

    assert told["HUB_LLM_REQUESTS_PER_BOX"] == "6.4"


def test_only_manage_is_led_to_the_first_password() -> None:
    whole = settings(load_stage("dev"))

    led = {
        name for name, each in whole.items() if "admin" in each["aws_environment_variables"]["HUB_SECRETS"]
    }
    assert led == {"manage"}
    assert whole["manage"]["aws_environment_variables"]["HUB_SECRETS"].startswith(
        "channels-hub/dev/settings,"
    )


def test_the_buckets_are_those_of_the_template() -> None:
    stage = load_stage("dev")
    buckets = resources(load("storage.yaml"), "AWS::S3::Bucket").values()

    names = {each["Properties"]["BucketName"]["Sub"] for each in buckets}

    made = {name.replace("${Stage}", "dev").replace("${AWS::AccountId}", stage.account) for name in names}
    assert made == {stage.files_bucket, stage.releases_bucket, stage.static_bucket}


def test_a_trigger_stays_off_until_its_reported_failures_are_kept() -> None:
    whole = settings(load_stage("dev"))
    [wanted] = [each for each in wanted_triggers(whole) if each.function == "inbound"]

    def is_on(safe: list[tuple[str, str]]) -> bool:
        on: bool = guard(whole, safe)["inbound"]["events"][0]["event_source"]["enabled"]
        return on

    assert (is_on([]), is_on([wanted.key])) == (False, True)
    assert wanted == Trigger("inbound", "dev-dm-inbound.fifo", 10)


def test_another_release_or_setting_is_another_fingerprint() -> None:
    stage = load_stage("dev")
    first, again, later = (settings(stage, release)["sweep"] for release in ("abc", "abc", "def"))

    assert fingerprint(first) == fingerprint(again) != fingerprint(later)
    assert fingerprint({**first, "memory_size": 256}) != fingerprint(first)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"region": "eu-west-1", "account": 111122223333, "stacks": {}, "size": 3}, "must have region"),
        ({"region": "eu-west-1", "stacks": {}}, "must have region"),
        ({"region": "eu-west-1", "account": "mine", "stacks": {}}, "12 digits"),
    ],
)
def test_a_file_that_is_no_stage_is_said_to_be_none(tmp_path: Path, said: object, problem: str) -> None:
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(said))

    with pytest.raises(StageError, match=problem):
        load_stage("mine", tmp_path)


@pytest.mark.parametrize("name", ["absent", "../local", "Prod"])
def test_a_stage_without_a_file_lists_those_with_one(name: str) -> None:
    with pytest.raises(StageError, match="dev, local, prod"):
        load_stage(name)


def test_zappa_would_touch_no_address_of_ours() -> None:
    """It asks amazonaws.com also where an emulator answers."""
    assert json.loads((ROOT / "zappa_settings.json").read_text())["base"]["touch"] is False
