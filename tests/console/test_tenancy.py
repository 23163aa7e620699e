"""Nobody sees into an organization that is not theirs: every address of the console, tried by everybody."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import models
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse

from console import tenancy
from console.channels.models import Channel
from console.conversations.models import Conversation, DeadLetter, Export, MessageMedia
from console.organizations.models import Member, Organization, User
from console.prompts.models import CannedPrompt, PromptVersion
from tests.console.conftest import World, body, make_letter, signed_in
from tests.fakes.sqs import FakeSqs

TENANT_MODELS = [Organization, Member, Channel, PromptVersion, CannedPrompt, Conversation, DeadLetter, Export]


def url_names(patterns: Any = None) -> Iterator[str]:
    """The name of every address of the admin site."""
    for pattern in patterns if patterns is not None else get_resolver().url_patterns:
        if isinstance(pattern, URLResolver):
            yield from url_names(pattern.url_patterns)
        elif isinstance(pattern, URLPattern) and pattern.name:
            yield pattern.name


def model_of(name: str) -> type[models.Model] | None:
    """The model that an address belongs to."""
    for model in [*admin.site._registry, MessageMedia]:
        if name.startswith(f"{model._meta.app_label}_{model._meta.model_name}_"):
            return model
    return None


def target(model: type[models.Model], organization: Organization) -> models.Model:
    """A row of `organization`."""
    if model is User:
        user = User.objects.filter(memberships__organization=organization).first()
        assert user is not None
        return user
    lookup: str = model.organization_lookup  # type: ignore[attr-defined]
    row = model._default_manager.filter(**{lookup: organization.pk}).first()
    assert row is not None, f"the test's organization has no {model.__name__}"
    return row


def addresses(organization: Organization) -> list[str]:
    """Every address of the admin site, with the rows of `organization` in it where it takes one."""
    found = []
    for name in sorted(set(url_names())):
        if name == "healthz":
            continue
        model = model_of(name)
        candidates: list[list[Any]] = [[]]
        if model is not None:
            candidates.append([target(model, organization).pk])
        if name == "app_list":
            candidates = [[label] for label in ("organizations", "channels", "prompts", "conversations")]
        if name == "view_on_site":
            candidates = [[1, organization.pk]]
        for arguments in candidates:
            try:
                found.append(reverse(f"admin:{name}", args=arguments))
            except NoReverseMatch:
                continue
    return [*found, *autocompletes(), "/no-such-page/"]


def autocompletes() -> list[str]:
    return [
        f"/autocomplete/?app_label={model._meta.app_label}&model_name={model._meta.model_name}"
        f"&field_name={field.name}&term="
        for model in admin.site._registry
        for field in model._meta.get_fields()
        if isinstance(field, models.ForeignKey)
    ]


def post_data(url: str, world: World) -> dict[str, Any]:
    """What somebody might send to do harm."""
    owners = [model for model in TENANT_MODELS if f"/{model._meta.model_name}/" in url]
    rows = [str(target(model, world.organization).pk) for model in owners]
    return {
        "post": "yes",
        "action": "delete_selected",
        "_selected_action": rows,
        "organization": world.organization.pk,
        "name": "taken over",
        "email": "intruder@example.com",
        "role": "admin",
        "question": "taken over",
        "answer": "taken over",
        "instructions": "taken over",
        "prompts_promptversion_publish": "1",
        "channels_channel_pause": "1",
        "text": "taken over",
        "format": "csv",
        "confirmed": "yes",
        "is_ops": "on",
        "form-TOTAL_FORMS": "1",
        "form-INITIAL_FORMS": "1",
        "form-0-id": str(target(CannedPrompt, world.organization).pk),
        "form-0-position": "99",
    }


def snapshot(organization: Organization) -> list[Any]:
    """Every row of `organization`."""
    rows: list[Any] = []
    for model in apps.get_models():
        lookup = getattr(model, "organization_lookup", None)
        if lookup:
            rows += list(model._default_manager.filter(**{lookup: organization.pk}).order_by("pk").values())
    return rows


@pytest.fixture(autouse=True)
def _letters(world: World, sqs: FakeSqs) -> None:
    """Dead letters that wait; their queues are there, for whoever could replay one."""
    turn = world.conversation.turns.get()
    text = '{"text": "zebra letter text"}'
    make_letter(world.organization, body=text, cause="ValueError: zebra cause", turn=turn)
    make_letter(world.other)


@pytest.fixture(params=["anonymous", "outsider", "outside_agent", "ops"])
def stranger(request: pytest.FixtureRequest, world: World) -> tuple[str, User | None]:
    return request.param, None if request.param == "anonymous" else getattr(world, request.param)


def forbidden(who: str, world: World) -> list[str]:
    """What must not be on any page that this user opens."""
    markers = [*world.text_markers, *world.secret_markers]
    return markers if who == "ops" else [*markers, *world.settings_markers]


def test_every_page_hides_what_is_not_ones_own(stranger: tuple[str, User | None], world: World) -> None:
    who, user = stranger
    seen = []
    for url in addresses(world.organization):
        client = signed_in(user)
        for response in (
            client.get(url),
            client.post(url, post_data(url, world)) if "login" not in url else None,
        ):
            if response is None:
                continue
            assert response.status_code < 500, url
            said = body(response)
            leaks = [marker for marker in forbidden(who, world) if marker in said]
            assert not leaks, f"{who} sees {leaks} at {url}"
            seen.append(response.status_code)
    assert len(seen) > 80


@pytest.mark.parametrize("who", ["outsider", "outside_agent", "ops"])
@pytest.mark.parametrize("action", ["replay_selected", "discard_selected"])
def test_nobody_resolves_what_is_not_theirs(action: str, who: str, world: World, sqs: FakeSqs) -> None:
    letter = target(DeadLetter, world.organization)
    data = {"action": action, "_selected_action": [letter.pk], "confirmed": "yes"}
    signed_in(getattr(world, who)).post("/conversations/deadletter/", data)
    letter.refresh_from_db()
    assert letter.state == "waiting"  # type: ignore[attr-defined]
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
        client.get(f"/conversations/deadletter/{target(DeadLetter, world.other).pk}/change/").status_code
        == 200
    )
    foreign = f"/conversations/deadletter/{target(DeadLetter, world.organization).pk}/change/"
    assert client.get(foreign).status_code == 404
    assert "zebra" not in body(client.get("/conversations/deadletter/")).lower().replace("zebra clinic", "")


def test_the_platforms_rows_are_closed_to_a_closed_account(world: World) -> None:
    make_letter(None)
    world.ops.is_active = False
    assert not tenancy.scope(DeadLetter.objects.all(), world.ops, "conversations.view_deadletter").exists()


@pytest.mark.parametrize("who", ["anonymous", "outsider", "outside_agent"])
def test_nobody_changes_what_is_not_theirs(who: str, world: World) -> None:
    user = None if who == "anonymous" else getattr(world, who)
    before = snapshot(world.organization)
    for url in addresses(world.organization):
        if "login" not in url and "logout" not in url:
            client = signed_in(user)
            client.post(url, post_data(url, world))
            client.get(url)
    assert snapshot(world.organization) == before


def test_anonymous_visitors_get_nothing_but_the_sign_in_page(world: World) -> None:
    open_to_all = {"/login/", "/logout/"}
    for url in addresses(world.organization):
        response = signed_in(None).get(url)
        if url.split("?")[0] not in open_to_all:
            assert response.status_code in (302, 404), url
            if response.status_code == 302:
                assert response["Location"].startswith(("/login/?next=", "/no-such-page")), url


def test_the_walk_would_notice(world: World) -> None:
    """The organization's own admin sees every marker but the secrets: they are there to be found."""
    client = signed_in(world.admin)
    said = "".join(body(client.get(url)) for url in addresses(world.organization) if "logout" not in url)
    for marker in (*world.settings_markers, *world.text_markers):
        assert marker in said, marker
    for marker in world.secret_markers:
        assert marker not in said


