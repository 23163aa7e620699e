"""One webhook for the channels of many organizations, and one contact under two ids."""

import json
from typing import Any

import pytest

from console.channels.models import Channel
from console.conversations.models import Contact, DeadLetter, Message, PlatformEvent
from console.organizations.models import Organization
from hub_lambdas import inbound, queues, record, webhook
from hub_lambdas.channels.base import InboundMessage, Sender
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.conftest import Pigeon, http_event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def other(channel: Channel) -> Channel:
    """A channel of another organization."""
    Channel.objects.filter(pk=channel.pk).update(address="1")
    nest = Organization.objects.create(slug="nest", name="The Nest", burst_window_seconds=0)
    return Channel.objects.create(
        organization=nest, kind="pigeon", name="Nest", address="2", credentials={"ring": "r2"}
    )


def post(path: str, *items: dict[str, Any], ring: str = "shared") -> int:
    written = [{"from": "ann", "kind": "text", "text": "hello", **item} for item in items]
    return int(webhook.handler(http_event(path, json.dumps(written), ring=ring), None)["statusCode"])


def stored(sqs: FakeSqs) -> list[tuple[str, str]]:
    """(organization, message id) of all that arrived."""
    assert sqs.run("dm-inbound.fifo", inbound.handler, times=2) == 0
    found = Message.objects.filter(direction="in").order_by("platform_id")
    return list(found.values_list("conversation__organization__slug", "platform_id"))


def test_one_webhook_reaches_the_channels_of_several_organizations(sqs: FakeSqs, other: Channel) -> None:
    assert post("/pigeon", {"id": "a", "address": "1"}, {"id": "b", "address": "2"}) == 200
    assert stored(sqs) == [("loft", "a"), ("nest", "b")]


def test_what_is_for_nobody_is_taken_and_keeps_no_other_back(sqs: FakeSqs, other: Channel) -> None:
    items = [{"id": "a", "address": "7"}, {"id": "b"}, {"id": "c", "address": "2"}]
    assert post("/pigeon", *items) == 200
    assert stored(sqs) == [("nest", "c")]


def test_an_organizations_own_app_speaks_for_no_other(sqs: FakeSqs, channel: Channel, other: Channel) -> None:
    items = [{"id": "a", "address": "1"}, {"id": "b", "address": "2"}]
    assert post(f"/pigeon/{channel.pk}", *items, ring="r1") == 200
    assert stored(sqs) == [("loft", "a")]


def test_an_app_that_two_organizations_share_speaks_for_both(
    sqs: FakeSqs, channel: Channel, other: Channel
) -> None:
    Channel.objects.filter(pk=other.pk).update(credentials={"ring": "r1"})
    items = [{"id": "a", "address": "1"}, {"id": "b", "address": "2"}]
    assert post(f"/pigeon/{channel.pk}", *items, ring="r1") == 200
    assert stored(sqs) == [("loft", "a"), ("nest", "b")]


def test_the_shared_address_takes_nothing_that_is_not_signed(sqs: FakeSqs, other: Channel) -> None:
    assert post("/pigeon", {"id": "a", "address": "1"}, ring="r1") == 401
    assert post("/webchat", {"id": "a", "address": "1"}) == 404


def test_an_account_that_was_connected_anew_leads_to_its_new_channel(
    sqs: FakeSqs, channel: Channel, other: Channel
) -> None:
    Channel.objects.filter(pk=channel.pk).update(status="retired", name="Old")
    Channel.objects.filter(pk=other.pk).update(address="1")
    assert post("/pigeon", {"id": "a", "address": "1"}) == 200
    assert stored(sqs) == [("nest", "a")]


def test_a_retired_channel_declines_what_it_gets(sqs: FakeSqs, channel: Channel) -> None:
    Channel.objects.update(address="1", status="retired")
    assert post("/pigeon", {"id": "a", "address": "1"}) == 200
    stored(sqs)
    message = Message.objects.get()
    assert message.turn is not None
    assert (message.turn.state, message.turn.reason) == ("declined", "channel_retired")


def test_what_is_about_an_account_as_a_whole_reaches_each_of_its_channels(
    sqs: FakeSqs, channel: Channel, other: Channel, caplog: pytest.LogCaptureFixture
) -> None:
    Channel.objects.update(parent_address="waba")
    Channel.objects.create(organization=other.organization, kind="pigeon", name="None of it", address="3")
    feathers = [
        {"kind": "feather", "id": "f", "parent": "waba"},
        {"kind": "feather", "id": "g", "parent": "x"},
    ]
    assert post("/pigeon", *feathers, {"kind": "feather", "id": "h"}) == 200
    assert stored(sqs) == []
    events = PlatformEvent.objects.values_list("channel__name", "kind", "platform_id")
    assert sorted(events) == [("Loft", "feather", "f"), ("Nest", "feather", "f")]
    assert [record.getMessage() for record in caplog.records if "for no channel" in record.getMessage()] == [
        "pigeon webhook: for no channel here: 2 feather"
    ]


def test_at_a_channels_own_address_it_is_for_that_channel(
    sqs: FakeSqs, channel: Channel, other: Channel
) -> None:
    Channel.objects.update(parent_address="waba")
    assert post(f"/pigeon/{channel.pk}", {"kind": "feather", "id": "f", "parent": "waba"}, ring="r1") == 200
    assert stored(sqs) == []
    assert [event.channel for event in PlatformEvent.objects.all()] == [channel]


