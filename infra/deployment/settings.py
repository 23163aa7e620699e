"""Zappa's settings of a whole stage, made of zappa_settings.json, the stage's file and what its stacks
export."""

import copy
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infra.deployment.stage import Stage
from infra.local.triggers import SETTINGS_FILE, with_base
from infra.packages.runtime import here

MANAGE = "manage"
"""The function that runs commands of manage.py: it gets a release before the others, to migrate, and alone
reads the first account's password."""
Settings = Mapping[str, Mapping[str, Any]]
"""What Zappa is told of each function. A function of ours is a stage of Zappa's."""


@dataclass(frozen=True)
class Facts:
    """What is known only once something of the stage is there. `exports`: of its stacks, without the stage's
    name in front. `addresses`: of the functions that answer HTTP."""

    exports: Mapping[str, str]
    addresses: Mapping[str, str]


def read_functions(path: Path = SETTINGS_FILE) -> Settings:
    """The functions of zappa_settings.json, each on top of what it extends."""
    stages: dict[str, dict[str, Any]] = json.loads(path.read_text())
    return {name: with_base(stages, name) for name in stages if name != "base"}


def expand(functions: Settings, stage: Stage, facts: Facts, release: str) -> dict[str, dict[str, Any]]:
    """The settings with which Zappa puts each function of `release` on a stage."""
    return {name: _function(name, values, stage, facts, release) for name, values in functions.items()}


def is_http(values: Mapping[str, Any]) -> bool:
    return bool(values.get("apigateway_enabled"))


def _function(
    name: str, values: Mapping[str, Any], stage: Stage, facts: Facts, release: str
) -> dict[str, Any]:
    made = {key: copy.deepcopy(value) for key, value in values.items() if key != "extends"}
    made |= stage.functions.get(name, {})
    made["project_name"] = stage.project
    made["lambda_description"] = f"channels-hub, release {release}"
    made["aws_region"] = stage.region
    if stage.emulator:
        made["runtime"] = here()  # where it is built it runs
    made["s3_bucket"] = stage.releases_bucket
    made["role_arn"] = f"arn:aws:iam::{stage.account}:role/{stage.function_name(name)}"
    made["vpc_config"] = _network(facts.exports)
    made["aws_environment_variables"] |= _environment(stage, facts, release)
    if name == MANAGE:
        made["aws_environment_variables"]["HUB_SECRETS"] = f"{stage.secret},{stage.admin_secret}"
    for event in made.get("events", ()):
        if source := event.get("event_source"):
            queue = source["arn"].rpartition(":")[2]
            source["arn"] = f"arn:aws:sqs:{stage.region}:{stage.account}:{stage.queue_prefix}{queue}"
    return made


def guard(settings: Settings, safe: Collection[tuple[str, str]]) -> dict[str, dict[str, Any]]:
    """The settings with every trigger off but those of `safe`, (function, queue): Zappa makes one that
    deletes what its function reports as failed, and it must not run before that is mended."""
    guarded: dict[str, dict[str, Any]] = copy.deepcopy(dict(settings))  # type: ignore[arg-type]
    for function, values in guarded.items():
        for event in values.get("events", ()):
            if source := event.get("event_source"):
                source["enabled"] = (function, source["arn"].rpartition(":")[2]) in safe
    return guarded


def fingerprint(values: Mapping[str, Any]) -> str:
    """Of what a function is given: it names the release and with it the package."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _network(exports: Mapping[str, str]) -> dict[str, list[str]]:
    if "private-subnets" not in exports:
        return {}
    return {
        "SubnetIds": exports["private-subnets"].split(","),
        "SecurityGroupIds": [exports["functions-group"]],
    }


def _environment(stage: Stage, facts: Facts, release: str) -> dict[str, str]:
    values = {
        "HUB_STAGE": stage.name,
        "HUB_SECRETS": stage.secret,
        "HUB_QUEUE_PREFIX": stage.queue_prefix,
        "HUB_STORAGE_BUCKET": stage.files_bucket,
        "HUB_STATIC_URL": stage.static_url(release),
    }
    if "database-secret" in facts.exports:
        values["HUB_DATABASE_SECRET"] = facts.exports["database-secret"]
        values["HUB_DATABASE_HOST"] = facts.exports["database-host"]
    if "requests-per-box" in facts.exports:
        values["HUB_LLM_REQUESTS_PER_BOX"] = facts.exports["requests-per-box"]
    if webhook := stage.webhook_url or facts.addresses.get("webhook"):
        values["HUB_WEBHOOK_URL"] = webhook
    if console := stage.console_url or facts.addresses.get("console"):
        values["HUB_CONSOLE_URL"] = console
        values["HUB_ALLOWED_HOSTS"] = urlsplit(console).hostname or ""
    return {**values, **stage.environment}
