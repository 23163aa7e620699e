"""What the hub asks of Messenger, and what it makes of the answers."""

import logging
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress

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
    Validity,
)
from hub_lambdas.channels.messenger import SUBSCRIBED_FIELDS, Messenger
from hub_lambdas.contact_view import LedgerView
from hub_lambdas.http import Request, Response
from tests.channels.listening import listening
from tests.channels.messaging import APP_ID, APP_SECRET
from tests.fakes.meta import ApiError, App
from tests.fakes.pages import FakePages, Owner
from tests.fakes.platform import Fault

KIND = Messenger()
TOKEN = "EAAB-page-token-that-nobody-may-see"
PAGE = "100000000000001"
CONTACT = "200000000000001"
HUB = "https://hub.example/messenger"
WEBHOOK = f"{HUB}/00000000-0000-0000-0000-000000000001"
ACCOUNT = Account(uuid.UUID(int=1), {"access_token": TOKEN, "verify_token": "v1"})


@pytest.fixture
def platform(settings: Settings) -> Iterator[FakePages]:
    """The fake Graph API, with the hub's app and a page that `CONTACT` has written to."""
    with FakePages() as fake:
        settings.GRAPH_API_URL = fake.graph_url
        settings.META_APP_ID, settings.META_APP_SECRET = APP_ID, APP_SECRET
        fake.add_app(APP_ID, APP_SECRET).callbacks["page"] = HUB
        fake.add_page(TOKEN, PAGE, "The Clinic", APP_ID)
        fake.write(TOKEN, CONTACT, "hello")
        yield fake


@pytest.fixture
def page(platform: FakePages) -> Owner:
    return platform.owners[TOKEN]


def send(text: str = "hello", contact: str = CONTACT) -> str:
    return KIND.send(ACCOUNT, contact, text, "77")


def test_a_text_goes_out_as_an_answer_with_our_reference(platform: FakePages) -> None:
    platform_id = send("*not bold* <b>nor this</b> 😀")
    (sent,) = platform.sent
    assert (sent["contact"], sent["text"], sent["id"]) == (
        CONTACT,
        "*not bold* <b>nor this</b> 😀",
        platform_id,
    )
    call = platform.calls[-1]
    assert (call.method, call.path, call.token) == ("POST", "/facebook/v26.0/me/messages", TOKEN)
    assert call.parameters["messaging_type"] == "RESPONSE"
    assert call.parameters["message"]["metadata"] == "channels-hub:77"


def error(code: int, subcode: int | None = None, status: int = 400) -> Fault:
    return Fault(ApiError(code, "said Meta", subcode, status))


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        *((error(code), SendRefused) for code in (2, 4, 17, 32, 613, 1200, 80006)),
        (error(2, status=500), SendRefused),
        (error(99, status=503), SendRefused),
        (error(99, status=429), SendRefused),
        (error(190, 463, 401), CredentialRejected),
        (error(10), CredentialRejected),
        (error(200), CredentialRejected),
        (error(200, 2018028), CredentialRejected),
        (error(230), CredentialRejected),
        (error(10, 2018278), SendRejected),
        (error(10, 2018065), SendRejected),
        (error(551, 1545041), SendRejected),
        (error(200, 1545041), SendRejected),
        (error(10, 2018108), SendRejected),
        (error(100, 2018001), SendRejected),
        (error(100), SendRejected),
        (error(368), SendRejected),
        (error(1, 1357046, 500), SendUnknown),
        (error(1, 99), SendUnknown),
        (Fault(raw=(502, "<html>Bad Gateway</html>")), SendUnknown),
        (Fault(raw=(500, '{"error": "x"}')), SendUnknown),
        (Fault(raw=(403, "<html>proxy</html>")), SendUnknown),
        (Fault(raw=(200, "hello")), SendUnknown),
        (Fault(raw=(301, "")), SendUnknown),
        (Fault(after=True), SendUnknown),
    ],
)
def test_each_refusal_means_what_meta_means(
    platform: FakePages, fault: Fault, expected: type[ChannelError]
) -> None:
    platform.fail_next("messages", fault)
    with pytest.raises(ChannelError) as raised:
        send()
    assert type(raised.value) is expected


@pytest.mark.parametrize(
    ("fault", "is_gone"),
    [
        (error(551, 1545041), True),
        (error(100, 2018001), True),
        (error(10, 2018278), False),
        (error(100), False),
    ],
)
def test_only_who_cannot_be_reached_is_gone(platform: FakePages, fault: Fault, is_gone: bool) -> None:
    platform.fail_next("messages", fault)
    with pytest.raises(SendRejected) as raised:
        send()
    assert raised.value.contact_gone is is_gone


