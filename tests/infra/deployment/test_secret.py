"""What a deploy puts into the secret of every function."""

import json
from typing import Any

from infra.deployment.secret import complete


class SecretsManager:
    """Holds one secret."""

    def __init__(self, held: dict[str, str]) -> None:
        self.held = held

    def client(self, service: str) -> "SecretsManager":
        return self

    def get_secret_value(self, **_: Any) -> dict[str, str]:
        return {"SecretString": json.dumps(self.held)}

    def put_secret_value(self, **asked: Any) -> None:
        self.held = json.loads(asked["SecretString"])


def test_what_is_missing_is_made_and_what_is_there_stays() -> None:
    secrets = SecretsManager({"HUB_SECRET_KEY": "old", "HUB_EMAIL_URL": "smtp://mail"})

    assert complete("settings", secrets, {"DATABASE_URL": "postgresql://"}) == [
        "DATABASE_URL",
        "HUB_CREDENTIAL_KEYS",
    ]

    assert secrets.held["HUB_SECRET_KEY"] == "old"
    assert secrets.held["HUB_EMAIL_URL"] == "smtp://mail"


def test_neither_the_boxes_token_nor_the_first_password_is_known_to_every_function() -> None:
    secrets = SecretsManager({})

    complete("settings", secrets, {})

    assert set(secrets.held) == {"HUB_SECRET_KEY", "HUB_CREDENTIAL_KEYS"}
