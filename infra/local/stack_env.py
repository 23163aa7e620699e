"""HUB_HOME/stack.env: the secrets that the first run makes, and where the emulator of AWS listens.

The secrets stay as they are from then on; the rest is written anew by each start, so that `manage.py` in
another shell finds the emulator.
"""

import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from cryptography.fernet import Fernet

from infra.local.environment import DEFAULT_REGION, LOOPBACK

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # no characters that are mistaken for each other


def readable_password() -> str:
    """A random password that a person can type: four groups of four characters, 79 bits."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))


SECRETS: dict[str, Callable[[], str]] = {
    "HUB_SECRET_KEY": lambda: secrets.token_urlsafe(50),
    "HUB_CREDENTIAL_KEYS": lambda: Fernet.generate_key().decode(),
    "HUB_LLM_TOKEN": lambda: secrets.token_urlsafe(32),
    "HUB_ADMIN_PASSWORD": readable_password,
}


def emulator_values(port: int) -> dict[str, str]:
    """How boto3 finds the emulator. The keys are dummies: it asks for any, and AWS knows none of them."""
    return {
        "AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{port}",
        "AWS_DEFAULT_REGION": DEFAULT_REGION,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
    }


def _read(path: Path) -> dict[str, str]:
    lines = path.read_text().splitlines() if path.exists() else []
    pairs = (line.partition("=") for line in lines if not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def write_stack_env(path: Path, emulator: Mapping[str, str]) -> None:
    """Write the file (mode 0600), with the secrets it holds already and new ones for those it lacks."""
    kept = _read(path)
    values = {name: kept.get(name) or make() for name, make in SECRETS.items()} | dict(emulator)
    text = "# Made by `make run`: the secrets once, the AWS lines at each start.\n"
    text += "".join(f"{name}={value}\n" for name, value in values.items())
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    partial.replace(path)
