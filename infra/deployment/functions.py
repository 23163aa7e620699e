"""The functions of a stage on AWS Lambda, and what triggers them: what Zappa leaves to others."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from hub_lambdas.sentences import stored
from infra.deployment.clients import Clients
from infra.deployment.errors import TriggerError
from infra.deployment.settings import Settings
from infra.deployment.stage import Stage

REPORTS = "ReportBatchItemFailures"
"""Without it Lambda deletes the messages that a function reports as failed. Zappa 0.63 never sets it."""
MARK = "channels-hub:state"
"""The tag that says what a function was given last, package and settings."""
PATIENCE_SECONDS = 120.0
LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Trigger:
    """A queue that feeds a function, as it is (with the `id` that Lambda gave it) or as it should be."""

    function: str
    queue: str
    batch_size: int
    id: str = ""
    is_safe: bool = True
    is_enabled: bool = True

    @property
    def key(self) -> tuple[str, str]:
        return self.function, self.queue


def wanted_triggers(settings: Settings) -> list[Trigger]:
    """The triggers that the settings of a stage name, by the functions' names there."""
    return [
        Trigger(
            function, event["event_source"]["arn"].rpartition(":")[2], event["event_source"]["batch_size"]
        )
        for function, values in settings.items()
        for event in values.get("events", ())
        if "event_source" in event
    ]


@dataclass(frozen=True)
class Changes:
    """What makes of the triggers that are those that should be."""

    made: Sequence[Trigger]
    mended: Sequence[Trigger]
    removed: Sequence[Trigger]


def compare(wanted: Collection[Trigger], found: Collection[Trigger]) -> Changes:
    """A second trigger of the same queue and function is one too many."""
    by_key: dict[tuple[str, str], Trigger] = {}
    for each in found:
        by_key.setdefault(each.key, each)
    keys = {each.key for each in wanted}
    return Changes(
        made=[each for each in wanted if each.key not in by_key],
        mended=[
            Trigger(each.function, each.queue, each.batch_size, by_key[each.key].id)
            for each in wanted
            if each.key in by_key and _differs(each, by_key[each.key])
        ],
        removed=[each for each in found if each.key not in keys or by_key[each.key] is not each],
    )


def _differs(wanted: Trigger, found: Trigger) -> bool:
    return not found.is_safe or not found.is_enabled or found.batch_size != wanted.batch_size


