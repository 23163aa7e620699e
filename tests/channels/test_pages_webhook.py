"""Pages and Instagram accounts against the whole hub: what the fake platform delivers over HTTP, and what the
ledger makes of it."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone
from pytest_django import Settings

from console.channels.models import Channel
from console.conversations.models import Contact, Conversation, Message, PlatformEvent
from hub_lambdas import inbox, intake, sending, webhook
from hub_lambdas.channels.base import InboundMessage
from hub_lambdas.http import Request, Response
from tests.channels.listening import listening
from tests.channels.messaging import APP_ID, APP_SECRET
from tests.factories import make_channel, make_inbound, make_organization, make_outbound
from tests.fakes.pages import FakePages
from tests.fakes.platform import Fault
from tests.fakes.sqs import FakeSqs

pytestmark = pytest.mark.django_db(transaction=True)

ANN = "200000000000001"


@pytest.fixture
def platform(settings: Settings, sqs: FakeSqs) -> Iterator[FakePages]:
    """The hub's app, whose webhooks arrive at the hub."""
    settings.META_APP_ID, settings.META_APP_SECRET = APP_ID, APP_SECRET
    settings.META_VERIFY_TOKEN = "hub-wide"
    with FakePages() as fake, listening(respond) as hub:
        settings.GRAPH_API_URL, settings.INSTAGRAM_API_URL = fake.graph_url, fake.instagram_url
        fake.add_app(APP_ID, APP_SECRET).callbacks.update(
            {"page": f"{hub}/messenger", "instagram": f"{hub}/instagram"}
        )
        yield fake


def respond(request: Request) -> Response:
    try:
        return webhook.respond(request)
    finally:
        connections.close_all()


def connect(platform: FakePages, kind: str, token: str, address: str) -> Channel:
    """A channel of an organization of its own, whose account delivers to the hub's app."""
    add = platform.add_page if kind == "messenger" else platform.add_instagram
    add(token, address, "The Clinic", APP_ID).subscribed[APP_ID] = ["messages", "message_echoes"]
    return make_channel(make_organization(), kind, address=address, credentials={"access_token": token})


@pytest.fixture
def page(platform: FakePages) -> Channel:
    return connect(platform, "messenger", "T1", "101")


@pytest.fixture
def instagram(platform: FakePages) -> Channel:
    return connect(platform, "instagram", "T9", "178")


def queued(sqs: FakeSqs) -> list[dict[str, Any]]:
    return sqs.bodies("dm-inbound.fifo")


def store_what_is_queued(sqs: FakeSqs) -> None:
    for body in queued(sqs):
        intake.store(*inbox.decode(json.loads(json.dumps(body))))


def test_one_webhook_serves_two_organizations(platform: FakePages, sqs: FakeSqs, page: Channel) -> None:
    other = connect(platform, "messenger", "T2", "102")
    with platform.held():
        platform.write("T1", ANN, "for the first")
        platform.write("T2", ANN, "for the second")
        platform.write("T1", "8", "for the first too")
    platform.wait_until_delivered()
    assert len(platform.deliveries) == 1
    assert [(body["channel"], body["inbound"]["text"]) for body in queued(sqs)] == [
        (str(page.pk), "for the first"),
        (str(page.pk), "for the first too"),
        (str(other.pk), "for the second"),
    ]


def test_a_page_of_nobody_here_is_acknowledged(platform: FakePages, sqs: FakeSqs, page: Channel) -> None:
    Channel.objects.all().update(address="999")
    platform.write("T1", ANN, "hello")
    platform.wait_until_delivered()
    assert [each.status for each in platform.deliveries] == [200]
    assert queued(sqs) == []


def test_both_platforms_share_the_app(
    platform: FakePages, sqs: FakeSqs, page: Channel, instagram: Channel
) -> None:
    platform.write("T1", ANN, "on the page")
    platform.write("T9", ANN, "on Instagram")
    platform.wait_until_delivered()
    assert {(body["channel"], body["inbound"]["text"]) for body in queued(sqs)} == {
        (str(page.pk), "on the page"),
        (str(instagram.pk), "on Instagram"),
    }


def test_a_webhook_that_nobody_signed_is_refused(sqs: FakeSqs, page: Channel) -> None:
    unsigned = Request("POST", "/messenger", body=b'{"object": "page"}')
    assert webhook.respond(unsigned).status == 401


def answering(channel: Channel, text: str = "At nine. ") -> Message:
    """A text to Ann that is due now."""
    contact = Contact.objects.create(channel=channel, platform_id=ANN)
    conversation = Conversation.objects.create(organization=channel.organization, contact=contact)
    make_inbound(conversation, "When do you open?")
    return make_outbound(conversation, text, state=Message.State.PENDING, purpose=Message.Purpose.FALLBACK)


