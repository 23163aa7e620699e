"""Members, users and signing in."""

import html
import re
from typing import Any

import pytest
from django.core import mail

from console.conversations.models import Conversation
from console.organizations import membership
from console.organizations.models import Member, Organization, Translation, User
from console.organizations.organization_file import SETTINGS
from console.signin import second_factor
from tests import factories
from tests.console.conftest import World, body, signed_in

NO_TRANSLATIONS = {"translations-TOTAL_FORMS": "0", "translations-INITIAL_FORMS": "0"}


def shown_password(page: str) -> str:
    found = re.search(r'id="one-time-password">([^<]+)<', page)
    assert found
    return found[1]


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


def settings_data(organization: Organization) -> dict[str, Any]:
    """What the settings' form sends when nothing is changed."""
    values = {name: getattr(organization, name) for name in ("slug", *SETTINGS)}
    data = {name: value if isinstance(value, list) else str(value) for name, value in values.items()}
    return data | {name: "" for name, value in values.items() if value is None} | NO_TRANSLATIONS


def test_every_setting_is_on_the_page_with_a_label(world: World) -> None:
    page = body(signed_in(world.admin).get(f"/organizations/organization/{world.organization.pk}/change/"))
    for name in set(SETTINGS) - {"is_active"}:
        assert f'name="{name}' in page, name
    for heading in ("Business hours", "What goes to staff at once", "Late messages", "In other languages"):
        assert heading in page


def test_limits_and_policies_are_saved(world: World) -> None:
    url = f"/organizations/organization/{world.organization.pk}/change/"
    data = settings_data(world.organization) | {
        "holding_line": "",
        "late_policy": "hand_over",
        "unknown_delivery": "send_again",
        "language": "es",
        "time_zone": "America/Mexico_City",
        "retention_days": "365",
        "contact_answers_per_day": "",
        "turns_per_minute": "90",
    }
    assert signed_in(world.admin).post(url, data).status_code == 302
    world.organization.refresh_from_db()
    found = world.organization
    assert (found.holding_line, found.late_policy, found.unknown_delivery) == ("", "hand_over", "send_again")
    assert (found.contact_answers_per_day, found.turns_per_minute) == (None, 90)
    assert (found.language, found.time_zone, found.retention_days) == ("es", "America/Mexico_City", 365)
    page = body(signed_in(world.admin).post(url, data | {"turns_per_minute": "0"}))
    assert "Ensure this value is greater than or equal to 1." in page
    page = body(signed_in(world.admin).post(url, data | {"time_zone": "Middle/Earth"}))
    assert "Middle/Earth is not one of the available choices." in page


