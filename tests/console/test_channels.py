"""Connecting channels in the console."""

import pytest
from django.db import connection

from console.channels.models import Channel
from tests.console.conftest import TOKEN, Semaphore, World, body, signed_in

# The platform is called after the commit.
pytestmark = pytest.mark.django_db(transaction=True)

ADD = "/channels/channel/add/?kind=semaphore"


def entered(world: World, **fields: str) -> dict[str, str]:
    data = {"organization": str(world.organization.pk), "name": "Hill", "credential_token": "right"}
    return {**data, "credential_station": "", "option_greeting": "", "option_flags": "", **fields}


def test_first_choose_the_kind(semaphore: Semaphore, world: World) -> None:
    page = body(signed_in(world.admin).get("/channels/channel/add/"))
    assert "Telegram" in page
    assert "Web chat" in page
    assert "?kind=semaphore" in page


def test_connecting_registers_the_webhook_and_shows_the_account(semaphore: Semaphore, world: World) -> None:
    client = signed_in(world.admin)
    response = client.post(
        ADD, entered(world, option_greeting="Ahoy", option_flags="red\n\n blue "), follow=True
    )
    assert response.status_code == 200
    channel = Channel.objects.get(name="Hill")
    assert channel.credentials == {"token": "right", "station": "", "webhook_secret": "made-by-the-hub-0"}
    assert channel.options == {"greeting": "Ahoy", "flags": ["red", "blue"]}
    assert channel.account == "@semaphore_station"
    account, webhook_url = semaphore.registered[0]
    assert account.credentials["token"] == "right"
    assert webhook_url.endswith(f"/semaphore/{channel.pk}")
    page = body(client.get(f"/channels/channel/{channel.pk}/change/"))
    assert "@semaphore_station" in page
    assert f"{webhook_url}/embed.js" in page
    assert (
        "right"
        not in page.replace("copyright", "").replace("-right", "").replace("right-", "").split("<form")[2]
    )


def test_what_the_platform_says_against_it_is_shown_and_kept(semaphore: Semaphore, world: World) -> None:
    response = signed_in(world.admin).post(ADD, entered(world, credential_token="wrong"), follow=True)
    assert "The platform does not accept the token: enter the right one." in body(response)
    channel = Channel.objects.get(name="Hill")
    assert channel.status_reason == "The platform does not accept the token: enter the right one."
    assert "Needs attention" in body(signed_in(world.admin).get("/channels/channel/"))
    assert channel.status_reason in body(signed_in(world.admin).get("/"))


def test_an_unexpected_failure_is_a_sentence_without_the_secret(
    semaphore: Semaphore, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    response = signed_in(world.admin).post(ADD, entered(world, credential_token="crash"), follow=True)
    assert response.status_code == 200
    assert "Semaphore could not be reached" in body(response)
    assert "platform.example" not in caplog.text


def test_an_empty_secret_keeps_what_is_stored(semaphore: Semaphore, world: World) -> None:
    client = signed_in(world.admin)
    client.post(ADD, entered(world))
    channel = Channel.objects.get(name="Hill")
    url = f"/channels/channel/{channel.pk}/change/"
    assert "Stored. Leave empty to keep it." in body(client.get(url))
    client.post(url, entered(world, name="Hilltop", credential_token="", credential_station="North"))
    channel.refresh_from_db()
    assert (channel.name, channel.credentials["token"], channel.credentials["station"]) == (
        "Hilltop",
        "right",
        "North",
    )
    assert channel.credentials["webhook_secret"] == "made-by-the-hub-0"
    client.post(url, entered(world, credential_token="newer"))
    channel.refresh_from_db()
    assert channel.credentials["token"] == "newer"


def test_a_required_secret_must_be_entered_once(semaphore: Semaphore, world: World) -> None:
    response = signed_in(world.admin).post(ADD, entered(world, credential_token=""))
    assert "This field is required." in body(response)
    assert not Channel.objects.filter(name="Hill").exists()


def test_a_name_stands_once_per_kind(semaphore: Semaphore, world: World) -> None:
    client = signed_in(world.admin)
    client.post(ADD, entered(world))
    response = client.post(ADD, entered(world))
    assert "already exists" in body(response)
    assert Channel.objects.filter(name="Hill").count() == 1


def test_pausing_and_resuming(semaphore: Semaphore, world: World) -> None:
    client = signed_in(world.admin)
    client.post(ADD, entered(world))
    channel = Channel.objects.get(name="Hill")
    url = f"/channels/channel/{channel.pk}/change/"
    client.post(url, entered(world, credential_token="", channels_channel_pause=""))
    channel.refresh_from_db()
    assert channel.status == Channel.Status.PAUSED
    assert "Resume" in body(client.get(url))
    client.post("/channels/channel/", {"action": "resume_selected", "_selected_action": [str(channel.pk)]})
    channel.refresh_from_db()
    assert channel.status == Channel.Status.ACTIVE


def test_retiring(semaphore: Semaphore, world: World) -> None:
    client = signed_in(world.admin)
    client.post(ADD, entered(world))
    channel = Channel.objects.get(name="Hill")
    url = f"/channels/channel/{channel.pk}/change/"
    client.post(url, entered(world, credential_token="", channels_channel_retire=""))
    channel.refresh_from_db()
    assert channel.status == Channel.Status.RETIRED
    page = body(client.get(url))
    assert "channels_channel_resume" in page
    assert "channels_channel_pause" not in page


def test_a_better_token_wakes_a_channel_that_the_hub_paused(semaphore: Semaphore, world: World) -> None:
    client = signed_in(world.admin)
    client.post(ADD, entered(world))
    channel = Channel.objects.get(name="Hill")
    channel.status, channel.status_reason = Channel.Status.PAUSED, "The platform does not accept the token."
    channel.save()
    url = f"/channels/channel/{channel.pk}/change/"
    client.post(url, entered(world, credential_token="wrong"))
    channel.refresh_from_db()
    assert channel.status == Channel.Status.PAUSED
    client.post(url, entered(world, credential_token="right"))
    channel.refresh_from_db()
    assert (channel.status, channel.status_reason) == (Channel.Status.ACTIVE, "")


def test_what_somebody_paused_stays_paused(semaphore: Semaphore, world: World) -> None:
    client = signed_in(world.admin)
    client.post(ADD, entered(world))
    Channel.objects.filter(name="Hill").update(status=Channel.Status.PAUSED)
    channel = Channel.objects.get(name="Hill")
    client.post(f"/channels/channel/{channel.pk}/change/", entered(world, credential_station="North"))
    channel.refresh_from_db()
    assert channel.status == Channel.Status.PAUSED


def test_credentials_are_unreadable_in_the_database(world: World) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT credentials FROM channels_channel WHERE id = %s", [world.channel.pk])
        stored = bytes(cursor.fetchone()[0])
    assert TOKEN.encode() not in stored
    assert stored.startswith(b"gAAAA")  # a Fernet token
    assert Channel.objects.get(pk=world.channel.pk).credentials["bot_token"] == TOKEN
