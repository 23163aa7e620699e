"""The audit log: who changed what in the console."""

import csv
from typing import Any

import pyotp

from console.audit.models import Change
from console.organizations.models import Member
from console.signin.models import SecondFactor
from console.workshop.page import digest
from tests import factories
from tests.console.conftest import TOKEN, World, body, signed_in, text
from tests.console.test_members import settings_data

LOG = "/audit/change/"


def changes(**filters: Any) -> list[tuple[str, str, str]]:
    found = Change.objects.filter(**filters).exclude(row_key="").order_by("pk")
    return [(change.who, change.action, change.thing) for change in found]


def test_a_setting_is_recorded_as_it_was_and_as_it_is(world: World) -> None:
    url = f"/organizations/organization/{world.organization.pk}/change/"
    client = signed_in(world.admin)
    client.post(url, settings_data(world.organization) | {"handover_after_seconds": "30"})
    change = Change.objects.get(organization=world.organization, thing="organization")
    assert (change.who, change.action, change.row) == (world.admin.email, "changed", "Zebra Clinic")
    assert (change.before, change.after) == (
        {"handover_after_seconds": "60"},
        {"handover_after_seconds": "30"},
    )
    page = body(client.get(LOG))
    assert "<b>Hand over after (seconds)</b> <s>60</s> → <span>30</span>" in page


def test_fields_and_what_is_chosen_are_named_as_on_their_pages(world: World) -> None:
    url = f"/organizations/organization/{world.organization.pk}/change/"
    client = signed_in(world.admin)
    client.post(url, settings_data(world.organization) | {"late_policy": "answer", "asks_for_feedback": "on"})
    Change.objects.create(
        organization=world.organization, thing="prompt", action="changed", before={"“Price?”": "240 €"}
    )
    Change.objects.create(
        organization=world.organization, thing="of old", action="changed", before={"x": "y"}
    )
    page = body(client.get(LOG))
    assert "<b>Late messages</b> <s>Answer them with an apology</s> → <span>Answer them</span>" in page
    assert "<b>Ask contacts whether answers help</b> <s>No</s> → <span>Yes</span>" in page
    assert "<b>“Price?”</b> <s>240 €</s>" in page
    assert "<b>x</b> <s>y</s>" in page


def test_secrets_are_masked(world: World) -> None:
    world.channel.credentials = {"bot_token": TOKEN}
    world.channel.save()
    client = signed_in(world.admin)
    url = f"/channels/channel/{world.channel.pk}/change/"
    client.post(
        url,
        {
            "name": "Zebra Line",
            "bot": "answers",
            "credential_bot_token": "9999:another-secret",
            "channels_channel_pause": "",
        },
    )
    change = Change.objects.filter(thing="channel", after__has_key="credentials").get()
    assert (change.before["credentials"], change.after["credentials"]) == ("•••", "•••")
    data = {
        "old_password": factories.PASSWORD,
        "new_password1": "a much better one",
        "new_password2": "a much better one",
    }
    client.post("/password_change/", data)
    assert Change.objects.get(thing="user").after == {"password": "•••"}
    stored = str(list(Change.objects.values()))
    assert TOKEN not in stored
    assert "another-secret" not in stored
    assert "md5$" not in stored


def test_a_second_factor_is_recorded_without_its_secret(world: World) -> None:
    client = signed_in(world.admin)
    client.get("/second-factor/set-up/")
    factor = SecondFactor.objects.get(user=world.admin)
    code = pyotp.TOTP(factor.secret["base32"]).now()
    client.post("/second-factor/set-up/", {"code": code})
    assert changes(thing="second factor") == [
        (world.admin.email, "added", "second factor"),
        (world.admin.email, "changed", "second factor"),
    ]
    added, changed = Change.objects.filter(thing="second factor").order_by("pk")
    assert (added.after["secret"], changed.after["recovery_digests"]) == ("•••", "•••")
    assert factor.secret["base32"] not in str(list(Change.objects.values()))


def test_members_prompts_and_exports_are_recorded(world: World) -> None:
    client, member = signed_in(world.admin), Member.objects.get(user=world.agent)
    client.post(f"/organizations/member/{member.pk}/change/", {"role": "admin"})
    client.post(f"/organizations/member/{member.pk}/delete/", {"post": "yes"})
    client.post("/workshop/zebra-clinic/canned/add/", {"question": "q", "answer": "a", "is_active": "on"})
    me = world.admin.email
    assert changes(organization=world.organization) == [
        (me, "changed", "member"),
        (me, "removed", "member"),
        (me, "added", "prompt"),
    ]


def test_what_the_hub_does_itself_is_not_in_it(world: World) -> None:
    world.channel.status_reason = "A token ends soon."
    world.channel.save()
    assert changes() == []


def test_what_ops_do_to_an_organization_is_seen_by_its_admins_and_accounts_by_ops(world: World) -> None:
    ops = signed_in(world.ops)
    url = f"/organizations/organization/{world.organization.pk}/change/"
    ops.post(url, settings_data(world.organization) | {"slug": "zebra-practice"})
    ops.post("/organizations/user/add/", {"email": "second@example.com", "name": "", "is_ops": "on"})
    assert "zebra-practice" in body(signed_in(world.admin).get(LOG))
    said = body(ops.get(LOG))
    assert "second@example.com" in said
    assert "zebra-practice" not in said
    assert signed_in(world.agent).get(LOG).status_code == 403


def test_the_log_is_filtered_and_exported_and_never_changed(world: World) -> None:
    client = signed_in(world.admin)
    data = {"instructions": "=cmd()", "seen": digest("zebra prompt text")}
    client.post("/workshop/zebra-clinic/instructions/", data)
    assert "Zebra Clinic v2" in text(client.get(f"{LOG}?action__exact=added"))
    assert "Zebra Clinic v2" not in text(client.get(f"{LOG}?action__exact=removed"))
    rows = list(csv.DictReader(text(client.get(f"{LOG}export.csv?action__exact=added")).splitlines()))
    assert {row["thing"] for row in rows} == {"prompt"}
    told = next(row for row in rows if row["field"] == "instructions")
    assert (told["who"], told["before"], told["after"]) == (world.admin.email, "", "'=cmd()")
    change = Change.objects.filter(organization=world.organization).latest("pk")
    for deed in ("change", "delete"):
        client.post(f"{LOG}{change.pk}/{deed}/", {"post": "yes", "who": "somebody else"})
    client.post(LOG, {"action": "delete_selected", "_selected_action": [change.pk], "post": "yes"})
    assert Change.objects.get(pk=change.pk).who == world.admin.email
