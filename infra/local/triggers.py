"""The Lambda functions of zappa_settings.json and what triggers them, as the local runner needs them."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from infra.local.environment import ROOT
from infra.local.errors import TriggerError

SETTINGS_FILE = ROOT / "zappa_settings.json"
ACCOUNT_ID = "000000000000"
MAX_BATCH_SIZE = 10  # of SQS, without a batching window
_RATE = re.compile(r"rate\((?P<count>[1-9]\d*) (?P<unit>minute|minutes|hour|hours|day|days)\)")
_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}

Handler = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class QueueTrigger:
    """An SQS queue that a function is fed from, up to `batch_size` messages at a time."""

    arn: str
    batch_size: int

    @property
    def queue_name(self) -> str:
        return self.arn.rsplit(":", 1)[1]

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]


@dataclass(frozen=True)
class ScheduleTrigger:
    """A rule of EventBridge that invokes a function each `interval_seconds`."""

    expression: str
    interval_seconds: float


Trigger = QueueTrigger | ScheduleTrigger


@dataclass(frozen=True)
class Function:
    """One stage of zappa_settings.json with a plain handler: what AWS would know as a Lambda function."""

    stage: str
    name: str
    handler: str
    region: str
    timeout_seconds: float
    memory_mb: int
    environment: Mapping[str, str]
    triggers: tuple[Trigger, ...] = ()

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{ACCOUNT_ID}:function:{self.name}"

    def load(self) -> Handler:
        """Import the handler."""
        module, _, attribute = self.handler.rpartition(".")
        handler: Handler = getattr(import_module(module), attribute)
        return handler


def load_functions(path: Path = SETTINGS_FILE, queue_prefix: str = "") -> dict[str, Function]:
    """The functions with a `lambda_handler`, by stage; `queue_prefix` goes in front of each queue's name."""
    stages: dict[str, dict[str, Any]] = json.loads(path.read_text())
    settings = {stage: with_base(stages, stage) for stage in stages}
    return {
        stage: _function(stage, values, queue_prefix)
        for stage, values in settings.items()
        if "lambda_handler" in values
    }


def with_base(stages: Mapping[str, dict[str, Any]], stage: str) -> dict[str, Any]:
    """A stage on top of the one it extends. As in Zappa, a key replaces the extended key whole."""
    values = stages[stage]
    if "extends" not in values:
        return values
    if values["extends"] not in stages:
        raise TriggerError(f"zappa_settings.json: {stage} extends {values['extends']}, which is not there.")
    return {**with_base(stages, values["extends"]), **values}


def _function(stage: str, values: Mapping[str, Any], queue_prefix: str) -> Function:
    function = Function(
        stage=stage,
        name=f"{values['project_name']}-{stage}".replace("_", "-"),
        handler=values["lambda_handler"],
        region=values["aws_region"],
        timeout_seconds=values["timeout_seconds"],
        memory_mb=values["memory_size"],
        environment=values.get("aws_environment_variables", {}),
    )
    return replace(function, triggers=tuple(_triggers(stage, values.get("events", ()), queue_prefix)))


def _triggers(stage: str, events: Iterable[Mapping[str, Any]], queue_prefix: str) -> Iterable[Trigger]:
    for event in events:
        if "expression" in event:
            if event.get("enabled", True):
                yield _schedule(stage, event["expression"])
        elif ":sqs:" in event.get("event_source", {}).get("arn", ""):
            if event["event_source"].get("enabled", True):
                yield _queue(stage, event["event_source"], queue_prefix)
        else:
            raise TriggerError(f"zappa_settings.json: {stage} has an event that is no rate and no SQS queue.")


def _schedule(stage: str, expression: str) -> ScheduleTrigger:
    match = _RATE.fullmatch(expression)
    if not match:
        raise TriggerError(
            f"zappa_settings.json: {stage} has the schedule {expression!r}, and the local runner knows only "
            "rates, such as rate(1 minute)."
        )
    seconds = int(match["count"]) * _SECONDS[match["unit"].rstrip("s")]
    return ScheduleTrigger(expression=expression, interval_seconds=seconds)


def _queue(stage: str, source: Mapping[str, Any], queue_prefix: str) -> QueueTrigger:
    batch_size = source.get("batch_size", MAX_BATCH_SIZE)
    if not 1 <= batch_size <= MAX_BATCH_SIZE:
        raise TriggerError(f"zappa_settings.json: {stage} has a batch_size of {batch_size}: use 1 to 10.")
    head, _, queue = source["arn"].rpartition(":")
    return QueueTrigger(arn=f"{head}:{queue_prefix}{queue}", batch_size=batch_size)