@pytest.mark.parametrize("model", TENANT_MODELS)
@pytest.mark.parametrize(
    "query",
    [
        "q=zebra",
        "organization=zebra-clinic",
        "channel={channel}",
        "organization__id__exact={organization}",
        "organization__slug=zebra-clinic",
        "id__exact=1&organization__name__startswith=Z",
        "channel=no-uuid",
    ],
)
def test_no_filter_or_search_finds_foreign_rows(model: type[models.Model], query: str, world: World) -> None:
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    query = query.format(channel=world.channel.pk, organization=world.organization.pk)
    response = signed_in(world.outsider).get(f"{url}?{query}", follow=True)
    assert response.status_code in (200, 400)
    changelist = (response.context or {}).get("cl")
    if changelist is not None:
        for row in changelist.result_list:
            assert "zebra" not in str(row).lower()
    assert "Zebra" not in body(response).replace("zebra", "")


def test_ops_see_numbers_of_all_and_text_of_none(world: World) -> None:
    page = body(signed_in(world.ops).get("/"))
    assert "<strong>2</strong>" in page  # one turn in each of the two organizations
    assert "Message text is for members of the organization only." in page
    assert signed_in(world.ops).get("/conversations/conversation/").status_code == 403
    assert (
        signed_in(world.ops).get(f"/conversations/conversation/{world.conversation.pk}/change/").status_code
        == 404
    )


