"""The second factor: set up, asked for, and lost."""

import re
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from django.test import Client
from django.utils import timezone

from console.organizations.models import User
from console.signin import second_factor
from console.signin.models import SecondFactor
from tests.console.conftest import World, body, signed_in

SET_UP = "/second-factor/set-up/"
ASK = "/second-factor/"


def code(user: User, later: timedelta = timedelta()) -> str:
    """What the app of `user` shows."""
    return pyotp.TOTP(SecondFactor.objects.get(user=user).secret["base32"]).at(timezone.now() + later)


@pytest.fixture
def recovery_codes(world: World) -> list[str]:
    """Those of the admin, who has set up an app."""
    client = signed_in(world.admin)
    assert "<svg" in body(client.get(SET_UP))
    return re.findall(r"<code>(\w{10})</code>", body(client.post(SET_UP, {"code": code(world.admin)})))


def test_the_code_is_asked_for_after_the_password(world: World, recovery_codes: list[str]) -> None:
    client = signed_in(world.admin)
    assert client.get("/inbox/").headers["Location"] == "/second-factor/?next=/inbox/"
    assert client.post("/switch/").headers["Location"].startswith(ASK)
    assert "not right" in body(client.post(ASK, {"code": "000000"}))
    answer = client.post(f"{ASK}?next=/inbox/", {"code": code(world.admin, timedelta(seconds=30))})
    assert answer.headers["Location"] == "/inbox/"
    assert client.get("/inbox/").status_code == 200
    assert signed_in(world.admin).get("/inbox/").status_code == 302  # another session has shown none


def test_a_code_is_good_once(world: World, recovery_codes: list[str]) -> None:
    used = code(world.admin)
    assert "used already" in body(signed_in(world.admin).post(ASK, {"code": used}))


def test_a_recovery_code_is_good_once(world: World, recovery_codes: list[str]) -> None:
    assert len(set(recovery_codes)) == second_factor.RECOVERY_CODES
    assert signed_in(world.admin).post(ASK, {"code": recovery_codes[0]}).status_code == 302
    assert "not right" in body(signed_in(world.admin).post(ASK, {"code": recovery_codes[0]}))
    stored = str(SecondFactor.objects.values_list("recovery_digests", flat=True).get())
    assert recovery_codes[1] not in stored


def test_guessing_codes_has_to_wait(world: World, recovery_codes: list[str]) -> None:
    for _ in range(5):
        signed_in(world.admin).post(ASK, {"code": "000000"})
    assert "Too many codes" in body(signed_in(world.admin).post(ASK, {"code": recovery_codes[0]}))


def test_many_addresses_guess_no_more_codes_than_one(world: World, recovery_codes: list[str]) -> None:
    for number in range(5):
        signed_in(world.admin).post(ASK, {"code": "000000"}, REMOTE_ADDR=f"192.0.2.{number}")
    data = {"code": recovery_codes[0]}
    assert "Too many codes" in body(signed_in(world.admin).post(ASK, data, REMOTE_ADDR="192.0.2.99"))


def test_nobody_without_the_password_uses_up_the_codes(world: World, recovery_codes: list[str]) -> None:
    for _ in range(5):
        Client().post("/login/", {"username": f"{world.admin.email} code", "password": "wrong"})
        Client().post("/login/", {"username": world.admin.email, "password": "wrong"})
    assert signed_in(world.admin).post(ASK, {"code": recovery_codes[0]}).status_code == 302


def test_a_code_in_other_letters_is_a_wrong_one(world: World, recovery_codes: list[str]) -> None:
    for _ in range(5):
        assert "not right" in body(
            signed_in(world.admin).post(ASK, {"code": "\u0661\u0662\u0663\u0664\u0665\u0666"})
        )
    assert "Too many codes" in body(signed_in(world.admin).post(ASK, {"code": recovery_codes[0]}))


def test_where_it_is_required_every_page_leads_to_setting_it_up(world: World, settings: Any) -> None:
    settings.SECOND_FACTOR = "ops"
    assert signed_in(world.admin).get("/").status_code == 200
    ops = signed_in(world.ops)
    assert ops.get("/health/").headers["Location"] == f"{SET_UP}?next=/health/"
    assert "Your account needs a second factor." in body(ops.get(SET_UP))
    kept = body(ops.post(f"{SET_UP}?next=/health/", {"code": code(world.ops)}))
    assert '<a class="hub-button is-primary hub-wide" href="/health/">I have kept them</a>' in kept
    assert ops.get("/health/").status_code == 200
    settings.SECOND_FACTOR = "all"
    assert signed_in(world.agent).get("/").headers["Location"].startswith(SET_UP)


def test_whoever_only_has_the_password_sets_up_no_other_app(world: World, recovery_codes: list[str]) -> None:
    thief = signed_in(world.admin)
    before = SecondFactor.objects.get(user=world.admin).secret
    assert "<svg" not in body(thief.get(SET_UP))
    thief.post(SET_UP, {"code": "000000"})
    assert SecondFactor.objects.get(user=world.admin).secret == before
    assert thief.get("/").status_code == 302


def test_a_code_leads_to_no_other_site(world: World, recovery_codes: list[str]) -> None:
    data = {"code": recovery_codes[0]}
    assert signed_in(world.admin).post(f"{ASK}?next=//evil.example/", data).headers["Location"] == "/"
    assert "evil" not in body(signed_in(world.agent).get(f"{SET_UP}?next=//evil.example/"))


def test_ops_help_whoever_has_lost_app_and_codes(world: World, recovery_codes: list[str]) -> None:
    data = {
        "email": world.admin.email,
        "name": "",
        "is_active": "on",
        "organizations_user_remove_second_factor": "",
    }
    signed_in(world.ops).post(f"/organizations/user/{world.admin.pk}/change/", data)
    assert signed_in(world.admin).get("/").status_code == 200


def test_visitors_are_sent_to_the_password_first(db: None) -> None:
    assert Client().get(ASK).headers["Location"].startswith("/login/")
    assert Client().get(SET_UP).headers["Location"].startswith("/login/")