def test_translations_are_edited_with_the_settings(world: World) -> None:
    url = f"/organizations/organization/{world.organization.pk}/change/"
    kept = Translation.objects.get(organization=world.organization)
    data = settings_data(world.organization) | {
        "other_languages": ["de", "pt-br"],
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
    world.organization.refresh_from_db()
    assert world.organization.text(Translation.Purpose.HOLDING_LINE, "de-AT") == "Gleich."
    assert world.organization.text(Translation.Purpose.FALLBACK, "pt-BR") == "Já vai."
    again = data | {"translations-INITIAL_FORMS": "1", "translations-1-language": "German"}
    assert "Write a language as de or pt-br." in body(client.post(url, again))
    page = html.unescape(body(client.post(url, data | {"other_languages": ["de"]})))
    assert "Offer pt-br first: it is none of the organization's further languages." in page


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


def test_the_last_admin_can_neither_be_demoted_nor_removed(world: World) -> None:
    client, last = signed_in(world.admin), Member.objects.get(user=world.admin)
    url = f"/organizations/member/{last.pk}/"
    assert str(membership.KEEPS_AN_ADMIN) in body(client.post(f"{url}change/", {"role": "agent"}))
    assert str(membership.KEEPS_AN_ADMIN) in body(client.post(f"{url}delete/", {"post": "yes"}))
    everybody = [member.pk for member in Member.objects.filter(organization=world.organization)]
    data = {"action": "delete_selected", "_selected_action": everybody, "post": "yes"}
    assert str(membership.KEEPS_AN_ADMIN) in body(client.post("/organizations/member/", data))
    last.refresh_from_db()
    assert last.role == "admin"
    factories.make_member(world.organization, "admin")
    assert client.post(f"{url}change/", {"role": "agent"}).status_code == 302
    last.refresh_from_db()
    assert last.role == "agent"


def test_an_admin_whose_account_is_closed_is_nobody_who_is_left(world: World) -> None:
    factories.make_member(world.organization, "admin", is_active=False)
    leaving = Member.objects.filter(user=world.admin)
    with pytest.raises(membership.LastAdmin):
        membership.remove(leaving)
    assert leaving.exists()


def test_ops_change_no_member(world: World) -> None:
    client, member = signed_in(world.ops), Member.objects.get(user=world.agent)
    assert client.post(f"/organizations/member/{member.pk}/change/", {"role": "admin"}).status_code == 403
    assert client.post(f"/organizations/member/{member.pk}/delete/", {"post": "yes"}).status_code == 403


def test_ops_retire_an_organization_and_leave_its_settings(world: World) -> None:
    url = f"/organizations/organization/{world.organization.pk}/change/"
    data = {"slug": "zebra-practice", "fallback": "taken over", "name": "taken over", "is_active": ""}
    assert signed_in(world.ops).post(url, data | NO_TRANSLATIONS).status_code == 302
    found = Organization.objects.get(pk=world.organization.pk)
    assert (found.slug, found.is_active) == ("zebra-practice", False)
    assert (found.name, found.fallback) == (world.organization.name, world.organization.fallback)


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


@pytest.mark.parametrize(
    ("sent", "news", "shown"),
    [
        ({"is_active": "on", "organizations_user_reset_password": ""}, "password was replaced", "password"),
        (
            {"is_active": "on", "organizations_user_remove_second_factor": ""},
            "second factor was removed",
            "second factor",
        ),
        ({}, "account was closed", "Active"),
        ({"is_active": "on", "email": "thief@example.com"}, "thief@example.com", "thief@example.com"),
    ],
)
def test_what_ops_do_to_an_account_is_told_to_its_owner_and_their_admins(
    world: World, sent: dict[str, str], news: str, shown: str, django_capture_on_commit_callbacks: Any
) -> None:
    second_factor.begin(world.agent)
    url, address = f"/organizations/user/{world.agent.pk}/change/", world.agent.email
    before = body(signed_in(world.outsider).get("/audit/change/"))
    with django_capture_on_commit_callbacks(execute=True):
        signed_in(world.ops).post(url, {"email": address, "name": "", **sent})
    (message,) = mail.outbox
    assert message.to == [address]
    assert news in message.body
    seen = body(signed_in(world.admin).get("/audit/change/"))
    assert shown in seen
    assert world.ops.email in seen
    assert world.agent.email not in before + body(signed_in(world.outsider).get("/audit/change/"))


@pytest.mark.parametrize("way", ["removed", "closed"])
def test_what_somebody_answered_who_leaves_waits_for_anybody(world: World, way: str) -> None:
    Member.objects.create(organization=world.other, user=world.agent, role="agent")
    elsewhere = Conversation.objects.get(organization=world.other)
    Conversation.objects.update(owner="staff", assignee=world.agent)
    if way == "removed":
        key = Member.objects.get(user=world.agent, organization=world.organization).pk
        signed_in(world.admin).post(f"/organizations/member/{key}/delete/", {"post": "yes"})
    else:
        signed_in(world.ops).post(
            f"/organizations/user/{world.agent.pk}/change/", {"email": world.agent.email, "name": ""}
        )
    world.conversation.refresh_from_db()
    elsewhere.refresh_from_db()
    assert (world.conversation.owner, world.conversation.assignee) == ("staff", None)
    assert elsewhere.assignee == (world.agent if way == "removed" else None)


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
