"""Connecting channels in the console."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from console.channels.connection import connect
from console.channels.models import Channel
from console.conversations.models import Message, Turn
from hub_lambdas import queues
from hub_lambdas.channels.base import Health
from tests import factories
from tests.console.conftest import TOKEN, Semaphore, World, body, signed_in
from tests.fakes.sqs import FakeSqs

# The platform is called after the commit.
pytestmark = pytest.mark.django_db(transaction=True)

ADD = "/channels/channel/add/?kind=semaphore"


def entered(world: World, **fields: str) -> dict[str, str]:
    data = {"organization": str(world.organization.pk), "name": "Hill", "credential_token": "right"}
    data |= {"bot": "answers", "tells_contacts": "on"}
    return {**data, "credential_station": "", "option_greeting": "", "option_flags": "", **fields}


def test_first_choose_the_kind(semaphore: Semaphore, world: World) -> None:
    page = body(signed_in(world.admin).get("/channels/channel/add/"))
    assert "Telegram" in page
    assert "Web chat" in page
    assert "?kind=semaphore" in page


@pytest.mark.parametrize("path", ["/channels/channel/add/", ADD])
def test_a_hub_with_the_simulator_leads_there(
    path: str, semaphore: Semaphore, world: World, settings: Settings
) -> None:
    client = signed_in(world.admin)
    assert "simulator" not in body(client.get(path))

    settings.SIMULATOR_URL = "http://127.0.0.1:8002"

    page = body(client.get(path))
    assert 'href="http://127.0.0.1:8002/"' in page
    assert "make run PLATFORMS=real" in page


def test_connecting_registers_the_webhook_and_shows_the_account(semaphore: Semaphore, world: World) -> None:
    client = signed_in(world.admin)
    response = client.post(
        ADD,
        entered(world, option_greeting="Ahoy", option_flags="red\n\n blue ", option_at_night="on"),
        follow=True,
    )
    assert response.status_code == 200
    channel = Channel.objects.get(name="Hill")
    assert channel.credentials == {"token": "right", "station": "", "webhook_secret": "made-by-the-hub-0"}
    assert channel.options == {"greeting": "Ahoy", "flags": ["red", "blue"], "at_night": True}
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


def test_a_switch_is_off_until_somebody_turns_it_on(semaphore: Semaphore, world: World) -> None:
    client = signed_in(world.admin)
    client.post(ADD, entered(world))
    channel = Channel.objects.get(name="Hill")
    assert channel.options == {}
    url = f"/channels/channel/{channel.pk}/change/"
    client.post(url, entered(world, option_at_night="on"))
    channel.refresh_from_db()
    assert channel.options == {"at_night": True}
    assert re.search(r'name="option_at_night"[^>]* checked', body(client.get(url)))
    client.post(url, entered(world))
    channel.refresh_from_db()
    assert channel.options == {}


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


REASON = "The platform does not accept the token."


@pytest.fixture
def broken(semaphore: Semaphore, world: World) -> Channel:
    """A channel that the hub paused, with two turns and a message of staff that wait."""
    signed_in(world.admin).post(ADD, entered(world))
    channel = Channel.objects.get(name="Hill")
    channel.status, channel.status_reason = Channel.Status.PAUSED, REASON
    channel.save()
    since = datetime(2026, 11, 24, 9, 39, tzinfo=UTC)
    for _ in range(2):
        conversation = factories.make_conversation(channel)
        turn = factories.make_inbound(conversation).turn
        factories.make_outbound(
            conversation, turn=turn, state="cancelled", error=REASON, attempts=1, sending_at=since
        )
    factories.make_outbound(conversation, "Sam here.", purpose="staff", state="pending")
    return channel


def test_a_broken_channel_says_since_when_and_what_waits(broken: Channel, world: World) -> None:
    page = body(signed_in(world.admin).get(f"/channels/channel/{broken.pk}/change/"))
    assert REASON in page
    assert "since 24 November 2026, 09:39 UTC" in page
    assert "2 turns wait for the repair." in page
    assert "1 other message waits for the repair." in page
    assert "Broken" in body(signed_in(world.admin).get("/channels/channel/"))


def test_an_agent_is_told_of_a_broken_channel_where_they_answer(world: World) -> None:
    world.channel.status, world.channel.status_reason = Channel.Status.PAUSED, REASON
    world.channel.save()
    page = f"/inbox/{world.conversation.pk}/"
    told = body(signed_in(world.agent).get(page))
    assert "waits for its repair by an admin" in told
    assert f"/channels/channel/{world.channel.pk}/" not in told
    assert f"/channels/channel/{world.channel.pk}/" in body(signed_in(world.admin).get(page))


def test_repairing_sends_what_waited_and_says_how_much(broken: Channel, world: World, sqs: FakeSqs) -> None:
    url = f"/channels/channel/{broken.pk}/change/"
    client = signed_in(world.admin)
    page = body(client.post(url, entered(world, credential_token="wrong"), follow=True))
    assert "The platform does not accept the token: enter the right one." in page
    assert not sqs.queues
    page = body(client.post(url, entered(world, credential_token="right"), follow=True))
    assert "Hill is active again: 3 turns and messages that waited are on the way now." in page
    staff_reply = Message.objects.get(text="Sam here.")
    turns = Turn.objects.filter(conversation__contact__channel=broken).values_list("pk", flat=True)
    assert sqs.bodies(queues.OUTBOUND) == [{"message": staff_reply.pk}]
    assert sorted(each["turn"] for each in sqs.bodies(queues.WAKEUPS)) == sorted(turns)
    broken.refresh_from_db()
    assert broken.resumed_at is not None
    assert broken.resumed_at > timezone.now() - timedelta(minutes=1)
    assert "since 24 November" not in body(client.get(url))


def test_resuming_a_broken_channel_asks_the_platform(broken: Channel, world: World, sqs: FakeSqs) -> None:
    """The button alone does not help a credential that the platform refuses."""
    Channel.objects.filter(pk=broken.pk).update(
        credentials=Channel(credentials={"token": "wrong"}).credentials
    )
    client = signed_in(world.admin)
    data = {"action": "resume_selected", "_selected_action": [str(broken.pk)]}
    client.post("/channels/channel/", data)
    broken.refresh_from_db()
    assert (broken.status, bool(broken.status_reason), broken.resumed_at) == ("paused", True, None)
    assert not sqs.queues
    Channel.objects.filter(pk=broken.pk).update(
        credentials=Channel(credentials={"token": "right"}).credentials
    )
    assert "Hill is active again: 3 turns" in body(client.post("/channels/channel/", data, follow=True))
    broken.refresh_from_db()
    assert (broken.status, broken.status_reason) == ("active", "")


def test_resuming_by_hand_starts_the_clock_and_sends_what_waits(
    broken: Channel, world: World, sqs: FakeSqs
) -> None:
    Channel.objects.filter(pk=broken.pk).update(status="paused", status_reason="")
    url = f"/channels/channel/{broken.pk}/change/"
    data = entered(world, credential_token="", channels_channel_resume="")
    page = body(signed_in(world.admin).post(url, data, follow=True))
    assert "Hill is active again: 3 turns and messages that waited are on the way now." in page
    broken.refresh_from_db()
    assert broken.status == "active"
    assert broken.resumed_at is not None
    assert len(sqs.bodies(queues.WAKEUPS)) == 2


def test_a_pause_during_the_check_is_not_undone(
    semaphore: Semaphore, world: World, monkeypatch: pytest.MonkeyPatch, sqs: FakeSqs
) -> None:
    """Somebody pauses the channel by hand while the platform takes its time."""
    client = signed_in(world.admin)
    client.post(ADD, entered(world))
    channel = Channel.objects.get(name="Hill")

    def pause(*_: object) -> Health:
        Channel.objects.filter(pk=channel.pk).update(status="paused", status_reason="")
        return Health("@semaphore_station", ["The webhook is slow."])

    monkeypatch.setattr(semaphore, "check", pause)
    connect(channel)
    channel.refresh_from_db()
    assert (channel.status, channel.is_held) == ("paused", False)


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


class TestAnotherAccount:
    """A channel is given the credentials of another account than before."""

    @pytest.fixture
    def moved(self, semaphore: Semaphore, world: World, monkeypatch: pytest.MonkeyPatch) -> Channel:
        """It was station A's; the platform is asked about station B now, and says what `self.said` is."""
        self.said = Health("Station B", address="B", parent="coast")
        monkeypatch.setattr(Semaphore, "identify", lambda kind, account: self.said)
        return Channel.objects.create(
            organization=world.organization,
            kind="semaphore",
            name="Hill",
            address="A",
            parent_address="coast",
            credentials={"token": "right", "station": "B"},
        )

    def addresses(self, channel: Channel) -> tuple[str, str]:
        connect(channel)
        stored = Channel.objects.get(pk=channel.pk)
        assert (stored.address, stored.parent_address) == (channel.address, channel.parent_address)
        return stored.address, stored.parent_address

    def test_where_that_is_refused_the_one_before_is_no_longer_its(self, moved: Channel) -> None:
        self.said = Health("", ["The token may not see station B."], address="B")
        assert self.addresses(moved) == ("", "")
        assert moved.status_reason == "The token may not see station B."

    def test_so_it_is_where_the_new_one_is_somebody_elses(self, moved: Channel, world: World) -> None:
        Channel.objects.create(organization=world.other, kind="semaphore", name="Theirs", address="B")
        assert self.addresses(moved) == ("", "")

    def test_where_the_webhook_is_refused_it_has_the_new_one(self, moved: Channel) -> None:
        moved.credentials["token"] = "wrong"
        assert self.addresses(moved) == ("B", "")

    def test_an_outage_takes_nothing_away(self, moved: Channel) -> None:
        self.said = Health("", ["The platform could not be reached."])
        assert self.addresses(moved) == ("A", "coast")
