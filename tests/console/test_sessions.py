"""Where somebody is signed in, and signing out there."""

from typing import Any

import pyotp
import pytest
from django.test import Client
from django.utils import timezone

from console.organizations.models import Member
from console.signin import sessions
from console.signin.devices import device
from console.signin.models import SecondFactor, Session
from tests import factories
from tests.console.conftest import World, body, signed_in

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.6 Mobile/15E148 Safari/604.1"
)
EDGE = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 "
    "Safari/537.36 Edg/142.0.0.0"
)


def at_home(user: Any, agent: str = FIREFOX, address: str = "192.0.2.7") -> Client:
    """A browser in which `user` has looked at a page."""
    client = Client(headers={"user-agent": agent}, REMOTE_ADDR=address)
    client.login(username=user.email, password=factories.PASSWORD)
    assert client.get("/").status_code == 200
    return client


def is_signed_in(client: Client) -> bool:
    return client.get("/sessions/").status_code == 200


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        (FIREFOX, "Firefox on Linux"),
        (IPHONE, "Safari on iPhone"),
        (EDGE, "Edge on Windows"),
        ("SomeBot/1.0", "SomeBot/1.0"),
        ("", "Unknown device"),
    ],
)
def test_a_device_in_a_few_words(agent: str, expected: str) -> None:
    assert device(agent) == expected


def test_the_page_shows_each_and_ends_one(world: World) -> None:
    here, there = at_home(world.agent), at_home(world.agent, IPHONE, "198.51.100.4")
    at_home(world.admin)
    page = body(here.get("/sessions/"))
    assert "Firefox on Linux" in page
    assert "Safari on iPhone" in page
    assert "198.51.100.4" in page
    assert page.count("This session") == page.count("in use now") == page.count('name="end"') == 1
    keys = [session.session_key for session in Session.objects.all()]
    assert not any(key in page for key in keys)
    (other,) = (row for row in sessions.of(world.agent) if row.address == "198.51.100.4")
    here.post("/sessions/", {"end": sessions.handle_of(other)})
    assert is_signed_in(here)
    assert not is_signed_in(there)


def test_nobody_ends_what_is_not_theirs(world: World) -> None:
    here, other = at_home(world.agent), at_home(world.admin)
    (session,) = sessions.of(world.admin)
    here.post("/sessions/", {"end": sessions.handle_of(session)})
    here.post("/sessions/", {"everywhere": "1"})
    assert is_signed_in(other)


def test_everywhere_else_is_not_here(world: World) -> None:
    here, there = at_home(world.agent), at_home(world.agent)
    here.post("/sessions/", {"everywhere": "1"})
    assert is_signed_in(here)
    assert not is_signed_in(there)


def test_another_password_ends_the_others(world: World) -> None:
    here, there = at_home(world.agent), at_home(world.agent)
    new = "a much better one"
    data = {"old_password": factories.PASSWORD, "new_password1": new, "new_password2": new}
    here.post("/password_change/", data)
    assert is_signed_in(here)
    assert not is_signed_in(there)
    assert sessions.of(world.agent).count() == 1


def test_a_second_factor_ends_the_others(world: World) -> None:
    here, there = at_home(world.agent), at_home(world.agent)
    here.get("/second-factor/set-up/")
    secret = SecondFactor.objects.get(user=world.agent).secret["base32"]
    here.post("/second-factor/set-up/", {"code": pyotp.TOTP(secret).now()})
    assert is_signed_in(here)
    assert not is_signed_in(there)


@pytest.mark.parametrize("button", ["reset_password", "remove_second_factor", "sign_out"])
def test_what_ops_do_to_an_account_ends_all(button: str, world: World) -> None:
    there = at_home(world.agent)
    data = {"email": world.agent.email, "name": "", "is_active": "on", f"organizations_user_{button}": "1"}
    signed_in(world.ops).post(f"/organizations/user/{world.agent.pk}/change/", data)
    assert not is_signed_in(there)
    assert not sessions.of(world.agent).exists()


def test_who_is_no_member_any_more_sees_nothing(world: World) -> None:
    there = at_home(world.agent)
    member = Member.objects.get(user=world.agent)
    signed_in(world.admin).post(f"/organizations/member/{member.pk}/delete/", {"post": "yes"})
    assert there.get("/inbox/").status_code == 302


def test_a_page_that_looks_for_news_is_no_visit(world: World) -> None:
    client = at_home(world.agent)
    Session.objects.update(seen_at=timezone.now())
    (before,) = sessions.of(world.agent)
    client.get("/inbox/list/", headers={"hx-request": "true", "user-agent": EDGE})
    (after,) = sessions.of(world.agent)
    assert (after.seen_at, after.agent) == (before.seen_at, FIREFOX)
