"""Keys of the credentials: rotation, and what happens without the right one."""

from collections.abc import Iterator

import pytest
from cryptography.fernet import Fernet
from django.core import serializers
from django.core.exceptions import ImproperlyConfigured

from console import encryption
from console.encryption import CredentialKeyError, decrypt, encrypt
from tests import factories


@pytest.fixture(autouse=True)
def _fresh_cipher() -> Iterator[None]:
    encryption._cipher.cache_clear()
    yield
    encryption._cipher.cache_clear()


def use_keys(settings: object, *keys: str) -> None:
    settings.CREDENTIAL_KEYS = list(keys)  # type: ignore[attr-defined]
    encryption._cipher.cache_clear()


def test_an_older_key_still_opens(settings: object) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    use_keys(settings, old)
    token = encrypt({"bot_token": "t"})
    use_keys(settings, new, old)
    assert decrypt(token) == {"bot_token": "t"}
    use_keys(settings, new)
    with pytest.raises(CredentialKeyError, match="add the key it was written with"):
        decrypt(token)


def test_a_malformed_key_says_how_to_make_one(settings: object) -> None:
    use_keys(settings, "short")
    with pytest.raises(ImproperlyConfigured, match=r"Fernet\.generate_key"):
        encrypt({})


@pytest.mark.django_db
def test_credentials_are_never_serialized() -> None:
    channel = factories.make_channel(factories.make_organization())
    with pytest.raises(TypeError, match="never serialized"):
        serializers.serialize("json", [channel])
