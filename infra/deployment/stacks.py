"""The CloudFormation stacks of a stage: one for each template of infra/ that its file names."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from botocore.exceptions import ClientError

from hub_lambdas.sentences import stored
from infra.deployment.clients import Clients
from infra.deployment.errors import StackError
from infra.deployment.stage import Stage
from infra.local.environment import ROOT
from infra.local.queues import TemplateLoader

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_cloudformation.type_defs import StackTypeDef

TEMPLATES = ROOT / "infra"
PATIENCE_SECONDS = 120 * 60
"""A database takes a quarter of an hour, and eight LLM boxes that are replaced one by one an hour or more."""
_LONGEST_PAUSE_SECONDS = 5.0


class Stacks:
    """Makes and updates the stacks of one stage. Each method raises StackError."""

    def __init__(self, stage: Stage, clients: Clients) -> None:
        self._stage = stage
        self._client: CloudFormationClient = clients.client("cloudformation")

    def apply(self, template: str, archive: str = "", folder: Path = TEMPLATES) -> bool:
        """Make or update the stack of one template; whether anything was to be done. `archive`: the key of
        what LLM boxes run."""
        name = f"{self._stage.project}-{template}"
        body = (folder / f"{template}.yaml").read_text()
        found = self._settle(name)
        if found and found["StackStatus"] in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED"):
            # A first attempt that failed: CloudFormation wants it out of the way.
            self._client.delete_stack(StackName=name)
            found = self._settle(name)
        request: Any = {
            "StackName": name,
            "TemplateBody": body,
            "Parameters": [
                {"ParameterKey": key, "ParameterValue": value}
                for key, value in self._parameters(template, body, archive).items()
            ],
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
        }
        try:
            if found:
                self._client.update_stack(**request)
            else:
                self._client.create_stack(**request)
        except ClientError as error:
            if "No updates are to be performed" in str(error):
                return False
            raise StackError(f"{template}.yaml: {error}") from error
        self._expect_success(template, name)
        return True

    def exists(self, template: str) -> bool:
        return self._find(f"{self._stage.project}-{template}") is not None

    def exports(self) -> dict[str, str]:
        """What the stacks export, without the stage's name in front."""
        return dict(self._exports())

    def resource_id(self, stack: str, resource: str) -> str | None:
        """The id that AWS gave to a resource of a stack, None where there is none."""
        if self._settle(stack) is None:
            return None
        try:
            found = self._client.describe_stack_resource(StackName=stack, LogicalResourceId=resource)
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        return found["StackResourceDetail"].get("PhysicalResourceId")

    def delete(self, stack: str) -> None:
        """Delete a stack, if there is one of this name."""
        self._client.delete_stack(StackName=stack)

    def _exports(self) -> Iterator[tuple[str, str]]:
        for template in self._stage.stacks:
            found = self._find(f"{self._stage.project}-{template}")
            for output in found.get("Outputs", []) if found else []:
                if name := output.get("ExportName"):
                    yield name.removeprefix(f"{self._stage.project}-"), output["OutputValue"]

    def _parameters(self, template: str, body: str, archive: str) -> dict[str, str]:
        declared = yaml.load(body, TemplateLoader).get("Parameters", {})  # noqa: S506 - a SafeLoader underneath
        known: Mapping[str, Any] = {
            "Stage": self._stage.name,
            "Prefix": self._stage.queue_prefix,
            "Archive": archive,
            **self._stage.stacks[template],
        }
        return {name: str(known[name]) for name in declared if name in known}

    def _expect_success(self, template: str, name: str) -> None:
        found = self._settle(name)
        status = found["StackStatus"] if found else "absent"
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise StackError(
                stored(
                    "%(template)s.yaml could not be applied, stack %(name)s is %(status)s: %(reason)s",
                    template=template,
                    name=name,
                    status=status,
                    reason=self._reason(name),
                )
            )

    def _reason(self, name: str) -> str:
        """Why it failed: what CloudFormation said of the first resource that did."""
        events = self._client.describe_stack_events(StackName=name)["StackEvents"]
        for each in reversed(events):
            if each.get("ResourceStatus", "").endswith("_FAILED"):
                return (
                    f"{each.get('LogicalResourceId')}: {each.get('ResourceStatusReason', 'no reason given')}"
                )
        return stored("see its events in the console of CloudFormation.")

    def _find(self, name: str) -> "StackTypeDef | None":
        try:
            found = self._client.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        return None if found["StackStatus"] == "DELETE_COMPLETE" else found

    def _settle(self, name: str) -> "StackTypeDef | None":
        """The stack, once CloudFormation is done with it."""
        deadline, pause_seconds = time.monotonic() + PATIENCE_SECONDS, 0.1
        while (found := self._find(name)) and found["StackStatus"].endswith("_IN_PROGRESS"):
            if time.monotonic() > deadline:
                raise StackError(
                    stored(
                        "Stack %(name)s is %(status)s for %(minutes)s minutes.",
                        name=name,
                        status=found["StackStatus"],
                        minutes=PATIENCE_SECONDS // 60,
                    )
                )
            time.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
        return found
