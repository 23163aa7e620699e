"""Keys of the credentials: rotation, and what happens without the right one."""

import io
from collections.abc import Iterator

import pytest
from cryptography.fernet import Fernet
from django.core import serializers
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connection

from console import encryption
from console.channels.models import Channel
from console.encryption import CredentialKeyError, decrypt, encrypt
from console.protection import batches, reencryption
from console.signin.models import SecondFactor
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


# --- a key that goes ----------------------------------------------------------------------------------------


OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
SECRETS = ("123:secret-token", "JBSWY3DP", OLD, NEW)


@pytest.fixture
def stored(db: None, settings: object) -> list[Channel]:
    """Three channels and somebody's second factor, of the old key; the new one is in front of it by now."""
    use_keys(settings, OLD)
    organization = factories.make_organization()
    channels = [factories.make_channel(organization) for _ in range(3)]
    SecondFactor.objects.create(user=factories.make_user(), secret={"base32": "JBSWY3DP"})
    use_keys(settings, NEW, OLD)
    return channels


def reencrypt() -> list[str]:
    """What the command says, which is no secret."""
    said = io.StringIO()
    call_command("reencrypt", stdout=said, stderr=said)
    assert not [secret for secret in SECRETS if secret in said.getvalue()]
    return said.getvalue().splitlines()


def test_the_old_key_can_go_once_all_is_encrypted_anew(settings: object, stored: list[Channel]) -> None:
    Channel.objects.get(pk=stored[0].pk).save()  # with the new key, as somebody's change does

    assert reencrypt() == [
        "channels.Channel.credentials: 2 written anew, 1 had the newest key already, 0 open with no key",
        "signin.SecondFactor.secret: 1 written anew, 0 had the newest key already, 0 open with no key",
        "All have the first of HUB_CREDENTIAL_KEYS; the others can go.",
    ]

    use_keys(settings, NEW)
    for channel in Channel.objects.all():
        assert channel.credentials == {"bot_token": "123:secret-token"}
    assert SecondFactor.objects.get().secret == {"base32": "JBSWY3DP"}


def test_a_second_time_it_changes_nothing(stored: list[Channel]) -> None:
    reencrypt()
    before = tokens()

    assert "0 written anew, 3 had the newest key already" in reencrypt()[0]
    assert tokens() == before


def test_interrupted_it_has_done_what_it_said_and_a_second_time_does_the_rest(
    stored: list[Channel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "BATCH_SIZE", 2)
    [column] = [each for each in reencryption.columns() if each.model is Channel]

    def interrupt(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reencryption.reencrypt(column, interrupt)

    said = reencrypt()
    assert said[:2] == [
        "channels.Channel.credentials: 2 of 3",
        "channels.Channel.credentials: 1 written anew, 2 had the newest key already, 0 open with no key",
    ]


def test_what_no_key_opens_is_counted_and_left_and_the_rest_is_done(
    settings: object, stored: list[Channel]
) -> None:
    use_keys(settings, Fernet.generate_key().decode())
    lost = factories.make_channel(stored[0].organization)
    use_keys(settings, NEW, OLD)

    with pytest.raises(CommandError, match="1 open with none of HUB_CREDENTIAL_KEYS: add the key"):
        reencrypt()

    use_keys(settings, NEW)
    for channel in Channel.objects.exclude(pk=lost.pk):
        assert channel.credentials == {"bot_token": "123:secret-token"}


def test_every_column_that_is_encrypted_is_found() -> None:
    assert {(each.model, each.name) for each in reencryption.columns()} == {
        (Channel, "credentials"),
        (SecondFactor, "secret"),
    }


def tokens() -> list[bytes]:
    """What the database sees."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT credentials FROM channels_channel ORDER BY id")
        return [bytes(token) for (token,) in cursor.fetchall()]
