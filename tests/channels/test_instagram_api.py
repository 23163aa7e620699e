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
    Sender,
    SendRefused,
    SendRejected,
    SendUnknown,
)
from hub_lambdas.channels.instagram import SUBSCRIBED_FIELDS, Instagram
from tests.channels.messaging import APP_ID, APP_SECRET
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
    """The fake Graph API, with the hub's app and an account that `CONTACT` has written to."""
    with FakePages() as fake:
        settings.INSTAGRAM_API_URL, settings.GRAPH_API_URL = fake.instagram_url, fake.graph_url
        settings.META_APP_ID, settings.META_APP_SECRET = APP_ID, APP_SECRET
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


def test_typing_is_shown(platform: FakePages) -> None:
    KIND.show_typing(ACCOUNT, CONTACT, "m1")
    assert [call.parameters["sender_action"] for call in platform.calls] == ["typing_on"]


def test_registration_finds_the_id_that_webhooks_carry(platform: FakePages, owner: Owner) -> None:
    assert KIND.register(ACCOUNT, WEBHOOK) == Health("@the.clinic", (), OWNER)
    assert owner.subscribed == {APP_ID: list(SUBSCRIBED_FIELDS)}
    assert KIND.check(ACCOUNT, WEBHOOK) == Health("@the.clinic", [], OWNER)


@pytest.mark.parametrize(
    ("address", "fields", "delivers_here", "said"),
    [
        ("https://hub.example/instagram", ["messages"], True, ""),
        (WEBHOOK, ["messages"], True, ""),
        ("https://elsewhere.example/instagram", ["messages"], False, "another address"),
        ("https://hub.example/instagram", ["comments"], False, "leaves out the field messages"),
        ("", [], None, ""),
    ],
)
def test_where_the_hubs_app_delivers_to(
    platform: FakePages, address: str, fields: list[str], delivers_here: bool | None, said: str
) -> None:
    KIND.register(ACCOUNT, WEBHOOK)
    if address:
        platform.apps[APP_ID].callbacks["instagram"] = address
        platform.apps[APP_ID].fields["instagram"] = fields
    health = KIND.check(ACCOUNT, WEBHOOK)
    assert (health.delivers_here, health.is_by_hand) == (delivers_here, False)
    assert said in " ".join(health.problems)
    assert bool(health.problems) is bool(said)


def test_an_app_of_ones_own_is_pointed_here_by_hand(platform: FakePages) -> None:
    own = replace(ACCOUNT, credentials={**ACCOUNT.credentials, "app_secret": "own"})
    KIND.register(own, WEBHOOK)
    health = KIND.check(own, WEBHOOK)
    assert (health.delivers_here, health.is_by_hand, list(health.problems)) == (None, True, [])


def test_problems_are_told_in_plain_words(platform: FakePages, owner: Owner) -> None:
    assert "delivers nothing" in " ".join(KIND.check(ACCOUNT, WEBHOOK).problems)
    owner.subscribed[APP_ID] = ["comments"]
    assert "leaves out its messages" in " ".join(KIND.check(ACCOUNT, WEBHOOK).problems)
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
