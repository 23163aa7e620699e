"""Members, users and signing in."""

import re

from console.organizations.models import Member, Organization, Translation, User
from console.organizations.organization_file import SETTINGS
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
    changed = {"name": "Zebra Practice", "slug": "stolen", "handover_after_seconds": "30"}
    data = settings_data(world.organization) | changed
    client.post(listing["Location"], data)
    world.organization.refresh_from_db()
    assert (world.organization.name, world.organization.slug) == ("Zebra Practice", "zebra-clinic")
    assert world.organization.is_active
    assert world.organization.handover_after_seconds == 30


def settings_data(organization: Organization) -> dict[str, str]:
    """What the settings' form sends when nothing is changed."""
    values = {name: getattr(organization, name) for name in ("slug", *SETTINGS)}
    data = {name: "" if value is None else str(value) for name, value in values.items()}
    return data | {
        "members-TOTAL_FORMS": "0",
        "members-INITIAL_FORMS": "0",
        "translations-TOTAL_FORMS": "0",
        "translations-INITIAL_FORMS": "0",
    }


def test_every_setting_is_on_the_page_with_a_label(world: World) -> None:
    page = body(signed_in(world.admin).get(f"/organizations/organization/{world.organization.pk}/change/"))
    for name in set(SETTINGS) - {"is_active"}:
        assert f'name="{name}"' in page, name
    for heading in ("When the answer takes longer", "Late messages", "Limits", "In other languages"):
        assert heading in page


def test_limits_and_policies_are_saved(world: World) -> None:
    url = f"/organizations/organization/{world.organization.pk}/change/"
    data = settings_data(world.organization) | {
        "holding_line": "",
        "late_policy": "hand_over",
        "unknown_delivery": "send_again",
        "contact_answers_per_day": "",
        "turns_per_minute": "90",
    }
    assert signed_in(world.admin).post(url, data).status_code == 302
    world.organization.refresh_from_db()
    found = world.organization
    assert (found.holding_line, found.late_policy, found.unknown_delivery) == ("", "hand_over", "send_again")
    assert (found.contact_answers_per_day, found.turns_per_minute) == (None, 90)
    page = body(signed_in(world.admin).post(url, data | {"turns_per_minute": "0"}))
    assert "Ensure this value is greater than or equal to 1." in page


def test_translations_are_edited_with_the_settings(world: World) -> None:
    url = f"/organizations/organization/{world.organization.pk}/change/"
    kept = Translation.objects.get(organization=world.organization)
    data = settings_data(world.organization) | {
        "translations-TOTAL_FORMS": "2",
        "translations-INITIAL_FORMS": "1",
        "translations-0-id": str(kept.pk),
        "translations-0-organization": str(world.organization.pk),
        "translations-0-purpose": "holding_line",
        "translations-0-language": "de",
        "translations-0-text": "Gleich.",
        "translations-1-organization": str(world.organization.pk),
        "translations-1-purpose": "fallback",
        "translations-1-language": "pt-br",
        "translations-1-text": "Já vai.",
    }
    client = signed_in(world.admin)
    assert client.post(url, data).status_code == 302
    assert world.organization.text(Translation.Purpose.HOLDING_LINE, "de-AT") == "Gleich."
    assert world.organization.text(Translation.Purpose.FALLBACK, "pt-BR") == "Já vai."
    again = data | {"translations-INITIAL_FORMS": "1", "translations-1-language": "German"}
    assert "Write a language as de or pt-br." in body(client.post(url, again))


def test_a_translation_of_another_organization_stays_what_it_is(world: World) -> None:
    """Sent with one's own settings, a foreign row is neither changed nor moved."""
    foreign = Translation.objects.get(organization=world.organization)
    data = settings_data(world.other) | {
        "translations-TOTAL_FORMS": "1",
        "translations-INITIAL_FORMS": "1",
        "translations-0-id": str(foreign.pk),
        "translations-0-organization": str(world.other.pk),
        "translations-0-purpose": "holding_line",
        "translations-0-language": "de",
        "translations-0-text": "taken over",
    }
    signed_in(world.outsider).post(f"/organizations/organization/{world.other.pk}/change/", data)
    foreign.refresh_from_db()
    assert (foreign.organization, foreign.text) == (world.organization, "zebra holding line in German")


def test_e_mails_are_switched_off_for_a_member(world: World) -> None:
    client = signed_in(world.admin)
    member = Member.objects.get(user=world.agent)
    assert member.gets_alerts
    url = f"/organizations/member/{member.pk}/change/"
    assert "gets_alerts" in body(client.get(url))
    client.post(url, {"role": "agent"})  # the box is not ticked
    member.refresh_from_db()
    assert not member.gets_alerts
    data = settings_data(world.organization) | {
        "members-TOTAL_FORMS": "1",
        "members-INITIAL_FORMS": "1",
        "members-0-id": str(member.pk),
        "members-0-organization": str(world.organization.pk),
        "members-0-role": "agent",
        "members-0-gets_alerts": "on",
    }
    client.post(f"/organizations/organization/{world.organization.pk}/change/", data)
    member.refresh_from_db()
    assert member.gets_alerts


def test_ops_create_organizations_and_reset_passwords(world: World) -> None:
    client = signed_in(world.ops)
    data = settings_data(Organization(name="New", slug="new"))
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
