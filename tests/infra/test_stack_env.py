"""The secrets of the first run."""

from pathlib import Path

from cryptography.fernet import Fernet

from infra.local.stack_env import emulator_values, readable_password, write_stack_env

SECRETS = {"HUB_SECRET_KEY", "HUB_CREDENTIAL_KEYS", "HUB_LLM_TOKEN", "HUB_ADMIN_PASSWORD"}


def read(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_the_first_run_makes_every_secret_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "stack.env"

    write_stack_env(path, {})

    assert path.stat().st_mode & 0o777 == 0o600
    values = read(path)
    assert set(values) == SECRETS
    assert len(values["HUB_SECRET_KEY"]) >= 50
    Fernet(values["HUB_CREDENTIAL_KEYS"])
    assert [entry.name for entry in tmp_path.iterdir()] == ["stack.env"]


def test_a_later_run_keeps_the_secrets_and_renews_the_addresses(tmp_path: Path) -> None:
    path = tmp_path / "stack.env"
    write_stack_env(path, emulator_values(4566))
    first = read(path)

    write_stack_env(path, emulator_values(4567))

    second = read(path)
    assert {name: second[name] for name in SECRETS} == {name: first[name] for name in SECRETS}
    assert second["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4567"


def test_without_the_emulator_no_address_of_it_is_left(tmp_path: Path) -> None:
    path = tmp_path / "stack.env"
    write_stack_env(path, emulator_values(4566))

    write_stack_env(path, {})

    assert set(read(path)) == SECRETS


def test_a_password_is_readable_and_never_the_same() -> None:
    passwords = {readable_password() for _ in range(50)}

    assert len(passwords) == 50
    assert all(len(password) == 19 and not set(password) & set("0O1lI") for password in passwords)
