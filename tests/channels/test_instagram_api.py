"""What the hub asks of Instagram, and what it makes of the answers."""

import time
import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest
from pytest_django import Settings

from hub_lambdas.channels.base import (
    Account,
    ChannelError,
    CredentialRejected,
    Health,
    InboundMessage,
    Media,
    Sender,
    SendRefused,
    SendRejected,
    SendUnknown,
)
from hub_lambdas.channels.instagram import SUBSCRIBED_FIELDS, Instagram
from tests.channels.messaging import APP_ID, APP_SECRET, post
from tests.fakes.meta import ApiError
from tests.fakes.pages import FakePages, Owner
from tests.fakes.platform import Fault

KIND = Instagram()
TOKEN = "IGAA-token"
OWNER = "17841400000000000"
CONTACT = "200000000000001"
WEBHOOK = "https://hub.example/instagram/00000000-0000-0000-0000-000000000001"
ACCOUNT = Account(uuid.UUID(int=1), {"access_token": TOKEN, "verify_token": "v1"})


@pytest.fixture
def platform(settings: Settings) -> Iterator[FakePages]:
    """The fake Graph API, with an account that `CONTACT` has written to."""
    with FakePages() as fake:
        settings.INSTAGRAM_API_URL = fake.instagram_url
        fake.add_app(APP_ID, APP_SECRET)
        fake.add_instagram(TOKEN, OWNER, "the.clinic", APP_ID)
        fake.write(TOKEN, CONTACT, "hello")
        yield fake


@pytest.fixture
def owner(platform: FakePages) -> Owner:
    return platform.owners[TOKEN]


def send(text: str = "hello", contact: str = CONTACT) -> str:
    return KIND.send(ACCOUNT, contact, text, "77")


def test_a_text_goes_out_as_it_is(platform: FakePages) -> None:
    platform_id = send("Grüße 😀")
    (sent,) = platform.sent
    assert (sent["contact"], sent["text"], sent["id"]) == (CONTACT, "Grüße 😀", platform_id)
    assert platform.calls[-1].path == "/instagram/v26.0/me/messages"


def test_choices_are_quick_replies_and_come_back(platform: FakePages) -> None:
    choices = [f"Choice number {number}" for number in range(10)]
    KIND.send(ACCOUNT, CONTACT, "hello", "77", choices)
    assert platform.sent[0]["choices"] == {choice: choice for choice in choices}
    for choice in choices:
        item = platform.press(TOKEN, CONTACT, choice)
        [pressed] = KIND.parse(
            post({"object": "instagram", "entry": [{"id": OWNER, "messaging": [item]}]}), ACCOUNT
        )
        assert isinstance(pressed, InboundMessage)
        assert (pressed.kind, pressed.text, pressed.sender.platform_id) == ("button", choice, CONTACT)


def error(code: int, subcode: int | None = None, status: int = 400) -> Fault:
    return Fault(ApiError(code, "said Instagram", subcode, status))


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        *((error(code), SendRefused) for code in (2, 4, 32, 613, 1200, 80002)),
        (error(190, 463, 401), CredentialRejected),
        (error(10, 2534022), SendRejected),
        (error(10, 2018278), SendRejected),
        (error(551, 1545041), SendRejected),
        (error(100, 2534014), SendRejected),
        (error(100), SendRejected),
        (error(1, status=500), SendUnknown),
        (Fault(raw=(502, "<html>")), SendUnknown),
        (Fault(after=True), SendUnknown),
    ],
)
def test_each_refusal_means_what_instagram_means(
    platform: FakePages, fault: Fault, expected: type[ChannelError]
) -> None:
    platform.fail_next("messages", fault)
    with pytest.raises(ChannelError) as raised:
        send()
    assert type(raised.value) is expected


def test_who_is_where_is_told_by_the_platform_itself(platform: FakePages, owner: Owner) -> None:
    with pytest.raises(SendRejected, match=r"100/2534014") as gone:
        send(contact="nobody")
    assert gone.value.contact_gone
    platform.close_window(TOKEN, CONTACT)
    with pytest.raises(SendRejected, match=r"10/2534022") as late:
        send()
    assert not late.value.contact_gone
    owner.is_expired = True
    with pytest.raises(CredentialRejected):
        send()


def test_typing_is_shown(platform: FakePages) -> None:
    KIND.show_typing(ACCOUNT, CONTACT, "m1")
    assert [call.parameters["sender_action"] for call in platform.calls] == ["typing_on"]


@pytest.mark.parametrize("text", ["x" * 2500, "😀" * 700, "word " * 700, "👩‍👩‍👧‍👦" * 120])
def test_instagram_takes_every_piece(platform: FakePages, text: str) -> None:
    for piece in KIND.split(text):
        send(piece)
    assert "".join(sent["text"] for sent in platform.sent) == text


