"""What an org admin sees of a channel's health, and of a test message on its way."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from console.channels.models import Channel
from console.conversations.models import Contact, Conversation
from hub_lambdas.channels.base import Account, Sample
from hub_lambdas.http import Request, Response
from tests import factories
from tests.channels.listening import listening
from tests.console.conftest import Semaphore, World, body, signed_in
from tests.console.test_channels import ADD, entered

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def posted(settings: Settings) -> Iterator[list[Request]]:
    """What reaches a webhook that takes everything."""
    requests: list[Request] = []

    def respond(request: Request) -> Response:
        requests.append(request)
        return Response()

    with listening(respond) as url:
        settings.WEBHOOK_URL = url
        yield requests


def test_a_new_channel_is_tried_at_once(
    semaphore: Semaphore, world: World, posted: list[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    def sample(kind: Semaphore, account: Account, address: str, text: str) -> Sample:
        return Sample("nobody", Request("POST", f"/semaphore/{account.channel_id}", body=text.encode()))

    monkeypatch.setattr(Semaphore, "sample", sample)
    response = signed_in(world.admin).post(ADD, entered(world), follow=True)
    page = body(response)
    channel = Channel.objects.get(name="Hill")
    assert response.redirect_chain == [(f"/channels/channel/{channel.pk}/test/", 302)]
    assert "Connected as <b" in page
    assert "@semaphore_station" in page
    assert "On its way" in page
    assert 'data-live="' in page
    assert [(each.path, each.body) for each in posted] == [
        (f"/semaphore/{channel.pk}", b"zebra canned question")
    ]
    assert Contact.objects.get(channel=channel).is_test


def test_one_that_cannot_be_connected_is_not_tried(
    semaphore: Semaphore, world: World, posted: list[Request]
) -> None:
    page = body(signed_in(world.admin).post(ADD, entered(world, credential_token="wrong"), follow=True))
    assert "Hill needs attention" in page
    assert "The platform does not accept the token: enter the right one." in page
    assert posted == []


def test_the_question_is_the_admins_to_choose(world: World, posted: list[Request]) -> None:
    client = signed_in(world.admin)
    url = f"/channels/channel/{world.channel.pk}/test/"
    assert 'value="zebra canned question"' in body(
        client.get(f"/channels/channel/{world.channel.pk}/change/")
    )
    page = body(client.post(url, {"text": " Are you open? "}, follow=True))
    assert "On its way" in page
    (request,) = posted
    assert b'"Are you open?"' in request.body
    assert request.headers["x-telegram-bot-api-secret-token"] == "zebra-webhook-secret"


def test_a_webhook_that_nobody_answers_is_said(world: World, settings: Settings) -> None:
    settings.WEBHOOK_URL = "http://127.0.0.1:9"
    url = f"/channels/channel/{world.channel.pk}/test/"
    page = body(signed_in(world.admin).post(url, follow=True))
    assert "The test message could not be delivered. Nobody answers at http://127.0.0.1:9" in page
    assert "No test message was sent yet." in page


@pytest.mark.parametrize(
    ("who", "status"), [("agent", 404), ("outsider", 404), ("outside_agent", 404), ("ops", 404)]
)
def test_only_an_admin_of_the_organization_tries_it(
    who: str, status: int, world: World, posted: list[Request]
) -> None:
    client = signed_in(getattr(world, who))
    url = f"/channels/channel/{world.channel.pk}/test/"
    assert (client.get(url).status_code, client.post(url).status_code) == (status, status)
    assert posted == []
    assert not Contact.objects.filter(is_test=True).exists()


@pytest.fixture
def tried(world: World) -> Conversation:
    """A test conversation that was answered, and one that staff would have got."""
    for text in ("test answered text", "test handed text"):
        conversation = factories.make_conversation(world.channel, "Test message")
        Contact.objects.filter(pk=conversation.contact_id).update(is_test=True)
        if "answered" in text:
            factories.make_answered_turn(conversation, text, "test reply text")
        else:
            factories.make_handed_over_turn(conversation, text, kind="text", reason="not_known")
    return conversation


def test_the_page_shows_the_newest_ones_outcome(world: World, tried: Conversation) -> None:
    url = f"/channels/channel/{world.channel.pk}/test/"
    page = body(signed_in(world.admin).get(url))
    assert "test handed text" in page
    assert "Add a canned prompt with the answer" in page
    assert "data-live" not in page
    Contact.objects.filter(pk=tried.contact_id).update(is_test=False)
    page = body(signed_in(world.admin).get(url))
    assert "Answered after" in page
    assert "test reply text" in page


def test_tests_are_marked_and_count_nowhere(world: World, tried: Conversation) -> None:
    client = signed_in(world.admin)
    assert body(client.get("/conversations/conversation/")).count('hub-badge-test">Test<') == 2
    page = body(client.get(f"/inbox/{tried.pk}/"))
    assert "nothing was sent to the platform" in page
    dashboard = body(client.get("/"))
    assert "test answered text" not in dashboard
    assert "test reply text" not in dashboard
    assert "<strong>1</strong>" in dashboard
    assert client.get("/").context["day"].counts["turns"] == 1
    assert "hub-badge-blocked" not in dashboard
    items = [each for group in client.get("/").context["sidebar_navigation"] for each in group["items"]]
    assert not next(each for each in items if each["title"] == "Conversations").get("badge")


def test_the_health_of_a_channel_is_told_in_words(world: World) -> None:
    now = timezone.now()
    health = {
        "ends_at": (now + timedelta(days=4, minutes=5)).isoformat(),
        "missing_permissions": ["pages_messaging"],
        "delivers_here": False,
    }
    reason = "The access token ends on 28 November 2026: make a new one before, and enter it here."
    Channel.objects.filter(pk=world.channel.pk).update(
        health=health, status_reason=reason, last_webhook_at=now - timedelta(hours=5), checked_at=now
    )
    page = body(signed_in(world.admin).get(f"/channels/channel/{world.channel.pk}/change/"))
    for said in ("(4 d)", "missing: pages_messaging", "not as it should be", "5 h ago", "just now"):
        assert said in page
    assert "The access token ends on 28 November 2026" in body(
        signed_in(world.admin).get("/channels/channel/")
    )


def test_a_channel_that_was_only_tested_can_be_deleted(world: World, tried: Conversation) -> None:
    client = signed_in(world.admin)
    channel = factories.make_channel(world.organization, name="A mistake")
    Contact.objects.filter(pk=tried.contact_id).update(channel=channel)
    url = f"/channels/channel/{channel.pk}/delete/"
    assert "Yes, I’m sure" in body(client.get(url))
    client.post(url, {"post": "yes"})
    assert not Channel.objects.filter(pk=channel.pk).exists()
    assert not Conversation.objects.filter(pk=tried.pk).exists()
    url = f"/channels/channel/{world.channel.pk}/delete/"
    client.post(url, {"post": "yes"})
    assert Channel.objects.filter(pk=world.channel.pk).exists(), "people have written there"
