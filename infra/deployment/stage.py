"""A stage: infra/stages/NAME.yaml. Where it is, how large it is, and what everything in it is called."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from hub_lambdas.sentences import stored
from infra.deployment.errors import StageError
from infra.local.environment import ROOT

FOLDER = ROOT / "infra" / "stages"
_NAME = re.compile(r"[a-z][a-z0-9]{0,15}")
_ACCOUNT = re.compile(r"[0-9]{12}")
_NEEDED = {"region", "account", "stacks"}
_KEYS = {
    *_NEEDED,
    *("environment", "functions", "webhook_url", "console_url", "answer_within_seconds", "emulator"),
    "needs_approval",
}


@dataclass(frozen=True)
class Emulator:
    """Where the stand-ins for AWS and for an LLM box listen on this machine."""

    port: int
    llm_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True)
class Stage:
    """`stacks`: the templates of infra/ by name with their parameters, each after those it stands on.
    `functions`: what zappa_settings.json says otherwise of a function. `webhook_url`, `console_url`: own
    domains, where the stage has any. `answer_within_seconds`: what the smoke test demands. `needs_approval`:
    a deploy from the console waits for a second person."""

    name: str
    region: str
    account: str
    stacks: Mapping[str, Mapping[str, Any]]
    environment: Mapping[str, str] = field(default_factory=dict)
    functions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    webhook_url: str = ""
    console_url: str = ""
    answer_within_seconds: float = 5.0
    needs_approval: bool = False
    emulator: Emulator | None = None

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return "this machine" if self.emulator else f"AWS {self.account}, {self.region}"

    @property
    def project(self) -> str:
        """What the names of its functions and stacks begin with."""
        return f"channels-hub-{self.name}"

    @property
    def queue_prefix(self) -> str:
        return f"{self.name}-"

    @property
    def secret(self) -> str:
        return f"channels-hub/{self.name}/settings"

    @property
    def admin_secret(self) -> str:
        return f"channels-hub/{self.name}/admin"

    @property
    def files_bucket(self) -> str:
        return f"{self.project}-files-{self.account}"

    @property
    def releases_bucket(self) -> str:
        return f"{self.project}-releases-{self.account}"

    @property
    def static_bucket(self) -> str:
        return f"{self.project}-static-{self.account}"

    def static_url(self, release: str) -> str:
        """Where the static files of a release lie."""
        if self.emulator:
            return f"{self.emulator.url}/{self.static_bucket}/{release}"
        return f"https://{self.static_bucket}.s3.{self.region}.amazonaws.com/{release}"

    def api_url(self, api: str, function: str) -> str:
        """Where API Gateway answers for a function. Zappa names the API's stage like ours its function."""
        if self.emulator:
            return f"{self.emulator.url}/_aws/execute-api/{api}/{function}"
        return f"https://{api}.execute-api.{self.region}.amazonaws.com/{function}"

    def function_name(self, function: str) -> str:
        return f"{self.project}-{function}".replace("_", "-")


def load_stage(name: str, folder: Path = FOLDER) -> Stage:
    """Read a stage's file. Raises StageError."""
    path = folder / f"{name}.yaml"
    if not _NAME.fullmatch(name) or not path.is_file():
        known = ", ".join(sorted(each.stem for each in folder.glob("*.yaml")))
        raise StageError(
            stored(
                "There is no stage '%(stage)s': use one of %(known)s, or write %(file)s like them.",
                stage=name,
                known=known,
                file=path.name,
            )
        )
    said = yaml.safe_load(path.read_text())
    if not isinstance(said, dict) or not _NEEDED <= set(said) <= _KEYS:
        raise StageError(
            stored(
                "%(file)s must have region, account and stacks, and may have %(keys)s.",
                file=path.name,
                keys=", ".join(sorted(_KEYS)),
            )
        )
    account = str(said["account"])
    if not _ACCOUNT.fullmatch(account):
        raise StageError(
            stored("%(file)s: account must be the 12 digits of an AWS account, in quotes.", file=path.name)
        )
    if not isinstance(said.get("needs_approval", False), bool):
        raise StageError(stored("%(file)s: needs_approval must be true or false.", file=path.name))
    emulator = said.pop("emulator", None)
    stacks = {template: dict(parameters or {}) for template, parameters in said.pop("stacks").items()}
    return Stage(
        name=name,
        stacks=stacks,
        emulator=Emulator(**emulator) if emulator else None,
        **{**said, "account": account},
    )
