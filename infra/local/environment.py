"""The settings of the local stack: the process environment, then `.env`, then `HUB_HOME/stack.env`."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import environ

from infra.local.errors import SettingError

ROOT = Path(__file__).resolve().parent.parent.parent
LOOPBACK = "127.0.0.1"
DEFAULT_HOME = ".hub"
DEFAULT_REGION = "us-east-1"
PORT_SETTINGS = {
    "HUB_CONSOLE_PORT": 8000,
    "HUB_WEBHOOK_PORT": 8080,
    "HUB_LLM_PORT": 8001,
    "HUB_AWS_PORT": 4566,
    "HUB_SIMULATOR_PORT": 8002,
}


def home_of(values: Mapping[str, str]) -> Path:
    """The folder of logs and data. A relative HUB_HOME stands on the repository root."""
    return Path(ROOT, values.get("HUB_HOME") or DEFAULT_HOME).resolve()


def load_env_file() -> None:
    """Complete the process environment from `.env`; what is set but empty counts as unset."""
    environ.Env.read_env(str(ROOT / ".env"))
    for name in ("HUB_HOME", "DATABASE_URL", "AWS_ENDPOINT_URL"):
        if not os.environ.get(name):
            os.environ.pop(name, None)


def load_environment() -> None:
    """Complete the process environment from `.env` and `HUB_HOME/stack.env`, as the Django settings do."""
    load_env_file()
    environ.Env.read_env(str(home_of(os.environ) / "stack.env"))


@dataclass(frozen=True)
class Ports:
    """Where the servers of the stack listen, each on 127.0.0.1 only; in the order of PORT_SETTINGS."""

    console: int
    webhook: int
    llm: int
    aws: int
    simulator: int


def ports_of(values: Mapping[str, str]) -> Ports:
    """The ports from the settings, checked: numbers, in range, no two the same."""
    seen: dict[int, str] = {}
    for name, default in PORT_SETTINGS.items():
        port = _port(name, values.get(name) or str(default))
        if port in seen:
            raise SettingError(f"{seen[port]} and {name} are both {port}: give each a port of its own.")
        seen[port] = name
    return Ports(*seen)


def _port(name: str, value: str) -> int:
    if not value.isascii() or not value.isdecimal() or not 1 <= int(value) <= 65535:
        raise SettingError(f"{name} is {value!r}: it must be a port number from 1 to 65535.")
    return int(value)


def is_web_address(value: str) -> bool:
    """Whether a value is an http or https address with a host."""
    parts = urlsplit(value)
    return parts.scheme in ("http", "https") and bool(parts.hostname)