class Functions:
    """The functions of one stage."""

    def __init__(self, stage: Stage, clients: Clients) -> None:
        self._stage = stage
        self._lambda: Any = clients.client("lambda")
        self._events: Any = clients.client("events")

    def names(self) -> set[str]:
        """Those that are there, by their whole names."""
        pages = self._lambda.get_paginator("list_functions").paginate()
        found = {function["FunctionName"] for page in pages for function in page["Functions"]}
        return {name for name in found if name.startswith(f"{self._stage.project}-")}

    def mark(self, function: str) -> str:
        """What it was given last; "" where that is not known."""
        tags = self._lambda.list_tags(Resource=self._arn(function))["Tags"]
        return str(tags.get(MARK, ""))

    def set_mark(self, function: str, mark: str) -> None:
        self._lambda.tag_resource(Resource=self._arn(function), Tags={MARK: mark})

    def triggers(self) -> list[Trigger]:
        """All that there are, whichever function of the stage they feed."""
        return [*self._triggers()]

    def set_triggers(self, wanted: Sequence[Trigger]) -> Changes:
        """Make the triggers what they should be, and see that they are. Raises TriggerError."""
        changes = compare(wanted, self.triggers())
        for each in changes.removed:
            self._lambda.delete_event_source_mapping(UUID=each.id)
        for each in changes.mended:
            self._wait_until_still(each)
            self._lambda.update_event_source_mapping(UUID=each.id, **_as_it_should_be(each))
        for each in changes.made:
            self._lambda.create_event_source_mapping(
                FunctionName=self._stage.function_name(each.function),
                EventSourceArn=self._queue_arn(each.queue),
                **_as_it_should_be(each),
            )
        self._verify(wanted)
        return changes

    def expect_schedules(self, settings: Settings) -> int:
        """See that each function with a schedule is called by it; how many there are. Raises TriggerError."""
        scheduled = [
            name for name, values in settings.items() if any(map(_is_schedule, values.get("events", ())))
        ]
        for function in scheduled:
            rules = self._rules(self._stage.function_name(function))
            states = {self._events.describe_rule(Name=rule)["State"] for rule in rules}
            if states != {"ENABLED"}:
                raise TriggerError(
                    stored(
                        "Nothing calls %(function)s by its schedule: see the rules of EventBridge, deploy "
                        "again.",
                        function=function,
                    )
                )
        return len(scheduled)

    def remove(self, name: str) -> None:
        """Remove a function, with what triggers it."""
        for trigger in self.triggers():
            if self._stage.function_name(trigger.function) == name:
                self._lambda.delete_event_source_mapping(UUID=trigger.id)
        for rule in self._rules(name):
            targets = self._events.list_targets_by_rule(Rule=rule)["Targets"]
            self._events.remove_targets(Rule=rule, Ids=[target["Id"] for target in targets])
            self._events.delete_rule(Name=rule)
        self._lambda.delete_function(FunctionName=name)

    def _arn(self, function: str) -> str:
        return self._arn_of(self._stage.function_name(function))

    def _arn_of(self, name: str) -> str:
        return f"arn:aws:lambda:{self._stage.region}:{self._stage.account}:function:{name}"

    def _queue_arn(self, queue: str) -> str:
        return f"arn:aws:sqs:{self._stage.region}:{self._stage.account}:{queue}"

    def _rules(self, name: str) -> list[str]:
        found: list[str] = self._events.list_rule_names_by_target(TargetArn=self._arn_of(name))["RuleNames"]
        return found

    def _triggers(self) -> Iterator[Trigger]:
        own = f"{self._stage.project}-"
        for page in self._lambda.get_paginator("list_event_source_mappings").paginate():
            for each in page["EventSourceMappings"]:
                name = each["FunctionArn"].split(":")[6]
                if name.startswith(own) and ":sqs:" in each["EventSourceArn"] and each["State"] != "Deleting":
                    yield _trigger(name.removeprefix(own).replace("-", "_"), each)

    def _wait_until_still(self, trigger: Trigger) -> None:
        """Lambda takes no change of a trigger while it carries out another."""
        _wait(
            lambda: not self._state(trigger).endswith("ing"),
            stored("The trigger of %(function)s does not settle", function=trigger.function),
        )

    def _state(self, trigger: Trigger) -> str:
        return str(self._lambda.get_event_source_mapping(UUID=trigger.id)["State"])

    def _verify(self, wanted: Sequence[Trigger]) -> None:
        def is_done() -> bool:
            changes = compare(wanted, self.triggers())
            return not (changes.made or changes.mended or changes.removed)

        try:
            _wait(is_done, stored("The triggers are not what they should be"))
        except ClientError as error:
            raise TriggerError(
                stored("The triggers could not be looked at: %(error)s", error=error)
            ) from error


def _as_it_should_be(trigger: Trigger) -> dict[str, Any]:
    return {"BatchSize": trigger.batch_size, "Enabled": True, "FunctionResponseTypes": [REPORTS]}


def _is_schedule(event: Mapping[str, Any]) -> bool:
    return "expression" in event


def _trigger(function: str, said: Mapping[str, Any]) -> Trigger:
    return Trigger(
        function=function,
        queue=said["EventSourceArn"].rpartition(":")[2],
        batch_size=said["BatchSize"],
        id=said["UUID"],
        is_safe=REPORTS in said.get("FunctionResponseTypes", []),
        is_enabled=said["State"] == "Enabled",
    )


def _wait(condition: Callable[[], bool], problem: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TriggerError(
                stored(
                    "%(problem)s: see the triggers of the functions on AWS, and deploy again.",
                    problem=problem,
                )
            )
        time.sleep(LOOK_SECONDS)