@pytest.mark.parametrize("kind", ["page", "instagram"])
@pytest.mark.parametrize("is_answered", [True, False], ids=["answered", "silence"])
def test_our_echo_settles_a_message_and_takes_nothing_over(
    platform: FakePages, sqs: FakeSqs, request: pytest.FixtureRequest, kind: str, is_answered: bool
) -> None:
    """Instagram's echo does not say which app sent it."""
    channel = request.getfixturevalue(kind)
    token = channel.credentials["access_token"]
    message = answering(channel)
    platform.owners[token].written_at[ANN] = timezone.now().timestamp()
    if not is_answered:
        platform.fail_next("messages", Fault(after=True))
    sending.deliver(message.pk)
    message.refresh_from_db()
    assert message.state == (Message.State.SENT if is_answered else Message.State.UNKNOWN)
    platform.wait_until_delivered()
    store_what_is_queued(sqs)
    message.refresh_from_db()
    assert (message.state, message.platform_id) == (Message.State.SENT, platform.sent[0]["id"])
    assert message.conversation.owner == Conversation.Owner.BOT
    assert Message.objects.filter(direction=Message.Direction.OUT).count() == 1


@pytest.mark.parametrize("kind", ["page", "instagram"])
def test_an_echo_before_the_answer_of_the_platform(
    platform: FakePages,
    sqs: FakeSqs,
    request: pytest.FixtureRequest,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    channel = request.getfixturevalue(kind)
    message = answering(channel)
    platform.owners[channel.credentials["access_token"]].written_at[ANN] = timezone.now().timestamp()
    record = sending._record

    def record_late(*given: Any, **more: Any) -> Message:
        platform.wait_until_delivered()
        store_what_is_queued(sqs)
        return record(*given, **more)

    monkeypatch.setattr(sending, "_record", record_late)
    sending.deliver(message.pk)
    message.refresh_from_db()
    assert (message.state, message.platform_id) == (Message.State.SENT, platform.sent[0]["id"])
    assert message.conversation.owner == Conversation.Owner.BOT


@pytest.mark.parametrize(
    ("kind", "app_id"),
    [
        ("page", "263902037430900"),
        ("page", "999"),
        ("instagram", "1217981644879628"),
        ("instagram", "999"),
    ],
)
def test_a_person_in_metas_inbox_takes_the_conversation_over(
    platform: FakePages, sqs: FakeSqs, request: pytest.FixtureRequest, kind: str, app_id: str
) -> None:
    channel = request.getfixturevalue(kind)
    platform.reply_by_hand(channel.credentials["access_token"], ANN, "Ann here.", app_id)
    platform.wait_until_delivered()
    store_what_is_queued(sqs)
    conversation = Conversation.objects.get(contact__platform_id=ANN)
    assert conversation.owner == Conversation.Owner.STAFF
    assert conversation.messages.get().text == "Ann here."


def test_a_read_mark_reaches_what_was_sent_before_it(
    platform: FakePages, sqs: FakeSqs, page: Channel
) -> None:
    """Meta dates a message before its answer has come back: the mark is older than that answer."""
    message = answering(page)
    now = timezone.now()
    Message.objects.filter(pk=message.pk).update(
        state=Message.State.SENT, sending_at=now, sent_at=now + timedelta(seconds=1)
    )
    watermark = int((now.timestamp() + 0.4) * 1000)
    platform.happen("T1", ANN, {"read": {"watermark": watermark}})
    platform.wait_until_delivered()
    store_what_is_queued(sqs)
    message.refresh_from_db()
    assert message.reached == "read"


def test_a_message_that_comes_twice_is_stored_once(platform: FakePages, sqs: FakeSqs, page: Channel) -> None:
    platform.write("T1", ANN, "hello")
    platform.wait_until_delivered()
    store_what_is_queued(sqs)
    store_what_is_queued(sqs)
    assert Message.objects.get().text == "hello"


def test_an_unsent_message_is_forgotten(platform: FakePages, sqs: FakeSqs, instagram: Channel) -> None:
    mid = platform.write("T9", ANN, "my number is 12345")
    platform.happen("T9", ANN, {"message": {"mid": mid, "is_deleted": True}})
    platform.wait_until_delivered()
    store_what_is_queued(sqs)
    message = Message.objects.get()
    assert (message.text, message.payload) == ("", "")
    assert "12345" not in "".join(PlatformEvent.objects.values_list("payload", flat=True))


def test_a_refused_webhook_comes_again(platform: FakePages, sqs: FakeSqs, page: Channel) -> None:
    address, app = platform.apps[APP_ID].callbacks["page"], platform.apps[APP_ID]
    app.callbacks["page"] = address.replace("/messenger", "/nowhere")
    platform.write("T1", ANN, "hello")
    platform.wait_until(lambda fake: any(each.status == 404 for each in fake.deliveries))
    app.callbacks["page"] = address
    platform.wait_until_delivered()
    assert [body["inbound"]["text"] for body in queued(sqs)] == ["hello"]


def test_what_is_queued_comes_back_as_it_was(platform: FakePages, sqs: FakeSqs, page: Channel) -> None:
    platform.write("T1", ANN, "😀\x00\ud800")
    platform.wait_until_delivered()
    (body,) = queued(sqs)
    _, _, inbound = inbox.decode(body)
    assert isinstance(inbound, InboundMessage)
    assert inbound.text == "😀\x00\ud800"
