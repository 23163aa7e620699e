"""Settings that guard something, from AWS Secrets Manager: a function's environment is shown to whoever may
look at the function, so none of them stands there.
"""

import json
from collections.abc import Mapping, MutableMapping
from typing import Any
from urllib.parse import quote

from django.core.exceptions import ImproperlyConfigured

from console import aws

DATABASE_NAME = "hub"


def read_secrets(environment: MutableMapping[str, str]) -> None:
    """Set in `environment` what the secrets of HUB_SECRETS hold (JSON, by the settings' names), and
    DATABASE_URL from the user and password in HUB_DATABASE_SECRET, at HUB_DATABASE_HOST. What is set already
    stays. Raises ImproperlyConfigured."""
    names = [*filter(None, environment.get("HUB_SECRETS", "").split(","))]
    of_database = environment.get("HUB_DATABASE_SECRET", "")
    if not names and not of_database:
        return
    secrets = aws.client(
        "secretsmanager",
        environment.get("AWS_DEFAULT_REGION", "us-east-1"),
        environment.get("AWS_ENDPOINT_URL") or None,
    )
    try:
        for name in names:
            for setting, value in _read(secrets, name).items():
                environment.setdefault(setting, str(value))
        if of_database and not environment.get("DATABASE_URL"):
            environment["DATABASE_URL"] = _database_url(_read(secrets, of_database), environment)
    finally:
        secrets.close()


def _database_url(login: Mapping[str, str], environment: Mapping[str, str]) -> str:
    user, password = quote(login["username"], safe=""), quote(login["password"], safe="")
    host = environment.get("HUB_DATABASE_HOST", "")
    return f"postgresql://{user}:{password}@{host}/{DATABASE_NAME}?sslmode=require"


def _read(secrets: Any, name: str) -> dict[str, Any]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        content = json.loads(secrets.get_secret_value(SecretId=name)["SecretString"])
    except (BotoCoreError, ClientError, ValueError) as error:
        raise ImproperlyConfigured(
            f"The secret {name} could not be read ({type(error).__name__}): it must be JSON with settings by "
            "their names, and this function's role must be allowed to read it."
        ) from None
    if not isinstance(content, dict):
        raise ImproperlyConfigured(f"The secret {name} must be a JSON object, with settings by their names.")
    return content
