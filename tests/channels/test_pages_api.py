"""What the hub asks of Messenger and of Instagram alike, and what it makes of the answers."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from pytest_django import Settings

from hub_lambdas.channels import KINDS
from hub_lambdas.channels.base import (
    Account,
    ChannelError,
    CredentialRejected,
    FetchedMedia,
    InboundMessage,
    Kind,
    Media,
    MediaGone,
    MediaRefused,
    SendRejected,
    SendUnknown,
)
from tests.channels.messaging import APP_ID, APP_SECRET, post
from tests.fakes.pages import DAY, OBJECTS, FakePages
from tests.fakes.platform import Fault

TOKEN, OWNER, CONTACT = "token-that-nobody-may-see", "1000", "200000000000001"
ACCOUNT = Account(uuid.UUID(int=1), {"access_token": TOKEN})
PERMITTED = Account(uuid.UUID(int=1), {"access_token": TOKEN}, {"human_agent": True})


@dataclass(frozen=True)
class Said:
    """What Meta says of each thing, code and subcode."""

    unknown_contact: str
    closed_window: str


SAID = {
    "messenger": Said(unknown_contact="100/2018001", closed_window="10/2018278"),
    "instagram": Said(unknown_contact="100/2534014", closed_window="10/2534022"),
}


@pytest.fixture(params=SAID)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def kind(name: str) -> Kind:
    return KINDS[name]


@pytest.fixture
def platform(settings: Settings, name: str) -> Iterator[FakePages]:
    """Meta, with an account that `CONTACT` has written to."""
    with FakePages() as fake:
        settings.GRAPH_API_URL, settings.INSTAGRAM_API_URL = fake.graph_url, fake.instagram_url
        fake.add_app(APP_ID, APP_SECRET)
        (fake.add_page if name == "messenger" else fake.add_instagram)(TOKEN, OWNER, "The Clinic", APP_ID)
        fake.write(TOKEN, CONTACT, "hello")
        yield fake


def send(kind: Kind, text: str = "hello", contact: str = CONTACT, account: Account = ACCOUNT) -> str:
    return kind.send(account, contact, text, "77")


def test_choices_are_quick_replies_and_come_back(platform: FakePages, kind: Kind) -> None:
    choices = [f"Choice number {number}" for number in range(10)]
    kind.send(ACCOUNT, CONTACT, "hello", "77", choices)
    assert platform.sent[0]["choices"] == {choice: f"channels-hub:77:{choice}" for choice in choices}
    for choice in choices:
        item = platform.press(TOKEN, CONTACT, choice)
        webhook = {"object": OBJECTS[kind.name], "entry": [{"id": OWNER, "messaging": [item]}]}
        [pressed] = kind.parse(post(webhook), ACCOUNT)
        assert isinstance(pressed, InboundMessage)
        assert (pressed.kind, pressed.text, pressed.sender.platform_id) == ("button", choice, CONTACT)
        assert pressed.below_reference == "77"


@pytest.mark.parametrize("text", ["x" * 4500, "😀" * 2500, "word " * 1500, "👩‍👩‍👧‍👦" * 120])
def test_the_platform_takes_every_piece(platform: FakePages, kind: Kind, text: str) -> None:
    for piece in kind.split(text):
        send(kind, piece)
    assert "".join(sent["text"] for sent in platform.sent) == text


def test_who_is_where_is_told_by_the_platform_itself(platform: FakePages, kind: Kind) -> None:
    said, owner = SAID[kind.name], platform.owners[TOKEN]
    with pytest.raises(SendRejected, match=said.unknown_contact) as gone:
        send(kind, contact="nobody")
    assert gone.value.contact_gone
    platform.close_window(TOKEN, CONTACT)
    with pytest.raises(SendRejected, match=said.closed_window) as late:
        send(kind)
    assert not late.value.contact_gone
    platform.write(TOKEN, CONTACT, "again")
    owner.blocked_by.add(CONTACT)
    with pytest.raises(SendRejected, match="551/1545041"):
        send(kind)
    owner.is_expired = True
    with pytest.raises(CredentialRejected, match="190/463"):
        send(kind)
    assert not platform.sent


def test_a_connection_that_breaks_after_the_message_was_taken_is_unknown(
    platform: FakePages, kind: Kind
) -> None:
    platform.fail_next("messages", Fault(after=True))
    with pytest.raises(SendUnknown):
        send(kind)
    assert len(platform.sent) == 1


def test_an_answer_without_an_id_is_still_one_message(platform: FakePages, kind: Kind) -> None:
    platform.fail_next("messages", Fault(raw=(200, "{}")))
    assert send(kind) == "sent:77"


@pytest.mark.parametrize("token", [None, "", "two words", "ключ", 17])
def test_what_is_no_token_is_not_tried(platform: FakePages, kind: Kind, token: Any) -> None:
    with pytest.raises(CredentialRejected):
        send(kind, account=Account(uuid.UUID(int=1), {"access_token": token}))
    assert not platform.calls


def test_who_leaves_delivers_nothing(platform: FakePages, kind: Kind) -> None:
    kind.register(ACCOUNT, "https://hub.example/x")
    kind.unregister(ACCOUNT, "https://hub.example/x")
    assert "delivers no" in " ".join(kind.check(ACCOUNT, "https://hub.example/x").problems)


def test_a_wrong_token_cannot_be_registered(platform: FakePages, kind: Kind) -> None:
    with pytest.raises(CredentialRejected):
        kind.register(Account(uuid.UUID(int=1), {"access_token": "wrong"}), "https://hub.example/x")


def test_a_file_comes_from_the_address_in_the_webhook_without_the_token(
    platform: FakePages, kind: Kind
) -> None:
    media = Media(platform.add_file(b"a picture", "image/png"))
    assert kind.fetch_media(ACCOUNT, media, 100) == FetchedMedia(b"a picture", "image/png")
    platform.files.clear()
    with pytest.raises(MediaGone, match=f"{kind.label} does not give the file out any more"):
        kind.fetch_media(ACCOUNT, media, 100)


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/x", "https://127.0.0.1/x", "https://[::1]/x"])
def test_a_forged_address_leads_nowhere(platform: FakePages, kind: Kind, address: str) -> None:
    with pytest.raises(MediaRefused):
        kind.fetch_media(ACCOUNT, Media(address), 100)


class TestHumanAgent:
    """What staff write after a day, by Meta's permission of that name."""

    @pytest.fixture(autouse=True)
    def late(self, platform: FakePages) -> None:
        platform.close_window(TOKEN, CONTACT, DAY + 60)

    def send(self, kind: Kind) -> str:
        return kind.send(PERMITTED, CONTACT, "hello", "77", is_late=True)

    def test_the_week_of_staff_counts_only_where_the_switch_is_on(self, kind: Kind) -> None:
        def hours(account: Account) -> tuple[float, float]:
            window = kind.reply_window(account, CONTACT)
            assert window is not None
            return window.bot.total_seconds() / 3600, window.staff.total_seconds() / 3600

        assert hours(ACCOUNT) == (24, 24)
        assert hours(PERMITTED) == (24, 7 * 24)

    def test_it_is_sent_under_its_tag(self, platform: FakePages, kind: Kind) -> None:
        platform_id = self.send(kind)
        assert [sent["id"] for sent in platform.sent] == [platform_id]
        parameters = platform.calls[-1].parameters
        assert (parameters["messaging_type"], parameters["tag"]) == ("MESSAGE_TAG", "HUMAN_AGENT")

    def test_what_is_in_time_has_no_tag(self, platform: FakePages, kind: Kind) -> None:
        platform.write(TOKEN, CONTACT, "hello again")
        send(kind, account=PERMITTED)
        assert "tag" not in platform.calls[-1].parameters

    def test_what_the_bot_writes_is_refused_by_then(self, platform: FakePages, kind: Kind) -> None:
        with pytest.raises(SendRejected, match="outside of allowed window"):
            send(kind, account=PERMITTED)

    def test_after_a_week_it_is_refused(self, platform: FakePages, kind: Kind) -> None:
        platform.close_window(TOKEN, CONTACT, 7 * DAY)
        with pytest.raises(SendRejected, match="outside of allowed window"):
            self.send(kind)

    def test_an_app_without_the_permission_is_no_broken_credential(
        self, platform: FakePages, kind: Kind
    ) -> None:
        platform.owners[TOKEN].has_human_agent = False
        with pytest.raises(ChannelError, match="permission") as raised:
            self.send(kind)
        assert type(raised.value) is SendRejected
        assert platform.sent == []