def test_registration_finds_the_id_that_webhooks_carry(platform: FakePages, owner: Owner) -> None:
    assert KIND.register(ACCOUNT, WEBHOOK) == Health("@the.clinic", (), OWNER)
    assert owner.subscribed == {APP_ID: list(SUBSCRIBED_FIELDS)}
    assert KIND.check(ACCOUNT, WEBHOOK) == Health("@the.clinic", [], OWNER, delivers_here=True)


def test_problems_are_told_in_plain_words(platform: FakePages, owner: Owner) -> None:
    assert "delivers nothing" in " ".join(KIND.check(ACCOUNT, WEBHOOK).problems)
    owner.is_expired = True
    with pytest.raises(CredentialRejected, match="expired"):
        KIND.check(ACCOUNT, WEBHOOK)


def test_a_token_that_is_nobodys_is_said(platform: FakePages) -> None:
    platform.fail_next("me", Fault(raw=(200, '{"id": "1"}')))
    with pytest.raises(SendRejected, match="professional account"):
        KIND.register(ACCOUNT, WEBHOOK)


# --- a token lives for 60 days ------------------------------------------------------------------------------

DAY = 86400


def renewed(account: Account, after: float, monkeypatch: pytest.MonkeyPatch) -> Account:
    """The account once the hub has had its token renewed, `after` so many seconds from now."""
    now = time.time() + after
    monkeypatch.setattr(time, "time", lambda: now)
    changed = KIND.renew(account)
    return replace(account, credentials={**account.credentials, **changed}) if changed else account


def test_a_token_of_today_is_renewed_when_it_is_a_day_old_and_then_a_month_before_its_end(
    platform: FakePages, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner.made_at = time.time()
    seen = renewed(ACCOUNT, 0, monkeypatch)
    assert seen.credentials["access_token"] == TOKEN
    ends_at = KIND.check(seen, WEBHOOK).validity.ends_at
    assert ends_at is not None
    assert abs(ends_at.timestamp() - time.time() - 60 * DAY) < 60, "at the latest"
    assert renewed(seen, 3600, monkeypatch) is seen, "too early"
    second = renewed(seen, 1.2 * DAY, monkeypatch)
    assert second.credentials["access_token"] != TOKEN
    assert KIND.check(second, WEBHOOK).account == "@the.clinic"
    calls = len(platform.calls)
    assert renewed(second, 29 * DAY, monkeypatch) is second
    assert len(platform.calls) == calls, "nothing is asked before it is time"
    third = renewed(second, 2 * DAY, monkeypatch)
    assert third.credentials["access_token"] not in (TOKEN, second.credentials["access_token"])
    assert platform.calls[-1].path == "/instagram/refresh_access_token"


def test_what_is_known_of_one_token_does_not_count_for_the_next(
    platform: FakePages, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = renewed(ACCOUNT, 0, monkeypatch)
    assert KIND.check(kept, WEBHOOK).validity.ends_at is not None
    pasted = replace(kept, credentials={**kept.credentials, "access_token": TOKEN})
    assert KIND.check(pasted, WEBHOOK).validity.ends_at is None


def test_a_token_that_is_not_renewed_is_complained_about(
    platform: FakePages, owner: Owner, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    owner.made_at = time.time()
    seen = renewed(ACCOUNT, 0, monkeypatch)
    for fault, expected in ((error(10), SendRejected), (error(2), SendRefused)):
        platform.fail_next("refresh_access_token", fault)
        with pytest.raises(expected) as raised:
            renewed(seen, 2 * DAY, monkeypatch)
        assert TOKEN not in str(raised.value) + caplog.text
        assert ("at the latest and was not renewed" in str(raised.value)) is (expected is SendRejected)
    renewed_in_vain = time.time() + 50 * DAY
    monkeypatch.setattr(time, "time", lambda: renewed_in_vain)
    assert "The access token ends on" in " ".join(KIND.check(seen, WEBHOOK).problems)


@pytest.mark.parametrize(
    ("person", "name"),
    [
        ({"name": "Ann Archer", "username": "ann"}, "Ann Archer"),
        ({"name": "", "username": "ann"}, "@ann"),
        ({}, None),
    ],
)
def test_a_contact_by_name(platform: FakePages, person: dict[str, str], name: str | None) -> None:
    platform.people[CONTACT] = person
    assert KIND.look_up(ACCOUNT, CONTACT) == (Sender(CONTACT, name) if name else None)


def test_a_file_comes_from_the_address_in_the_webhook(platform: FakePages) -> None:
    media = Media(platform.add_file(b"a picture", "image/png"))
    assert KIND.fetch_media(ACCOUNT, media, 100).content == b"a picture"
