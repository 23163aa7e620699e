"""Settings that guard something, from AWS Secrets Manager: a function's environment is shown to whoever may
look at the function, so none of them stands there.
"""

import json
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import quote

from django.core.exceptions import ImproperlyConfigured

DATABASE_NAME = "hub"


def read_secrets(environment: MutableMapping[str, str]) -> None:
    """Set in `environment` what the secrets of HUB_SECRETS hold (JSON, by the settings' names), and
    DATABASE_URL from the user and password in HUB_DATABASE_SECRET, at HUB_DATABASE_HOST. What is set already
    stays. Raises ImproperlyConfigured."""
    for each in filter(None, environment.get("HUB_SECRETS", "").split(",")):
        for setting, value in _read(each, environment).items():
            environment.setdefault(setting, str(value))
    if (name := environment.get("HUB_DATABASE_SECRET")) and not environment.get("DATABASE_URL"):
        login = _read(name, environment)
        user, password = quote(login["username"], safe=""), quote(login["password"], safe="")
        host = environment.get("HUB_DATABASE_HOST", "")
        environment["DATABASE_URL"] = f"postgresql://{user}:{password}@{host}/{DATABASE_NAME}?sslmode=require"


def _read(name: str, environment: MutableMapping[str, str]) -> dict[str, Any]:
    # botocore and not boto3, which a cold start would have to import besides.
    import botocore.session
    from botocore.exceptions import BotoCoreError, ClientError

    secrets: Any = botocore.session.get_session().create_client(
        "secretsmanager",
        region_name=environment.get("AWS_DEFAULT_REGION", "us-east-1"),
        endpoint_url=environment.get("AWS_ENDPOINT_URL") or None,
    )
    try:
        content = json.loads(secrets.get_secret_value(SecretId=name)["SecretString"])
    except (BotoCoreError, ClientError, ValueError) as error:
        raise ImproperlyConfigured(
            f"The secret {name} could not be read ({type(error).__name__}): it must be JSON with settings by "
            "their names, and this function's role must be allowed to read it."
        ) from None
    finally:
        secrets.close()
    if not isinstance(content, dict):
        raise ImproperlyConfigured(f"The secret {name} must be a JSON object, with settings by their names.")
    return content
