"""zappa_settings.json as the local runner reads it."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.local.errors import TriggerError
from infra.local.queues import queue_properties
from infra.local.triggers import SETTINGS_FILE, QueueTrigger, ScheduleTrigger, load_functions

DEAD = ["dm-inbound-dead.fifo", "dm-outbound-dead.fifo", "wakeups-dead", "llm-requests-dead"]
DEAD += ["llm-replies-dead", "console-jobs-dead", "deploys-dead", "errands-dead"]


def queues_of(stage: str) -> list[str]:
    triggers = load_functions()[stage].triggers
    return [trigger.queue_name for trigger in triggers if isinstance(trigger, QueueTrigger)]


def write(folder: Path, **stage: Any) -> Path:
    base = {"project_name": "p", "aws_region": "eu-west-1", "timeout_seconds": 3, "memory_size": 128}
    path = folder / "zappa_settings.json"
    path.write_text(json.dumps({"base": base, "one": {"extends": "base", "lambda_handler": "m.h", **stage}}))
    return path


@pytest.mark.parametrize(
    ("stage", "names"),
    [
        ("inbound", ["dm-inbound.fifo"]),
        ("wakeups", ["wakeups"]),
        ("replies", ["llm-replies"]),
        ("outbound", ["dm-outbound.fifo"]),
        ("errands", ["errands"]),
        ("dead_letters", DEAD),
        ("webhook", []),
    ],
)
def test_each_function_has_its_queues(stage: str, names: list[str]) -> None:
    assert queues_of(stage) == names
    assert load_functions()[stage].handler == f"hub_lambdas.{stage}.handler"


def test_sweep_runs_each_minute() -> None:
    assert load_functions()["sweep"].triggers == (ScheduleTrigger("rate(1 minute)", 60),)


def test_the_console_is_no_function_of_the_runner() -> None:
    assert "console" not in load_functions()


def test_every_fed_queue_exists_and_hides_a_message_longer_than_its_function_runs() -> None:
    properties = queue_properties()

    for function in load_functions().values():
        for trigger in function.triggers:
            if isinstance(trigger, QueueTrigger):
                visibility_seconds = properties[trigger.queue_name]["VisibilityTimeout"]
                assert isinstance(visibility_seconds, int)
                assert visibility_seconds > function.timeout_seconds


def test_the_prefix_goes_in_front_of_every_queue() -> None:
    (trigger,) = load_functions(queue_prefix="a-")["inbound"].triggers

    assert isinstance(trigger, QueueTrigger)
    assert trigger.arn == "arn:aws:sqs:us-east-1:000000000000:a-dm-inbound.fifo"


def test_no_stage_keeps_a_default_of_zappa_that_is_unsafe_here() -> None:
    stages = json.loads(SETTINGS_FILE.read_text())
    base = stages.pop("base")

    for name, stage in stages.items():
        settled = {**base, **stage}
        assert settled["debug"] is False
        assert settled["keep_warm"] is False
        assert settled["manage_roles"] is False
        assert settled["use_precompiled_packages"] is False
        assert settled["apigateway_enabled"] is (name in ("webhook", "console"))


def test_a_stage_replaces_a_whole_key_of_the_one_it_extends(tmp_path: Path) -> None:
    path = write(tmp_path, aws_environment_variables={"A": "1"})

    function = load_functions(path)["one"]

    assert (function.name, function.environment) == ("p-one", {"A": "1"})
    assert function.arn == "arn:aws:lambda:eu-west-1:000000000000:function:p-one"


@pytest.mark.parametrize(
    ("expression", "seconds"), [("rate(1 minute)", 60), ("rate(5 minutes)", 300), ("rate(2 hours)", 7200)]
)
def test_rates(tmp_path: Path, expression: str, seconds: int) -> None:
    path = write(tmp_path, events=[{"function": "m.h", "expression": expression}])

    assert load_functions(path)["one"].triggers == (ScheduleTrigger(expression, seconds),)


@pytest.mark.parametrize("expression", ["cron(0 10 * * ? *)", "rate(0 minutes)", "rate(1 fortnight)", ""])
def test_another_schedule_is_refused_at_the_start(tmp_path: Path, expression: str) -> None:
    path = write(tmp_path, events=[{"function": "m.h", "expression": expression}])

    with pytest.raises(TriggerError, match="knows only rates"):
        load_functions(path)


@pytest.mark.parametrize("batch_size", [0, 11])
def test_a_batch_size_that_sqs_does_not_give_is_refused(tmp_path: Path, batch_size: int) -> None:
    source = {"arn": "arn:aws:sqs:eu-west-1:000000000000:q", "batch_size": batch_size}

    with pytest.raises(TriggerError, match="use 1 to 10"):
        load_functions(write(tmp_path, events=[{"function": "m.h", "event_source": source}]))


def test_an_event_of_another_service_is_refused(tmp_path: Path) -> None:
    source = {"arn": "arn:aws:sns:eu-west-1:000000000000:t"}

    with pytest.raises(TriggerError, match="no rate and no SQS queue"):
        load_functions(write(tmp_path, events=[{"function": "m.h", "event_source": source}]))


def test_a_trigger_that_is_switched_off_is_left_out(tmp_path: Path) -> None:
    source = {"arn": "arn:aws:sqs:eu-west-1:000000000000:q", "enabled": False}

    assert (
        load_functions(write(tmp_path, events=[{"function": "m.h", "event_source": source}]))["one"].triggers
        == ()
    )
