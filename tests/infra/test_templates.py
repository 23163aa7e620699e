"""The CloudFormation templates against each other and against what is deployed with them."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from console.capacity.catalog import DATA, read_speeds
from console.capacity.designs import USED_SHARE
from infra.llm_box.environment import OF_THE_BOX
from infra.llm_box.readiness import GROUP, PATIENCE_SECONDS
from infra.local.environment import ROOT
from infra.local.queues import queue_properties
from infra.packages.llm import GPU, RECIPES
from infra.packages.runtime import wanted

TEMPLATES = sorted((ROOT / "infra").glob("*.yaml"))
METRICS_OF_DEAD_ONES = ["NumberOfMessagesReceived", "ApproximateNumberOfMessagesVisible"]


class _Loader(yaml.SafeLoader):
    """Reads `!Sub x` as {"Sub": x}."""


def _construct(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return {tag: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {tag: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {tag: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _construct)


def load(name: str) -> Any:
    return yaml.load((ROOT / "infra" / name).read_text(), _Loader)  # noqa: S506 - a SafeLoader underneath


def within(value: Any) -> Iterator[Any]:
    """A value and all that it holds."""
    yield value
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from within(each)


def resources(template: Any, kind: str) -> dict[str, Any]:
    return {name: each for name, each in template["Resources"].items() if each["Type"] == kind}


def test_cfn_lint_finds_nothing() -> None:
    linter = Path(sys.executable).with_name("cfn-lint")

    done = subprocess.run([linter, *TEMPLATES], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_policy_names_each_action_that_it_allows(path: Path) -> None:
    for found in within(load(path.name)):
        if isinstance(found, dict) and "Effect" in found:
            actions = found["Action"] if isinstance(found["Action"], list) else [found["Action"]]
            assert not [action for action in actions if "*" in action], f"{path.name}: {found}"


def test_what_a_template_imports_another_exports() -> None:
    exported, imported = set(), set()
    for path in TEMPLATES:
        template = load(path.name)
        exported |= {each["Export"]["Name"]["Sub"] for each in template.get("Outputs", {}).values()}
        imported |= {
            next(iter(found["ImportValue"].values()))
            for found in within(template)
            if isinstance(found, dict) and "ImportValue" in found
        }

    assert imported - exported == set()


def test_each_function_has_a_role_of_its_own() -> None:
    stages = set(json.loads((ROOT / "zappa_settings.json").read_text())) - {"base"}

    roles = resources(load("roles.yaml"), "AWS::IAM::Role").values()

    named = {role["Properties"]["RoleName"]["Sub"] for role in roles}
    assert named == {f"channels-hub-${{Stage}}-{stage.replace('_', '-')}" for stage in stages}


def test_each_queue_has_an_alarm_on_its_age_or_on_what_it_buries() -> None:
    watched = {
        (alarm["Properties"]["MetricName"], alarm["Properties"]["Dimensions"][0]["Value"]["Sub"])
        for alarm in resources(load("alarms.yaml"), "AWS::CloudWatch::Alarm").values()
        if alarm["Properties"]["Namespace"] == "AWS/SQS"
    }

    expected = {
        (metric, f"${{Prefix}}{name}")
        for name in queue_properties()
        for metric in (METRICS_OF_DEAD_ONES if "-dead" in name else ["ApproximateAgeOfOldestMessage"])
    }
    assert watched == expected


def test_boxes_scale_at_what_the_simulation_finds_for_their_size() -> None:
    sizes = load("llm.yaml")["Mappings"]["Sizes"]

    for name, kind in read_speeds().kinds.items():
        if name in sizes:
            found = round(kind.speed.load_at(USED_SHARE), 1)
            assert (name, float(sizes[name]["RequestsPerBox"])) == (name, found)
            assert int(sizes[name]["Slots"]) == kind.speed.slots
            assert int(sizes[name]["Held"]) >= 2 * kind.speed.slots


def test_a_box_counts_for_the_scaling_from_when_it_answers() -> None:
    group = load("llm.yaml")["Resources"]["Boxes"]["Properties"]

    assert group["DefaultInstanceWarmup"] == max(kind.start_seconds for kind in read_speeds().kinds.values())


def test_boxes_keep_as_many_prompts_as_the_simulation_has_them_keep() -> None:
    sizes = load("llm.yaml")["Mappings"]["Sizes"]
    boxes = tomllib.loads((DATA / "speeds.toml").read_text())["boxes"]

    for name, size in sizes.items():
        assert (name, int(size["SpillGib"])) == (name, boxes[name]["spill_gib"])
        assert int(size["SpillGib"]) <= int(size["DiskGib"]) / 2


def test_the_archive_is_compiled_for_a_gpu_where_a_size_has_one() -> None:
    sizes = load("llm.yaml")["Mappings"]["Sizes"]

    assert {name: recipe is GPU for name, recipe in RECIPES.items()} == {
        name: size["Gpu"] == "true" for name, size in sizes.items()
    }


def test_the_archive_is_compiled_for_the_processors_of_a_size() -> None:
    sizes = load("llm.yaml")["Mappings"]["Sizes"]
    options = {"c7i": "sapphire_rapids.cmake", "g6": "cuda.cmake"}

    for name, recipe in RECIPES.items():
        family = sizes[name]["InstanceType"].partition(".")[0]
        assert recipe.options.name == options[family], name


def test_an_llm_box_is_told_what_its_services_are_told() -> None:
    user_data = load("llm.yaml")["Resources"]["Template"]["Properties"]["LaunchTemplateData"]["UserData"]
    script = user_data["Fn::Base64"]["Sub"][0]

    assert [name for name in OF_THE_BOX if f" {name}=" not in script] == []


def test_whoever_deploys_may_look_up_the_image_of_every_box() -> None:
    [allowed] = [
        found["Resource"]
        for found in within(load("ops.yaml"))
        if isinstance(found, dict) and found.get("Action") == "ssm:GetParameters"
    ]
    images = [
        parameter["Default"]
        for name in ("llm", "ops")
        for parameter in load(f"{name}.yaml")["Parameters"].values()
        if parameter["Type"].startswith("AWS::SSM::Parameter::Value")
    ]

    patterns = [each["Sub"].partition(":parameter")[2] for each in allowed]
    assert len(images) == 3
    assert [image for image in images if not any(fnmatch(image, each) for each in patterns)] == []


@pytest.mark.parametrize("template", ["llm", "ops"])
def test_boxes_run_the_python_of_the_functions(template: str) -> None:
    """The wheels that a box installs are built by the Python that builds the functions' packages."""
    image = load(f"{template}.yaml")["Parameters"]["Image"]["Default"]

    python_of = {"ubuntu/server/24.04": "python3.12"}
    assert [python for name, python in python_of.items() if name in image] == [wanted()]


