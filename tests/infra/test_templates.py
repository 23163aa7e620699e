"""The CloudFormation templates against each other and against what is deployed with them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.local.environment import ROOT
from infra.local.queues import queue_properties

TEMPLATES = sorted((ROOT / "infra").glob("*.yaml"))


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
        (
            "NumberOfMessagesReceived" if "-dead" in name else "ApproximateAgeOfOldestMessage",
            f"${{Prefix}}{name}",
        )
        for name in queue_properties()
    }
    assert watched == expected
