"""The secret of a stage: what every function needs and nobody has to know is made once, and stays."""

import json
from collections.abc import Mapping
from typing import Any

from infra.deployment.clients import Clients
from infra.local.stack_env import SECRETS

MADE = ("HUB_SECRET_KEY", "HUB_CREDENTIAL_KEYS")
"""What functions need of what `make run` makes: the rest is in secrets of its own (infra/secrets.yaml)."""


def complete(name: str, clients: Clients, known: Mapping[str, str]) -> list[str]:
    """Put into the secret what it lacks, of `known` and of MADE; the names of those. What is there is never
    changed."""
    client: Any = clients.client("secretsmanager")
    held: dict[str, str] = json.loads(client.get_secret_value(SecretId=name)["SecretString"])
    missing = {setting: value for setting, value in known.items() if setting not in held}
    missing |= {setting: SECRETS[setting]() for setting in MADE if setting not in held}
    if missing:
        client.put_secret_value(SecretId=name, SecretString=json.dumps(held | missing))
    return sorted(missing)
