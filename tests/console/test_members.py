"""Members, users and signing in."""

import re

from console.organizations.models import Member, User
from tests import factories
from tests.console.conftest import World, body, signed_in


def shown_password(page: str) -> str:
    found = re.search(r'id="one-time-password">([^<]+)<', page)
    assert found
    return found[1]


def test_a_new_member_gets_a_password_that_is_shown_once(world: World) -> None:
    client = signed_in(world.admin)
    data = {"organization": world.organization.pk, "email": "New@Example.com", "name": "Nia", "role": "agent"}
    response = client.post("/organizations/member/add/", data)
    password = shown_password(body(response))
    assert "no-store" in response["Cache-Control"]
    user = User.objects.get(email="new@example.com")
    assert user.check_password(password)
    assert Member.objects.get(user=user).role == "agent"
    assert password not in body(client.get("/organizations/member/"))
    browser = signed_in(None)
    browser.post("/login/?next=/", {"username": "NEW@example.com", "password": password})
    assert "Dashboard" in body(browser.get("/"))


def test_somebody_with_an_account_keeps_the_password(world: World) -> None:
    somebody = factories.make_user("known@example.com")
    data = {"organization": world.organization.pk, "email": "KNOWN@example.com", "role": "admin"}
    response = signed_in(world.admin).post("/organizations/member/add/", data)
    assert response.status_code == 302
    somebody.refresh_from_db()
    assert somebody.check_password(factories.PASSWORD)
    response = signed_in(world.admin).post("/organizations/member/add/", data)
    assert "This person is a member already." in body(response)


def test_a_role_is_changed_and_taken_away(world: World) -> None:
    client = signed_in(world.admin)
    member = Member.objects.get(user=world.agent)
    client.post(f"/organizations/member/{member.pk}/change/", {"role": "admin"})
    member.refresh_from_db()
    assert member.role == "admin"
    client.post(f"/organizations/member/{member.pk}/delete/", {"post": "yes"})
    assert signed_in(world.agent).get("/").status_code == 302  # no role, no console


def test_an_admin_changes_settings_but_not_the_slug(world: World) -> None:
    client = signed_in(world.admin)
    listing = client.get("/organizations/organization/")
    assert listing["Location"] == f"/organizations/organization/{world.organization.pk}/change/"
    data = {
        "name": "Zebra Practice",
        "slug": "stolen",
        "burst_window_seconds": "2",
        "max_answer_tokens": "80",
        "handover_after_seconds": "30",
        "fallback": "Soon.",
        "members-TOTAL_FORMS": "0",
        "members-INITIAL_FORMS": "0",
    }
    client.post(listing["Location"], data)
    world.organization.refresh_from_db()
    assert (world.organization.name, world.organization.slug) == ("Zebra Practice", "zebra-clinic")
    assert world.organization.is_active
    assert world.organization.handover_after_seconds == 30


def test_ops_create_organizations_and_reset_passwords(world: World) -> None:
    client = signed_in(world.ops)
    data = {
        "name": "New",
        "slug": "new",
        "is_active": "on",
        "burst_window_seconds": "1",
        "max_answer_tokens": "80",
        "handover_after_seconds": "30",
        "fallback": "Soon.",
    }
    assert client.post("/organizations/organization/add/", data).status_code == 302
    page = body(
        client.post(
            f"/organizations/user/{world.agent.pk}/change/",
            {
                "email": world.agent.email,
                "name": "",
                "is_active": "on",
                "organizations_user_reset_password": "",
            },
        )
    )
    world.agent.refresh_from_db()
    assert world.agent.check_password(shown_password(page))
    page = body(client.post("/organizations/user/add/", {"email": "second@example.com", "is_ops": "on"}))
    assert User.objects.get(email="second@example.com").check_password(shown_password(page))


def test_users_are_for_ops_only(world: World) -> None:
    assert signed_in(world.admin).get("/organizations/user/").status_code == 403
    assert "/organizations/user/" not in body(signed_in(world.admin).get("/"))
    assert "/organizations/user/" in body(signed_in(world.ops).get("/"))


def test_a_closed_account_opens_nothing(world: World) -> None:
    world.admin.is_active = False
    world.admin.save()
    client = signed_in(None)
    client.post("/login/?next=/", {"username": world.admin.email, "password": factories.PASSWORD})
    assert client.get("/").status_code == 302


def test_everybody_can_change_their_password(world: World) -> None:
    client = signed_in(world.agent)
    new = "a much better passphrase"
    data = {"old_password": factories.PASSWORD, "new_password1": new, "new_password2": new}
    assert client.post("/password_change/", data).status_code == 302
    world.agent.refresh_from_db()
    assert world.agent.check_password(new)
    weak = {"old_password": new, "new_password1": "password", "new_password2": "password"}
    assert "too short" in body(client.post("/password_change/", weak))