class TestUnreadAtTheSharedAddress:
    """Nobody can read a webhook of the hub's own app: it may be for anybody."""

    @pytest.fixture(autouse=True)
    def buried(self, sqs: FakeSqs, other: Channel) -> None:
        assert post("/pigeon", {"kind": "explode", "id": "x"}) == 200
        left = [sqs.run("dm-inbound.fifo", inbound.handler) for _ in range(record.MAX_RECEIVES)]
        assert left == [1, 1, 1, 1, 0]

    def test_it_is_kept_for_whoever_runs_the_hub(self) -> None:
        letter = DeadLetter.objects.get()
        assert (letter.organization, letter.cause) == (None, "RuntimeError")
        assert "explode" in letter.body

    def test_a_later_release_finds_whose_it_is(self, sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch) -> None:
        understood = InboundMessage(Sender("ann"), "1", "text", "hello", None, "{}", address="2")
        monkeypatch.setattr(Pigeon, "parse", lambda self, request, account: [understood])
        letter = DeadLetter.objects.get()
        queues.replay(letter.queue, letter.body)
        assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
        assert stored(sqs) == [("nest", "1")]


def test_one_that_is_nested_too_deeply_is_taken_and_kept(sqs: FakeSqs, channel: Channel) -> None:
    deep = "[" * 5_000 + "]" * 5_000
    assert webhook.handler(http_event("/pigeon", deep, ring="shared"), None)["statusCode"] == 200
    [body] = sqs.bodies("dm-inbound.fifo")
    assert body["inbound"]["payload"] == deep
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 1


class TestTwoIds:
    """The platform has a number and a user id for the same contact."""

    @pytest.fixture(autouse=True)
    def address(self, channel: Channel) -> None:
        self.path = f"/pigeon/{channel.pk}"

    def write(self, sqs: FakeSqs, **item: Any) -> None:
        assert post(self.path, item, ring="r1") == 200
        stored(sqs)

    def test_either_leads_to_the_contact(self, sqs: FakeSqs) -> None:
        self.write(sqs, id="a", **{"from": "49170"})
        self.write(sqs, id="b", alias="49170", **{"from": "DE.ann"})
        self.write(sqs, id="c", **{"from": "DE.ann"})
        contact = Contact.objects.get()
        assert (contact.platform_id, contact.alias) == ("49170", "DE.ann")
        assert Message.objects.filter(direction="in").count() == 3

    def test_two_that_turn_out_to_be_one_go_on_as_the_newer(self, sqs: FakeSqs) -> None:
        self.write(sqs, id="a", **{"from": "49170"})
        self.write(sqs, id="b", **{"from": "DE.ann"})
        self.write(sqs, id="c", alias="49170", **{"from": "DE.ann"})
        self.write(sqs, id="d", **{"from": "49170"})
        for message_id in "cd":
            assert Message.objects.get(platform_id=message_id).conversation.contact.platform_id == "DE.ann"

    @pytest.mark.parametrize("first", [{"from": "DE.ann", "alias": "49170"}, {"from": "49170"}])
    def test_a_number_that_was_given_to_somebody_else_is_theirs(
        self, sqs: FakeSqs, first: dict[str, str]
    ) -> None:
        self.write(sqs, id="a", **first)
        self.write(sqs, id="b", **{"from": "DE.ann", "alias": "49170"})
        self.write(sqs, id="c", **{"from": "DE.bob", "alias": "49170"})
        self.write(sqs, id="d", **{"from": "49170"})
        self.write(sqs, id="e", **{"from": "DE.ann"})
        people = [Message.objects.get(platform_id=each).conversation.contact_id for each in "abcde"]
        assert people[0] == people[1] == people[4]
        assert people[2] == people[3] != people[0]

    def test_what_was_taken_back_before_it_came_is_not_kept_either(self, sqs: FakeSqs) -> None:
        self.write(sqs, id="c", kind="unsend", of="a", **{"from": "49170"})
        self.write(sqs, id="a", text="my secret", **{"from": "49170"})
        self.write(sqs, id="b", kind="edit", of="a", text="my secret", **{"from": "49170"})
        message = Message.objects.get(platform_id="a")
        assert (message.kind, message.text) == ("unsent", "")

    def test_what_was_taken_back_stands_nowhere(self, sqs: FakeSqs) -> None:
        self.write(sqs, id="a", **{"from": "49170"})
        self.write(sqs, id="b", kind="edit", of="a", text="my secret", **{"from": "49170"})
        self.write(sqs, id="c", kind="unsend", of="a", **{"from": "49170"})
        assert Message.objects.get(platform_id="a").text == ""
        assert set(PlatformEvent.objects.values_list("payload", flat=True)) == {""}

    def test_a_contact_who_moved_is_known_under_the_new_id(self, sqs: FakeSqs) -> None:
        self.write(sqs, id="a", **{"from": "49170"})
        self.write(sqs, id="m", kind="move", before="49170", **{"from": "49171"})
        self.write(sqs, id="b", **{"from": "49171"})
        assert Contact.objects.get().platform_id == "49171"