def test_agents_look_but_do_not_configure(world: World) -> None:
    client = signed_in(world.agent)
    before = snapshot(world.organization)
    channel_url = f"/channels/channel/{world.channel.pk}/change/"
    assert client.get(channel_url).status_code == 200
    assert client.post(channel_url, {"name": "x"}).status_code == 403
    assert client.get("/channels/channel/add/?kind=telegram").status_code == 403
    assert client.get("/prompts/cannedprompt/add/").status_code == 403
    assert client.get("/organizations/member/").status_code == 403
    data = {"name": "x", "translations-TOTAL_FORMS": "0", "translations-INITIAL_FORMS": "0"}
    organization_url = f"/organizations/organization/{world.organization.pk}/change/"
    assert client.post(organization_url, data).status_code == 403
    assert client.get("/conversations/export/").status_code == 403
    assert client.get(f"/conversations/export/{world.export.pk}/download/").status_code == 404
    assert snapshot(world.organization) == before


def test_a_role_in_one_organization_gives_none_in_another(world: World) -> None:
    """Agent here, admin there: the list shows both, and only one can be changed."""
    Member.objects.create(organization=world.organization, user=world.outsider, role="agent")
    client = signed_in(world.outsider)
    foreign = target(CannedPrompt, world.organization)
    own = target(CannedPrompt, world.other)
    assert "zebra canned question" in body(client.get("/prompts/cannedprompt/"))
    data = {"form-TOTAL_FORMS": "2", "form-INITIAL_FORMS": "2", "_save": "Save"}
    for index, row in enumerate(CannedPrompt.objects.order_by("organization", "position", "id")):
        data |= {
            f"form-{index}-id": str(row.pk),
            f"form-{index}-position": "77",
            f"form-{index}-is_active": "on",
        }
    assert client.post("/prompts/cannedprompt/", data).status_code == 403
    foreign.refresh_from_db()
    assert CannedPrompt.objects.get(pk=foreign.pk).position != 77
    response = client.post(
        "/prompts/cannedprompt/",
        {"action": "delete_selected", "_selected_action": [foreign.pk, own.pk], "post": "yes"},
    )
    assert response.status_code in (200, 403)
    assert CannedPrompt.objects.filter(pk=foreign.pk).exists()


def test_rows_cannot_be_added_to_a_foreign_organization(world: World) -> None:
    response = signed_in(world.outsider).post(
        "/prompts/cannedprompt/add/",
        {"organization": world.organization.pk, "question": "q", "answer": "a", "is_active": "on"},
    )
    assert "Select a valid choice" in body(response)
    assert not CannedPrompt.objects.filter(question="q").exists()
