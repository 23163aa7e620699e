"""Encryption of channel credentials at rest."""

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models


class CredentialKeyError(Exception):
    """No key in HUB_CREDENTIAL_KEYS opens a stored credential."""


@cache
def _cipher() -> MultiFernet:
    try:
        return MultiFernet([Fernet(key) for key in settings.CREDENTIAL_KEYS])
    except ValueError as error:
        raise ImproperlyConfigured(
            "HUB_CREDENTIAL_KEYS holds a malformed key: make one with "
            '`python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"`.'
        ) from error


def encrypt(plain: dict[str, Any]) -> bytes:
    """JSON of `plain` as a Fernet token, made with the newest key."""
    return _cipher().encrypt(json.dumps(plain).encode())


def is_newest(token: bytes) -> bool:
    """Whether a Fernet token was made with the newest key."""
    try:
        Fernet(settings.CREDENTIAL_KEYS[0]).decrypt(token)
    except InvalidToken:
        return False
    return True


def decrypt(token: bytes) -> dict[str, Any]:
    """The dictionary inside a Fernet token; CredentialKeyError when no current key opens it."""
    try:
        plain: dict[str, Any] = json.loads(_cipher().decrypt(token))
    except InvalidToken:
        raise CredentialKeyError(
            "A stored credential opens with none of HUB_CREDENTIAL_KEYS: add the key it was written with."
        ) from None
    return plain


if TYPE_CHECKING:  # Django's fields take no type arguments at run time
    _Field = models.BinaryField[dict[str, Any], dict[str, Any]]
else:
    _Field = models.BinaryField


class EncryptedJSONField(_Field):
    """A dictionary that the database sees only as a Fernet token; never part of a form."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["editable"] = False
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("editable", None)
        return name, path, args, kwargs

    def from_db_value(self, value: bytes | memoryview | None, *_: object) -> dict[str, Any] | None:
        return None if value is None else decrypt(bytes(value))

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return super().get_db_prep_value(None if value is None else encrypt(value), connection, prepared)

    def value_to_string(self, obj: models.Model) -> str:
        raise TypeError("Credentials are never serialized.")