def test_a_box_goes_only_once_the_next_one_answers() -> None:
    boxes = load("llm.yaml")["Resources"]["Boxes"]
    update = boxes["UpdatePolicy"]["AutoScalingRollingUpdate"]

    assert (update["WaitOnResourceSignals"], update["MinInstancesInService"]) == (True, 1)
    assert boxes["CreationPolicy"]["ResourceSignal"]["Count"] == {"Ref": "MinBoxes"}
    assert GROUP in load("llm.yaml")["Resources"]
    assert PATIENCE_SECONDS < 15 * 60, "CloudFormation would have given up"
    assert load("llm.yaml")["Parameters"]["MaxBoxes"]["MinValue"] > update["MinInstancesInService"]


@pytest.mark.parametrize(
    ("secret", "readers"),
    [
        ("settings", {"roles Common", "ops Common", "ops Deploying"}),
        ("database", {"roles Common", "ops Common"}),
        ("admin", {"roles Manage"}),
        ("llm", {"llm Role"}),
        ("deploys", {"ops DeploysRole"}),
    ],
)
def test_a_secret_is_read_only_by_who_needs_it(secret: str, readers: set[str]) -> None:
    """roles Common is every function's policy, ops Common that of both ops boxes."""
    found = {
        f"{template} {name}"
        for template in ("roles", "llm", "ops")
        for name, resource in load(f"{template}.yaml")["Resources"].items()
        if resource["Type"].startswith("AWS::IAM::")
        for each in within(resource)
        if each == {"Fn::Sub": f"channels-hub-${{Stage}}-{secret}-secret"}
    }

    assert found == readers
