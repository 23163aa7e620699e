"""Signing in."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from console.organizations.models import User
from console.signin import throttle
from console.signin.models import FailedAttempt
from tests import factories
from tests.console.conftest import World, body

TOO_MANY = "Too many attempts from your address: try again in 15 minutes."


def sign_in(user: User, password: str = factories.PASSWORD, address: str = "192.0.2.1") -> str:
    """What the browser of somebody at `address` gets; "/" where they are in."""
    data = {"username": user.email, "password": password}
    response = Client(REMOTE_ADDR=address).post("/login/", data)
    return response.headers.get("Location", body(response))


def test_after_too_many_wrong_passwords_the_right_one_has_to_wait(world: World) -> None:
    for _ in range(throttle.AT_ONE_ACCOUNT):
        assert TOO_MANY not in sign_in(world.admin, "wrong")
    assert TOO_MANY in sign_in(world.admin)
    FailedAttempt.objects.update(at=timezone.now() - throttle.WINDOW - timedelta(seconds=1))
    assert sign_in(world.admin) == "/"


def test_whoever_guesses_keeps_nobody_else_out(world: World) -> None:
    for _ in range(throttle.AT_ONE_ACCOUNT):
        sign_in(world.admin, "wrong", "203.0.113.9")
    assert sign_in(world.admin) == "/"
    assert sign_in(world.agent, address="203.0.113.9") == "/"


def test_one_address_that_tries_many_accounts_has_to_wait(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "FROM_ONE_ADDRESS", 3)
    for user in (world.admin, world.agent, world.outsider):
        sign_in(user, "wrong")
    assert TOO_MANY in sign_in(world.ops)
    assert sign_in(world.ops, address="192.0.2.2") == "/"


def test_who_gets_it_right_begins_anew(world: World) -> None:
    for _ in range(2):
        for _ in range(throttle.AT_ONE_ACCOUNT - 1):
            sign_in(world.admin, "wrong")
        assert sign_in(world.admin) == "/"


def test_an_empty_password_is_no_right_one(world: World) -> None:
    for _ in range(throttle.AT_ONE_ACCOUNT - 1):
        sign_in(world.admin, "wrong")
    sign_in(world.admin, "")
    sign_in(world.admin, "wrong")
    assert TOO_MANY in sign_in(world.admin)


@pytest.mark.parametrize(
    "context", [{"http": {"sourceIp": "203.0.113.9"}}, {"identity": {"sourceIp": "203.0.113.9"}}]
)
def test_behind_api_gateway_nobody_chooses_their_address(world: World, context: dict[str, Any]) -> None:
    """The gateway adds the caller's own to what X-Forwarded-For holds, and Zappa takes the one before it."""
    data = {"username": world.admin.email, "password": "wrong"}
    for number in range(throttle.AT_ONE_ACCOUNT + 1):
        gateway = {"REMOTE_ADDR": f"192.0.2.{number}", "lambda.event": {"requestContext": context}}
        response = Client(**gateway).post("/login/", data)
    assert TOO_MANY in body(response)
    assert set(FailedAttempt.objects.values_list("address", flat=True)) == {"203.0.113.9"}


def test_an_address_that_is_none_counts_as_one_visitor(world: World) -> None:
    for number in range(throttle.AT_ONE_ACCOUNT):
        assert TOO_MANY not in sign_in(world.admin, "wrong", f"not an address {number} " + "x" * 60)
    assert TOO_MANY in sign_in(world.admin, address="")


def test_attempts_at_an_account_that_does_not_exist_read_the_same(world: World) -> None:
    nobody = User(email="nobody@example.com")
    assert "Please enter the correct" in sign_in(nobody, "wrong")
    for _ in range(throttle.AT_ONE_ACCOUNT - 1):
        sign_in(nobody, "wrong")
    assert TOO_MANY in sign_in(nobody, "wrong")
