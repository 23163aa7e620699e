"""The queues of infra/queues.yaml (and the S3 bucket, if one is set) in the emulator of AWS.

Runs at each start and after each restart of the emulator, which may have lost all it held: what is there is
updated, what is missing is made anew.
"""

import os
import re
import sys
import time
from typing import TYPE_CHECKING

import boto3
import yaml
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.local.environment import ROOT, load_environment
from infra.local.errors import QueueError, StackError

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_cloudformation.type_defs import ParameterTypeDef

TEMPLATE = ROOT / "infra" / "queues.yaml"
STACK_TIMEOUT_SECONDS = 60
_CONFIG = Config(connect_timeout=2, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 3})


class TemplateLoader(yaml.SafeLoader):
    """Reads CloudFormation's short forms (`!Sub x`, `!If [a, b, c]`) as what is after the tag."""


def _without_tag(loader: TemplateLoader, tag: str, node: yaml.Node) -> object:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.MappingNode)  # there is no other kind
    return loader.construct_mapping(node, deep=True)


TemplateLoader.add_multi_constructor("!", _without_tag)


def queue_properties(prefix: str = "") -> dict[str, dict[str, object]]:
    """The queues of the template by name: their CloudFormation properties."""
    template = yaml.load(TEMPLATE.read_text(), TemplateLoader)  # noqa: S506 - a SafeLoader underneath
    properties = [resource["Properties"] for resource in template["Resources"].values()]
    return {each["QueueName"].replace("${Prefix}", prefix): each for each in properties}


def apply_queues(prefix: str = "") -> None:
    """Make or update the stack of queues, and make it anew where the emulator has lost one of them."""
    client = boto3.client("cloudformation", config=_CONFIG)
    # A stack name takes letters, digits and hyphens; a prefix may hold an underscore too.
    stack = re.sub(r"[^A-Za-z0-9-]", "-", f"channels-hub-queues-{prefix}").rstrip("-")
    if _status(client, stack) and _missing(prefix):
        client.delete_stack(StackName=stack)
        _settle(client, stack)
    if _status(client, stack):
        _update(client, stack, prefix)
    else:
        client.create_stack(
            StackName=stack, TemplateBody=TEMPLATE.read_text(), Parameters=_parameters(prefix)
        )
    status = _settle(client, stack)
    missing = _missing(prefix)
    if missing or not status.endswith("_COMPLETE") or "ROLLBACK" in status:
        raise QueueError(
            f"The queues could not be made (stack {stack} is {status or 'absent'}; missing: "
            f"{', '.join(sorted(missing)) or 'none'}): look at the log of aws, then start again."
        )


def apply_bucket(name: str) -> None:
    """Make the bucket of the console's files, unless it is there."""
    client = boto3.client("s3", config=_CONFIG)
    try:
        client.head_bucket(Bucket=name)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        client.create_bucket(Bucket=name)


def apply() -> None:
    """Queues and bucket as the environment names them."""
    try:
        apply_queues(os.environ.get("HUB_QUEUE_PREFIX", ""))
        if bucket := os.environ.get("HUB_STORAGE_BUCKET"):
            apply_bucket(bucket)
    except (BotoCoreError, ClientError) as error:
        endpoint = os.environ.get("AWS_ENDPOINT_URL", "AWS")
        raise QueueError(f"The queues could not be made at {endpoint}: {error}") from error


def _parameters(prefix: str) -> list["ParameterTypeDef"]:
    return [{"ParameterKey": "Prefix", "ParameterValue": prefix}]


def _update(client: "CloudFormationClient", stack: str, prefix: str) -> None:
    try:
        client.update_stack(
            StackName=stack, TemplateBody=TEMPLATE.read_text(), Parameters=_parameters(prefix)
        )
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise


def _status(client: "CloudFormationClient", stack: str) -> str:
    try:
        return client.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
    except ClientError as error:
        if "does not exist" in str(error):
            return ""
        raise


def _settle(client: "CloudFormationClient", stack: str) -> str:
    """Wait until CloudFormation is done with the stack; its status then, "" once deleted."""
    deadline = time.monotonic() + STACK_TIMEOUT_SECONDS
    while (status := _status(client, stack)).endswith("_IN_PROGRESS") and time.monotonic() < deadline:
        time.sleep(0.1)
    return "" if status == "DELETE_COMPLETE" else status


def _missing(prefix: str) -> set[str]:
    client = boto3.client("sqs", config=_CONFIG)
    pages = client.get_paginator("list_queues").paginate(QueueNamePrefix=prefix)
    urls = [url for page in pages for url in page.get("QueueUrls", [])]
    return set(queue_properties(prefix)) - {url.rsplit("/", 1)[1] for url in urls}


if __name__ == "__main__":
    load_environment()
    try:
        apply()
    except StackError as problem:
        sys.exit(str(problem))
