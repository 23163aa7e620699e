"""The environment file of an LLM box's services, on stdout: the settings of the secret, and the box's own.

Runs as root while the box is installed; only root can read what it writes to.
"""

import json
import os
import sys
from collections.abc import Mapping

import boto3

OF_THE_BOX = (
    *("HUB_STAGE", "HUB_QUEUE_PREFIX", "HUB_SCALING_GROUP", "AWS_DEFAULT_REGION"),
    *("HUB_LLM_SLOTS", "HUB_LLM_HELD", "HUB_LLM_GPU", "HUB_LLM_SPILL_BYTES"),
)
PREFIX_OF_LLM_API = "HUB_LLM_"
"""What begins so is llm_api's; a box gets nothing else of what the secret holds."""


def lines(box: Mapping[str, str], secret: Mapping[str, str]) -> list[str]:
    """`NAME="value"` as systemd reads it: what the secret says wins. HUB_HOME is the service's own folder."""
    values = {"HUB_HOME": "/var/lib/channels-hub"}
    values |= {name: box[name] for name in OF_THE_BOX if name in box}
    values |= {name: str(value) for name, value in secret.items() if name.startswith(PREFIX_OF_LLM_API)}
    return [f"{name}={json.dumps(value)}" for name, value in sorted(values.items())]


def main() -> None:
    secrets = boto3.client("secretsmanager")
    secret = json.loads(secrets.get_secret_value(SecretId=os.environ["HUB_SECRETS"])["SecretString"])
    sys.stdout.write("\n".join(lines(os.environ, secret)) + "\n")


if __name__ == "__main__":
    main()
