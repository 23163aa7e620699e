"""Joining an organization by the link of an e-mail."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client
from django.utils import timezone

from console.audit.models import Change
from console.organizations import invitations
from console.organizations.models import Invitation, Member, User
from console.signin import second_factor
from console.signin.models import SecondFactor
from tests import factories
from tests.console.conftest import World, body, signed_in

ADD = "/organizations/invitation/add/"
NEW = {"name": "Nia", "password": "a much better passphrase"}
NOT_GOOD = "This invitation is not good any more"


@pytest.fixture
def invite(world: World, django_capture_on_commit_callbacks: Any) -> Callable[..., str]:
    """Invite somebody in the console; the path of the link that they get."""

    def send(email: str = "New@Example.com", role: str = "agent", by: User = world.admin) -> str:
        data = {"organization": world.organization.pk, "email": email, "role": role}
        with django_capture_on_commit_callbacks(execute=True):
            assert signed_in(by).post(ADD, data).status_code == 302
        return link()

    return send


def link() -> str:
    """The path in the newest e-mail."""
    found = re.search(r"http://[^/]+(/join/\S+)", str(mail.outbox[-1].body))
    assert found
    return found[1]


def test_somebody_new_joins_with_a_password_of_their_own(world: World, invite: Callable[..., str]) -> None:
    path, browser = invite(), Client()
    assert mail.outbox[0].to == ["new@example.com"]
    assert "Zebra Clinic" in mail.outbox[0].subject
    page = browser.get(path)
    assert "new@example.com" in body(page)
    assert page["Referrer-Policy"] == "same-origin", (
        "no other site learns the address; Django has to see ours"
    )
    assert "too short" in body(browser.post(path, NEW | {"password": "short"}))
    assert browser.post(path, NEW).headers["Location"] == "/"
    member = Member.objects.get(user__email="new@example.com")
    assert (member.organization, member.role, member.user.name) == (world.organization, "agent", "Nia")
    assert "Today" in body(browser.get("/"))
    listing = body(signed_in(world.admin).get("/organizations/invitation/"))
    assert "Accepted" in listing


def test_a_link_is_good_once(invite: Callable[..., str]) -> None:
    path = invite()
    Client().post(path, NEW)
    again = Client().post(path, NEW | {"name": "Somebody else"})
    assert again.status_code == 404
    assert NOT_GOOD in body(again)
    assert User.objects.filter(email="new@example.com").count() == 1


def test_somebody_with_an_account_joins_signed_in_with_it(world: World, invite: Callable[..., str]) -> None:
    path = invite(world.outside_agent.email, "admin")
    assert "sign in with it" in body(Client().get(path))
    for stranger in (Client(), signed_in(world.outsider)):
        stranger.post(path, NEW)
        assert not Member.objects.filter(user=world.outside_agent, organization=world.organization).exists()
    assert "You are signed in as heron-admin@example.com." in body(signed_in(world.outsider).get(path))
    assert signed_in(world.outside_agent).post(path).headers["Location"] == "/"
    assert Member.objects.get(user=world.outside_agent, organization=world.organization).role == "admin"
    world.outside_agent.refresh_from_db()
    assert world.outside_agent.check_password(factories.PASSWORD)


def test_sending_again_ends_the_first_link(world: World, invite: Callable[..., str]) -> None:
    first = invite()
    invitation = Invitation.objects.get(email="new@example.com")
    page = signed_in(world.admin).post(f"/organizations/invitation/{invitation.pk}/resend/", follow=True)
    assert "new@example.com has an e-mail with a link." in body(page)
    assert Client().get(first).status_code == 404
    assert Client().get(link()).status_code == 200


def test_a_revoked_link_a_late_one_and_a_forged_one_are_not_good(
    world: World, invite: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = invite()
    assert Client().get(f"{path[:-2]}X/").status_code == 404
    with monkeypatch.context() as patched:
        patched.setattr(invitations, "GOOD_FOR", timedelta(seconds=-1))
        assert Client().get(path).status_code == 404
    invitation = Invitation.objects.get(email="new@example.com")
    signed_in(world.admin).post(f"/organizations/invitation/{invitation.pk}/delete/", {"post": "yes"})
    assert Client().post(path, NEW).status_code == 404


def test_what_is_pending_and_what_is_late_is_shown(world: World, invite: Callable[..., str]) -> None:
    invite()
    client = signed_in(world.admin)
    assert "Pending" in body(client.get("/organizations/invitation/"))
    late = timezone.now() - invitations.GOOD_FOR - timedelta(minutes=1)
    Invitation.objects.filter(email="new@example.com").update(sent_at=late)
    assert "Expired" in body(client.get("/organizations/invitation/"))


def test_an_e_mail_that_cannot_be_sent_is_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Any, messages: Any) -> int:
        raise ConnectionRefusedError

    monkeypatch.setattr(EmailBackend, "send_messages", refuse)
    invitation = Invitation.objects.get(organization=world.organization)
    page = signed_in(world.admin).post(f"/organizations/invitation/{invitation.pk}/resend/", follow=True)
    assert "The e-mail to zebra-guest@example.com could not be sent." in body(page)


def test_nobody_is_invited_twice_or_where_they_are_already(world: World, invite: Callable[..., str]) -> None:
    invite()
    client = signed_in(world.admin)
    data = {"organization": world.organization.pk, "email": "new@example.com", "role": "agent"}
    assert "invited already" in body(client.post(ADD, data))
    assert "a member already" in body(client.post(ADD, data | {"email": world.agent.email.upper()}))


def test_ops_invite_an_organizations_first_admin_and_no_more(world: World) -> None:
    client, empty = signed_in(world.ops), factories.make_organization("empty-office")
    data = {"organization": empty.pk, "email": "first@example.com", "role": "agent"}
    assert "invite an admin first" in body(client.post(ADD, data))
    assert client.post(ADD, data | {"role": "admin"}).status_code == 302
    data |= {"organization": world.organization.pk, "role": "admin"}
    assert "Select a valid choice" in body(client.post(ADD, data))
    factories.make_member(empty, "admin")
    assert client.post(ADD, data).status_code == 403


@pytest.mark.parametrize("end", ["demoted", "removed", "closed"])
def test_an_invitation_ends_with_the_role_of_whoever_sent_it(
    world: World, invite: Callable[..., str], end: str
) -> None:
    other = factories.make_member(world.organization, "admin")
    path, role = invite(by=other), Member.objects.get(user=other)
    admin = signed_in(world.admin)
    if end == "demoted":
        admin.post(f"/organizations/member/{role.pk}/change/", {"role": "agent"})
    elif end == "removed":
        admin.post(f"/organizations/member/{role.pk}/delete/", {"post": "yes"})
    else:
        signed_in(world.ops).post(f"/organizations/user/{other.pk}/change/", {"email": other.email})
    assert Client().post(path, NEW).status_code == 404
    assert "Ended" in body(admin.get("/organizations/invitation/"))
    invitation = Invitation.objects.get(email="new@example.com")
    admin.post(f"/organizations/invitation/{invitation.pk}/resend/")
    assert Client().post(link(), NEW).headers["Location"] == "/"


def test_ops_cannot_keep_an_invitation_for_when_there_is_an_admin(
    world: World, invite: Callable[..., str]
) -> None:
    empty = factories.make_organization("empty-office")
    invitation = Invitation.objects.create(
        organization=empty, email="first@example.com", role="admin", invited_by=world.ops
    )
    invitations.send(invitation, world.ops)
    assert Client().get(link()).status_code == 200
    factories.make_member(empty, "admin")
    assert Client().get(link()).status_code == 404


def test_who_joins_is_in_the_audit_log(world: World, invite: Callable[..., str]) -> None:
    signed_in(world.outsider).post(invite(), NEW)  # a browser in which somebody else is signed in
    log = Change.objects.filter(who="new@example.com").order_by("pk")
    assert [(change.organization, change.action, change.thing) for change in log] == [
        (None, "added", "user"),
        (world.organization, "added", "member"),
        (world.organization, "changed", "invitation"),
    ]


def test_who_was_a_moment_too_late_leaves_no_account_behind(
    world: World, invite: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = invite()
    found = Invitation.objects.get(email="new@example.com")
    Invitation.objects.filter(pk=found.pk).update(accepted_at=timezone.now())
    monkeypatch.setattr(invitations, "find", lambda token: found)
    assert NOT_GOOD in body(Client().post(path, NEW))
    assert not User.objects.filter(email="new@example.com").exists()


def test_of_two_first_invitations_taken_at_once_the_second_asks_to_sign_in(
    invite: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = invite()
    factories.make_user("new@example.com")
    with monkeypatch.context() as before_that:
        before_that.setattr(invitations, "invited_user", lambda invitation: None)
        assert Client().post(path, NEW).headers["Location"] == path
    assert "sign in with it" in body(Client().get(path))


def test_a_password_alone_accepts_nothing_where_there_is_a_second_factor(
    world: World, invite: Callable[..., str]
) -> None:
    user, path = world.outside_agent, invite(world.outside_agent.email)
    second_factor.begin(user)
    SecondFactor.objects.filter(user=user).update(confirmed_at=timezone.now())
    assert signed_in(user).post(path).headers["Location"].startswith("/second-factor/?next=/join/")
    assert not Member.objects.filter(user=user, organization=world.organization).exists()


def test_a_member_of_several_chooses_whose_lists_to_see(world: World) -> None:
    Member.objects.create(organization=world.organization, user=world.outsider, role="admin")
    client = signed_in(world.outsider)
    assert "All organizations" in body(client.get("/"))
    listing = "/channels/channel/"
    assert "Zebra Line" in body(client.get(listing))
    client.post("/switch/", {"organization": world.other.pk})
    chosen = body(client.get(listing))
    assert "Heron Line" in chosen
    assert "Zebra Line" not in chosen
    assert "Zebra Contact" not in body(client.get("/"))
    assert "Zebra Contact" not in body(client.get("/inbox/list/?queue=all"))
    assert client.get(f"{listing}{world.channel.pk}/change/").status_code == 200  # a link in an e-mail
    client.post("/switch/", {"organization": ""})
    assert "Zebra Line" in body(client.get(listing))


def test_nobody_chooses_what_is_not_theirs(world: World) -> None:
    client = signed_in(world.outsider)
    assert client.post("/switch/", {"organization": world.organization.pk}).status_code == 404
    assert client.post("/switch/", {"organization": "9" * 5000}).status_code == 404
    assert "All organizations" not in body(client.get("/"))
    session = client.session
    session["organization"] = world.organization.pk  # of a role that was taken away
    session.save()
    assert "Heron Line" in body(client.get("/channels/channel/"))