def test_silence_is_waited_for_a_short_time_only_where_nobody_misses_it(
    platform: FakePages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub_lambdas.channels.messaging.COURTESY_TIMEOUT_SECONDS", 0.1)
    platform.fail_next("sender_action", Fault(silence_seconds=5))
    with pytest.raises(SendUnknown):
        KIND.show_typing(ACCOUNT, CONTACT, "m1")


def test_where_nothing_listens_nothing_was_sent(platform: FakePages, settings: Settings) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings.GRAPH_API_URL = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(SendRefused):
        send()


@pytest.mark.parametrize("fault", [Fault(), Fault(raw=(301, "")), error(190, status=401), error(100)])
def test_the_token_is_in_no_error_and_no_log(
    platform: FakePages, caplog: pytest.LogCaptureFixture, fault: Fault
) -> None:
    caplog.set_level(logging.DEBUG)
    platform.fail_next("messages", fault)
    with pytest.raises(ChannelError) as raised:
        send()
    logging.getLogger("test").exception("failed", exc_info=raised.value)
    assert "failed" in caplog.text
    assert TOKEN not in caplog.text + str(raised.value) + repr(raised.value) + repr(ACCOUNT)


def test_reading_and_typing_are_shown(platform: FakePages) -> None:
    KIND.show_typing(ACCOUNT, CONTACT, "m1")
    actions = [call.parameters["sender_action"] for call in platform.calls]
    assert actions == ["mark_seen", "typing_on"]


# --- setup and health ---------------------------------------------------------------------------------------


def test_registration_needs_nothing_but_the_token(platform: FakePages, page: Owner) -> None:
    assert KIND.register(ACCOUNT, WEBHOOK) == Health("The Clinic", (), PAGE)
    assert page.subscribed == {APP_ID: list(SUBSCRIBED_FIELDS)}
    assert platform.apps[APP_ID].callbacks == {"page": HUB}, "the hub's app is not the channel's to change"


def test_a_token_that_is_nobodys_is_said(platform: FakePages) -> None:
    platform.fail_next("me", Fault(raw=(200, "{}")))
    with pytest.raises(SendRejected, match="access token of a page"):
        KIND.register(ACCOUNT, WEBHOOK)


def test_a_healthy_channel_has_no_problems(platform: FakePages) -> None:
    KIND.register(ACCOUNT, WEBHOOK)
    endless = Validity(is_endless=True, missing_permissions=[])
    healthy = Health("The Clinic", [], PAGE, validity=endless, delivers_here=True)
    assert KIND.check(ACCOUNT, WEBHOOK) == healthy


def problems() -> str:
    return " ".join(KIND.check(ACCOUNT, WEBHOOK).problems)


def test_problems_are_told_in_plain_words(platform: FakePages, page: Owner) -> None:
    assert "delivers no messages" in problems()
    page.subscribed = {"another app": list(SUBSCRIBED_FIELDS)}
    assert "delivers no messages" in problems()
    page.subscribed = {APP_ID: ["messages", "feed"]}
    assert "leaves out messaging_postbacks, message_echoes" in problems()
    KIND.register(ACCOUNT, WEBHOOK)
    assert problems() == ""
    page.expires_at = int(time.time()) + 3 * 86400
    assert "access token ends on" in problems()
    page.expires_at = int(time.time()) + 60 * 86400
    assert problems() == ""
    platform.apps[APP_ID].callbacks["page"] = "https://elsewhere.example/messenger"
    assert "another address" in problems()
    platform.apps[APP_ID].callbacks["page"] = f"{HUB}/00000000-0000-0000-0000-000000000002"
    assert problems() == "", "the same app, registered for another channel here"
    platform.apps[APP_ID].fields["page"] = ["feed"]
    assert "leaves out the field messages" in problems()
    platform.apps[APP_ID].callbacks.clear()
    assert "enter the webhook in the app" in problems()
    page.is_expired = True
    with pytest.raises(CredentialRejected, match="expired"):
        problems()


def test_without_the_apps_id_nothing_is_asked_about_it(platform: FakePages, settings: Settings) -> None:
    KIND.register(ACCOUNT, WEBHOOK)
    settings.META_APP_ID = ""
    platform.apps[APP_ID].callbacks.clear()
    assert problems() == ""


class TestAnAppOfTheOrganizationsOwn:
    """Its webhook is registered by the hub, which answers the handshake."""

    @pytest.fixture
    def app(self, platform: FakePages, page: Owner) -> App:
        page.app_id = "222"
        return platform.add_app("222", "own-secret")

    @pytest.fixture
    def account(self) -> Account:
        own = {"app_id": "222", "app_secret": "own-secret"}
        return Account(ACCOUNT.channel_id, {**ACCOUNT.credentials, **own})

    def test_it_is_pointed_at_the_channel(self, app: App, account: Account, hub: str) -> None:
        webhook = f"{hub}/messenger/{account.channel_id}"
        assert KIND.register(account, webhook).problems == ()
        assert app.callbacks == {"page": webhook}
        assert list(KIND.check(account, webhook).problems) == []

    def test_an_address_that_does_not_answer_is_said(self, app: App, account: Account, hub: str) -> None:
        with pytest.raises(SendRejected, match="Callback verification failed"):
            KIND.register(account, f"{hub}/nowhere/{account.channel_id}")
        assert not app.callbacks

    def test_without_its_id_that_is_left_to_people(self, app: App, platform: FakePages) -> None:
        own = Account(ACCOUNT.channel_id, {**ACCOUNT.credentials, "app_secret": "own-secret"})
        KIND.register(own, WEBHOOK)
        assert not app.callbacks
        checked = KIND.check(own, WEBHOOK)
        assert checked.validity == Validity(), "a page's token may not inspect itself"
        assert (checked.delivers_here, checked.is_by_hand) == (None, True)

    @pytest.fixture
    def hub(self, account: Account) -> Iterator[str]:
        def respond(request: Request) -> Response:
            if request.path != f"/messenger/{account.channel_id}":
                return Response(404)
            return KIND.serve(request, account, "", LedgerView(account.channel_id))

        with listening(respond) as url:
            yield url


def test_an_app_of_the_hub_that_is_refused_is_no_reason_to_pause_a_page(
    platform: FakePages, page: Owner, settings: Settings
) -> None:
    KIND.register(ACCOUNT, WEBHOOK)
    settings.META_APP_SECRET = "rotated at Meta"
    assert problems() == ""


# --- how long a token goes ----------------------------------------------------------------------------------


def test_a_token_of_an_hour_becomes_one_without_an_end(platform: FakePages, page: Owner) -> None:
    assert KIND.renew(ACCOUNT) is None, "this one has none"
    page.expires_at = int(time.time()) + 3600
    assert " at " in " ".join(KIND.check(ACCOUNT, WEBHOOK).problems), "the hour is said"
    changed = KIND.renew(ACCOUNT)
    assert changed is not None
    account = Account(ACCOUNT.channel_id, {**ACCOUNT.credentials, **changed})
    KIND.register(account, WEBHOOK)
    assert KIND.check(account, WEBHOOK).problems == []
    assert KIND.check(account, WEBHOOK).validity.is_endless


@pytest.mark.parametrize(
    "fault",
    [
        error(1, 99, 500),
        error(100),
        Fault(raw=(200, "{}")),
        Fault(raw=(200, '{"access_token": "EAAB-of-nobody"}')),
    ],
)
def test_a_token_that_is_not_exchanged_stays_as_it_is(
    platform: FakePages, page: Owner, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    page.expires_at = int(time.time()) + 3600
    platform.fail_next("access_token", fault)
    with suppress(SendUnknown):
        assert KIND.renew(ACCOUNT) is None
    assert TOKEN not in caplog.text
    assert APP_SECRET not in caplog.text


def test_the_token_of_another_page_does_not_take_its_place(platform: FakePages, page: Owner) -> None:
    page.expires_at = int(time.time()) + 3600
    platform.add_page("EAAB-other", "100000000000002", "Another", APP_ID)
    platform.fail_next("access_token", Fault(raw=(200, '{"access_token": "EAAB-other"}')))
    assert KIND.renew(ACCOUNT) is None


def test_a_permission_that_is_missing_is_named(platform: FakePages, page: Owner) -> None:
    KIND.register(ACCOUNT, WEBHOOK)
    page.scopes = ("pages_messaging", "public_profile")
    health = KIND.check(ACCOUNT, WEBHOOK)
    assert health.validity.missing_permissions == ["pages_manage_metadata"]
    assert "lacks the permission pages_manage_metadata" in " ".join(health.problems)


def test_a_contact_by_name(platform: FakePages) -> None:
    platform.people[CONTACT] = {"first_name": "Ann", "last_name": "Archer"}
    assert KIND.look_up(ACCOUNT, CONTACT) == Sender(CONTACT, "Ann Archer")
    platform.people[CONTACT] = {}
    assert KIND.look_up(ACCOUNT, CONTACT) is None
    platform.people.clear()
    with pytest.raises(ChannelError, match="consent"):
        KIND.look_up(ACCOUNT, CONTACT)
    with pytest.raises(ChannelError):
        KIND.look_up(ACCOUNT, "me/accounts?x=")
    assert platform.calls[-1].path == "/facebook/v26.0/me%2Faccounts%3Fx%3D"
