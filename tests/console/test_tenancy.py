"""Who sees what of an organization, where a role's limits are finer than a whole page."""

import re

import pytest

from console import tenancy
from console.conversations.models import DeadLetter
from console.inbox.models import Label
from console.organizations.models import Member
from tests.console.conftest import World, body, make_letter, signed_in
from tests.console.walk import row_of
from tests.fakes.sqs import FakeSqs


@pytest.fixture(autouse=True)
def _letters(world: World, sqs: FakeSqs) -> None:
    """Dead letters that wait; their queues are there, for whoever could replay one."""
    turn = world.conversation.turns.get()
    text = '{"text": "zebra letter text"}'
    make_letter(world.organization, body=text, cause="ValueError: zebra cause", turn=turn)
    make_letter(world.other)


@pytest.mark.parametrize("who", ["outsider", "outside_agent", "ops"])
@pytest.mark.parametrize("action", ["replay_selected", "discard_selected"])
def test_nobody_resolves_what_is_not_theirs(action: str, who: str, world: World, sqs: FakeSqs) -> None:
    letter = row_of(DeadLetter, world.organization)
    data = {"action": action, "_selected_action": [letter.pk], "confirmed": "yes"}
    signed_in(getattr(world, who)).post("/conversations/deadletter/", data)
    letter.refresh_from_db()
    assert letter.state == "waiting"
    assert not sqs.queues


def test_what_names_no_organization_is_for_ops_and_without_its_text(world: World, sqs: FakeSqs) -> None:
    letter = make_letter(None, body="quetzal text", cause="ValueError: quetzal cause")
    url = f"/conversations/deadletter/{letter.pk}/"
    for member in (world.admin, world.agent, world.outsider):
        assert signed_in(member).get(f"{url}change/").status_code == 404
        assert signed_in(member).post(f"{url}replay/", {"confirmed": "yes"}).status_code == 404
    client = signed_in(world.ops)
    said = body(client.get("/conversations/deadletter/")) + body(client.get(f"{url}change/"))
    assert "It failed five times: it could not be read." in said
    assert "quetzal" not in said
    assert "Zebra Clinic <b>1</b>" in said  # how many wait there, and no more
    client.post(f"{url}replay/", {"confirmed": "yes"})
    letter.refresh_from_db()
    assert (letter.state, letter.resolved_by) == ("replayed", world.ops)


def test_a_member_among_ops_reads_only_their_own(world: World) -> None:
    """Ops who are members of one organization see its dead letters, and none of another's."""
    Member.objects.create(organization=world.other, user=world.ops, role="agent")
    client = signed_in(world.ops)
    assert (
        client.get(f"/conversations/deadletter/{row_of(DeadLetter, world.other).pk}/change/").status_code
        == 200
    )
    foreign = f"/conversations/deadletter/{row_of(DeadLetter, world.organization).pk}/change/"
    assert client.get(foreign).status_code == 404
    assert "zebra" not in body(client.get("/conversations/deadletter/")).lower().replace("zebra clinic", "")


def test_the_platforms_rows_are_closed_to_a_closed_account(world: World) -> None:
    make_letter(None)
    world.ops.is_active = False
    assert not tenancy.scope(DeadLetter.objects.all(), world.ops, "conversations.view_deadletter").exists()


def test_ops_see_numbers_of_all_and_text_of_none(world: World) -> None:
    page = body(signed_in(world.ops).get("/"))
    assert "<strong>2</strong>" in page  # one turn in each of the two organizations
    assert "Message text is for members of the organization only." in page
    assert signed_in(world.ops).get("/conversations/conversation/").status_code == 403
    assert (
        signed_in(world.ops).get(f"/conversations/conversation/{world.conversation.pk}/change/").status_code
        == 404
    )


def test_agents_have_conversations_and_no_settings(world: World) -> None:
    client = signed_in(world.agent)
    page = f"/conversations/conversation/{world.conversation.pk}/change/"
    assert client.get(page, follow=True).status_code == 200
    assert "zebra canned answer" in body(client.get(page, follow=True))  # their quick reply
    for model in (
        "channels/channel",
        "organizations/organization",
        "conversations/export",
    ):
        assert client.get(f"/{model}/").status_code == 403, model
    sidebar = body(client.get("/"))
    for word in ("Channels", "Prompts", "Members", "Exports"):
        assert f">{word}<" not in re.sub(r"\s+", "", sidebar)


def test_a_role_in_one_organization_gives_none_in_another(world: World) -> None:
    """Agent here, admin there: the list shows both, and only one can be changed."""
    Member.objects.create(organization=world.organization, user=world.outsider, role="agent")
    client = signed_in(world.outsider)
    foreign = Label.objects.get(organization=world.organization)
    own = Label.objects.get(organization=world.other)
    assert "zebra label" in body(client.get("/inbox/label/"))
    response = client.post(
        "/inbox/label/",
        {"action": "delete_selected", "_selected_action": [foreign.pk, own.pk], "post": "yes"},
    )
    assert response.status_code in (200, 403)
    assert Label.objects.filter(pk=foreign.pk).exists()
    assert client.post(f"/inbox/label/{foreign.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Label.objects.filter(pk=foreign.pk).exists()


def test_rows_cannot_be_added_to_a_foreign_organization(world: World) -> None:
    data = {"organization": world.organization.pk, "name": "heron's", "color": "red"}
    response = signed_in(world.outsider).post("/inbox/label/add/", data)
    assert "Select a valid choice" in body(response)
    assert not Label.objects.filter(name="heron's").exists()
