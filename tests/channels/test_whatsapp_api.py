"""What the hub asks of WhatsApp, and what it makes of the answers; then the way of a message through the
whole hub, with the fake Cloud API at its end."""

import base64
import json
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
import urllib3
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from pytest_django import Settings

from console.channels.models import Channel
from console.conversations.models import Contact, Conversation, Message, MessageMedia, PlatformEvent, Turn
from console.organizations.models import Organization
from hub_lambdas import errands, grounding, inbound, outbound, queues, wakeups, webhook
from hub_lambdas.channels.base import (
    Account,
    ChannelError,
    CredentialRejected,
    FetchedMedia,
    Inbound,
    InboundMessage,
    Media,
    MediaGone,
    MediaRefused,
    Receipt,
    SendRefused,
    SendRejected,
    SendUnknown,
)
from hub_lambdas.channels.whatsapp import WhatsApp
from hub_lambdas.http import Request, Response
from tests.channels.listening import listening
from tests.channels.test_whatsapp import mutated
from tests.fakes.contact_view import FakeContactView
from tests.fakes.meta import ApiError, signature
from tests.fakes.platform import Fault
from tests.fakes.sqs import FakeSqs
from tests.fakes.whatsapp import (
    OBJECT,
    PAIR_BURST,
    WINDOW_SECONDS,
    Change,
    FakeWhatsApp,
    Person,
    webhook_body,
)
from tests.hub_lambdas.conftest import http_event
from tests.hub_lambdas.test_pipeline import answer, run

KIND = WhatsApp()
TOKEN, NUMBER, WABA = "EAAB-token-that-nobody-may-see", "1122334455667", "5467539754836534"
ANN = Person("4915112345678", "DE.13491208655302741918", "Ann")
BOB = Person("4915187654321", name="Bob")


@pytest.fixture
def platform(settings: Settings) -> Iterator[FakeWhatsApp]:
    """The fake Cloud API with the hub's app and an organization's own, of which there is a token."""
    with FakeWhatsApp() as fake:
        settings.GRAPH_API_URL = fake.url
        settings.META_APP_ID, settings.META_APP_SECRET = "100", "hub-secret"
        settings.META_VERIFY_TOKEN = "hub-verify-token"
        fake.add_app("100", "hub-secret")
        fake.add_app("200", "own-secret")
        fake.add_token(TOKEN, "200")
        fake.add_number(NUMBER, WABA)
        yield fake


@pytest.fixture
def own() -> Account:
    """A channel with an app of its own."""
    credentials = {"access_token": TOKEN, "phone_number_id": NUMBER, "waba_id": WABA}
    more = {"app_secret": "own-secret", "verify_token": "made-by-the-hub"}
    return Account(uuid.UUID(int=1), {**credentials, **more})


@pytest.fixture
def shared(platform: FakeWhatsApp) -> Account:
    """A channel that the hub's app speaks for."""
    platform.add_token("of-the-hub", "100")
    credentials = {"access_token": "of-the-hub", "phone_number_id": NUMBER, "waba_id": WABA}
    return Account(uuid.UUID(int=2), {**credentials, "verify_token": "made-by-the-hub"})


def send(account: Account, text: str = "hello", contact: str = ANN.phone) -> str:
    return KIND.send(account, contact, text, "77")


# --- sending ------------------------------------------------------------------------------------------------


def test_a_text_goes_out_as_it_is_with_our_reference(platform: FakeWhatsApp, own: Account) -> None:
    text = "*not bold* https://example.com 😀\n\n- one"
    platform_id = send(own, text)
    (sent,) = platform.sent
    assert (sent["contact"], sent["text"], sent["id"]) == (ANN.phone, text, platform_id)
    content = platform.calls[-1].parameters
    assert content["biz_opaque_callback_data"] == "channels-hub:77"
    assert content["text"]["preview_url"] is False


def test_a_user_id_is_a_recipient_and_no_phone_number(platform: FakeWhatsApp, own: Account) -> None:
    send(own, contact=ANN.user_id)
    assert platform.calls[-1].parameters["recipient"] == ANN.user_id
    assert "to" not in platform.calls[-1].parameters


REFUSALS: Sequence[tuple[ApiError, type[ChannelError]]] = (
    (ApiError(2, "Service temporarily unavailable", status=503), SendRefused),
    (ApiError(4, "Application request limit reached"), SendRefused),
    (ApiError(80007, "Rate limit issues"), SendRefused),
    (ApiError(130429, "Rate limit hit"), SendRefused),
    (ApiError(131016, "Service unavailable", status=500), SendRefused),
    (ApiError(131056, "Pair rate limit hit"), SendRefused),
    (ApiError(131057, "Account in maintenance mode", status=500), SendRefused),
    (ApiError(133004, "Server temporarily unavailable", status=503), SendRefused),
    (ApiError(999999, "New and passing", status=500), SendRefused),
    (ApiError(999999, "New and too fast", status=429), SendRefused),
    (ApiError(1, "API Unknown", status=500), SendUnknown),
    (ApiError(131000, "Something went wrong", status=500), SendUnknown),
    (ApiError(131047, "Re-engagement message"), SendRejected),
    (ApiError(131026, "Message undeliverable"), SendRejected),
    (ApiError(131049, "Not delivered to maintain healthy ecosystem engagement"), SendRejected),
    (ApiError(131050, "User has stopped marketing messages"), SendRejected),
    (ApiError(131051, "Unsupported message type"), SendRejected),
    (ApiError(131009, "Parameter value is not valid"), SendRejected),
    (ApiError(131008, "Required parameter is missing"), SendRejected),
    (ApiError(131021, "Recipient cannot be sender"), SendRejected),
    (ApiError(131048, "Spam rate limit hit"), SendRejected),
    (ApiError(132001, "Template does not exist"), SendRejected),
    (ApiError(100, "Invalid parameter"), SendRejected),
    (ApiError(999999, "New and final"), SendRejected),
    (ApiError(0, "AuthException", status=401), CredentialRejected),
    (ApiError(3, "Capability or permissions issue", status=500), CredentialRejected),
    (ApiError(10, "Permission denied", status=403), CredentialRejected),
    (ApiError(190, "Access token has expired", status=401), CredentialRejected),
    (ApiError(200, "Permission missing", status=403), CredentialRejected),
    (ApiError(299, "Permission missing", status=403), CredentialRejected),
    (ApiError(368, "Temporarily blocked for policies violations", status=403), CredentialRejected),
    (ApiError(33, "The business phone number has been deleted"), CredentialRejected),
    (ApiError(100, "Object with ID '1' does not exist", subcode=33), CredentialRejected),
    (ApiError(131005, "Access denied", status=403), CredentialRejected),
    (ApiError(131031, "Account has been locked", status=403), CredentialRejected),
    (ApiError(131042, "Business eligibility payment issue"), CredentialRejected),
    (ApiError(133010, "Phone number not registered"), CredentialRejected),
)


@pytest.mark.parametrize(("error", "expected"), REFUSALS, ids=lambda each: getattr(each, "code", None))
def test_each_refusal_means_what_whatsapp_means(
    platform: FakeWhatsApp, own: Account, error: ApiError, expected: type[ChannelError]
) -> None:
    platform.fail_next("messages", Fault(error))
    with pytest.raises(ChannelError, match=f"error {error.code}") as raised:
        send(own)
    assert type(raised.value) is expected


def test_the_details_are_what_staff_read(platform: FakeWhatsApp, own: Account) -> None:
    details = "More than 24 hours\nhave passed.\x00"
    platform.fail_next("messages", Fault(ApiError(131047, "Re-engagement message", details=details)))
    with pytest.raises(SendRejected) as raised:
        send(own)
    assert str(raised.value) == "WhatsApp: More than 24 hours have passed (error 131047)."


def test_only_who_cannot_be_reached_is_gone(platform: FakeWhatsApp, own: Account) -> None:
    for code, is_gone in ((131026, True), (131047, False)):
        platform.fail_next("messages", Fault(ApiError(code, "no")))
        with pytest.raises(SendRejected) as raised:
            send(own)
        assert raised.value.contact_gone is is_gone


def test_too_many_messages_to_one_contact_wait_six_seconds(platform: FakeWhatsApp, own: Account) -> None:
    for _ in range(PAIR_BURST):
        send(own)
    with pytest.raises(SendRefused) as raised:
        send(own)
    assert raised.value.retry_after_seconds == 6
    send(own, contact=BOB.phone)
    later = time.time() + 6.5
    platform.now = lambda: later
    send(own)


@pytest.mark.parametrize(
    "raw", [(502, "<html>Bad Gateway</html>"), (200, "hello"), (403, "<html>proxy</html>"), (301, "")]
)
def test_an_answer_that_is_not_the_apis_proves_nothing(
    platform: FakeWhatsApp, own: Account, raw: tuple[int, str]
) -> None:
    platform.fail_next("messages", Fault(raw=raw))
    with pytest.raises(SendUnknown):
        send(own)


def test_an_answer_without_an_id_says_that_it_was_taken(platform: FakeWhatsApp, own: Account) -> None:
    """Reports on it carry our reference."""
    platform.fail_next("messages", Fault(raw=(200, '{"messages": []}')))
    assert send(own) == "sent:77"


def test_a_connection_that_breaks_after_the_message_was_taken_is_unknown(
    platform: FakeWhatsApp, own: Account
) -> None:
    platform.fail_next("messages", Fault(after=True))
    with pytest.raises(SendUnknown):
        send(own)
    assert len(platform.sent) == 1


def test_an_expired_token_pauses_the_channel(platform: FakeWhatsApp, own: Account) -> None:
    platform.tokens[TOKEN].expires_at = time.time() - 1
    with pytest.raises(CredentialRejected, match="190"):
        send(own)


@pytest.mark.parametrize(
    "credentials", [{}, {"access_token": ""}, {"access_token": "ключ"}, {"access_token": 7}]
)
def test_what_is_no_token_is_not_tried(platform: FakeWhatsApp, credentials: dict[str, Any]) -> None:
    with pytest.raises(CredentialRejected, match="access token"):
        send(Account(uuid.UUID(int=1), {"phone_number_id": NUMBER, **credentials}))
    assert not platform.calls


@pytest.mark.parametrize("number", [None, "", "12/../34", "+49 30", 7])
def test_what_is_no_number_is_not_tried(platform: FakeWhatsApp, number: Any) -> None:
    with pytest.raises(CredentialRejected, match="phone number id"):
        send(Account(uuid.UUID(int=1), {"access_token": TOKEN, "phone_number_id": number}))
    assert not platform.calls


@pytest.mark.parametrize(
    "fault", [Fault(), Fault(raw=(200, "hello")), Fault(ApiError(190, "no")), Fault(ApiError(100, "no"))]
)
def test_the_token_is_in_no_error(platform: FakeWhatsApp, own: Account, fault: Fault) -> None:
    platform.fail_next("messages", fault)
    with pytest.raises(ChannelError) as raised:
        send(own)
    assert TOKEN not in str(raised.value) + repr(raised.value) + repr(own)


@pytest.mark.parametrize("text", ["x" * 9000, "😀" * 5000, "word " * 3000])
def test_whatsapp_takes_every_piece(platform: FakeWhatsApp, own: Account, text: str) -> None:
    for piece in KIND.split(text):
        assert len(piece.encode("utf-16-le")) // 2 <= KIND.text_limit
        send(own, piece)
    assert "".join(sent["text"] for sent in platform.sent) == text


def test_which_number_a_channel_is_for_is_known_also_where_it_is_refused(
    platform: FakeWhatsApp, own: Account
) -> None:
    assert (KIND.identify(own).address, list(KIND.identify(own).problems)) == (NUMBER, [])
    platform.tokens[TOKEN].is_revoked = True
    refused = KIND.identify(own)
    assert refused.address == NUMBER
    assert "Session has expired" in refused.problems[0]


TEN = [f"Choice number {number}" for number in range(10)]


@pytest.mark.parametrize(
    ("text", "choices", "kind"),
    [
        ("hello", TEN[:1], "button"),
        ("x" * 1024, TEN[:3], "button"),
        ("x" * 1025, TEN[:3], "list"),
        ("hello", TEN[:4], "list"),
        ("x" * 4096, TEN, "list"),
    ],
)
def test_choices_are_buttons_or_else_a_list_and_come_back(
    platform: FakeWhatsApp, own: Account, text: str, choices: list[str], kind: str
) -> None:
    KIND.send(own, ANN.phone, text, "77", choices)
    content = platform.calls[-1].parameters
    assert content["interactive"]["type"] == kind
    assert content["biz_opaque_callback_data"] == "channels-hub:77"
    [sent] = platform.sent
    assert (sent["text"], list(sent["choices"])) == (text, choices)
    for choice in choices:
        webhook = webhook_body(platform.compose_press(NUMBER, ANN, choice))
        [pressed] = KIND.parse(Request("POST", "", body=webhook), own)
        assert isinstance(pressed, InboundMessage)
        assert (pressed.kind, pressed.text) == ("button", choice)


def test_a_message_is_marked_read_and_typing_shown_in_one_call(platform: FakeWhatsApp, own: Account) -> None:
    message_id = platform.write(NUMBER, ANN, "hi")
    KIND.show_typing(own, ANN.user_id, message_id)
    assert (platform.read, platform.typing) == ([message_id], [message_id])
    assert len(platform.calls) == 1


def test_typing_does_not_wait_for_long(
    platform: FakeWhatsApp, own: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub_lambdas.channels.whatsapp.COURTESY_TIMEOUT_SECONDS", 0.1)
    platform.fail_next("read", Fault(silence_seconds=5))
    with pytest.raises(ChannelError):
        KIND.show_typing(own, ANN.phone, "wamid.x")


# --- setup and health ---------------------------------------------------------------------------------------


@contextmanager
def hub(account: Account, shared: Account | None = None) -> Iterator[tuple[str, list[Inbound]]]:
    """A hub of one channel: its address, and what it took in. At the address above it the hub's own app."""
    taken: list[Inbound] = []

    def respond(request: Request) -> Response:
        meant = shared if request.path == "/whatsapp" and shared else account
        if request.method == "GET":
            return KIND.serve(request, meant, "", FakeContactView())
        try:
            KIND.verify(request, meant)
            taken.extend(KIND.parse(request, meant))
        except ChannelError:
            return Response(401)
        return Response()

    with listening(respond) as url:
        yield f"{url}/whatsapp/one", taken


def test_an_own_app_is_pointed_at_the_channels_address(platform: FakeWhatsApp, own: Account) -> None:
    with hub(own) as (url, taken):
        health = KIND.register(own, url)
        assert (health.account, list(health.problems), health.address) == (
            "Lakeside Clinic +49 30 901820",
            [],
            NUMBER,
        )
        assert list(KIND.check(own, url).problems) == []
        platform.write(NUMBER, ANN, "hello")
        platform.wait_until_delivered()
    (message,) = taken
    assert isinstance(message, InboundMessage)
    assert (message.text, message.sender.platform_id, message.sender.alias) == (
        "hello",
        ANN.user_id,
        ANN.phone,
    )


def test_what_it_sent_is_reported_with_its_reference(platform: FakeWhatsApp, own: Account) -> None:
    with hub(own) as (url, taken):
        KIND.register(own, url)
        platform.write(NUMBER, ANN, "hello")
        platform_id = send(own, contact=ANN.user_id)
        platform.report(platform_id, "read")
        platform.wait_until_delivered()
    receipts = [each for each in taken if isinstance(each, Receipt)]
    assert {each.reached.value for each in receipts} == {"sent", "delivered", "read"}
    assert {(each.reference, each.message_platform_id) for each in receipts} == {("77", platform_id)}


def test_after_24_hours_the_report_says_that_it_failed(platform: FakeWhatsApp, own: Account) -> None:
    assert KIND.reply_window is not None
    assert KIND.reply_window.total_seconds() == WINDOW_SECONDS
    with hub(own) as (url, taken):
        KIND.register(own, url)
        platform.write(NUMBER, ANN, "hello")
        later = time.time() + WINDOW_SECONDS + 60
        platform.now = lambda: later
        send(own, contact=ANN.user_id)
        platform.wait_until_delivered()
    (failed,) = [each for each in taken if isinstance(each, Receipt)]
    assert "24 hours" in failed.failure
    assert "131047" in failed.failure


def test_a_webhook_comes_again_until_it_is_taken(platform: FakeWhatsApp, own: Account) -> None:
    with hub(own) as (url, taken):
        KIND.register(own, url)
        platform.apps["200"].secret = "renewed"
        platform.write(NUMBER, ANN, "hello")
        platform.wait_until(lambda fake: [each.status for each in fake.deliveries].count(401) >= 2)
        assert not taken
        platform.apps["200"].secret = "own-secret"
        platform.wait_until_delivered()
    assert len(taken) == 1


def test_the_hubs_app_needs_no_address_of_the_channels(platform: FakeWhatsApp, shared: Account) -> None:
    hubs_own = KIND.shared_account()
    with hub(shared, hubs_own) as (url, taken):
        platform.apps["100"].callbacks[OBJECT] = url.removesuffix("/one")
        platform.subscriptions[WABA, "100"] = "https://elsewhere.example/from-before"
        health = KIND.register(shared, url)
        assert (list(health.problems), health.address) == ([], NUMBER)
        assert platform.subscriptions == {(WABA, "100"): ""}
        assert list(KIND.check(shared, url).problems) == []
        platform.add_number("7", WABA)
        platform.deliver(platform.compose(NUMBER, ANN, "one"), platform.compose("7", BOB, "two"))
        platform.wait_until_delivered()
    assert [(each.address, each.type) for each in taken] == [(NUMBER, "message"), ("7", "message")]
    assert len(platform.deliveries) == 1


def test_the_fake_serves_whoever_tries_the_hub_by_hand(settings: Settings) -> None:
    """As `python -m tests.fakes` does: everything over HTTP."""
    http = urllib3.PoolManager()

    def control(method: str, path: str, **content: Any) -> Any:
        query = f"?{urlencode(content)}" if method == "GET" else ""
        body = json.dumps(content).encode() if method == "POST" else None
        return http.request(method, f"{fake.url}/control/{path}{query}", body=body).json()

    with FakeWhatsApp() as fake:
        settings.GRAPH_API_URL = fake.url
        opened = control("POST", "accounts", kind="whatsapp", name="Clinic", credentials={"app_secret": "s3"})
        number = opened["address"]
        account = Account(uuid.UUID(int=1), {**opened["credentials"], **KIND.new_secrets()})
        with hub(account) as (url, taken):
            assert list(KIND.register(account, url).problems) == []
            control("POST", "messages", account=number, contact="491", text="Are you open?")
            fake.wait_until_delivered()
            send(account, "Yes.", "491")
            lines = control("GET", "conversation", account=number, contact="491")
            control("POST", "troubles", trouble="too fast")
            with pytest.raises(SendRefused):
                send(account, "Yes.", "491")
            control("POST", "tokens", account=number)
            with pytest.raises(CredentialRejected):
                send(account, "Yes.", "491")
            assert "error" in control("POST", "messages", account="7", contact="491", text="?")
    assert [each.text for each in taken if isinstance(each, InboundMessage)] == ["Are you open?"]
    assert [(each["by"], each["text"]) for each in lines] == [
        ("contact", "Are you open?"),
        ("account", "Yes."),
    ]


def test_without_any_app_the_secret_is_asked_for(
    platform: FakeWhatsApp, shared: Account, settings: Settings
) -> None:
    settings.META_APP_SECRET = ""
    health = KIND.register(shared, "https://hub.example/whatsapp/one")
    assert "app secret" in " ".join(health.problems)
    assert not platform.subscriptions


def test_an_address_that_meta_cannot_verify_is_said(platform: FakeWhatsApp, own: Account) -> None:
    other = Account(own.channel_id, {**own.credentials, "verify_token": "another"})
    with hub(other) as (url, _), pytest.raises(SendRejected, match="verification failed"):
        KIND.register(own, url)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"access_token": "other"}, "190"),
        ({"phone_number_id": "1"}, "100/33"),
        ({"waba_id": "x"}, "account id"),
    ],
)
def test_a_wrong_credential_cannot_be_registered(
    platform: FakeWhatsApp, own: Account, wrong: dict[str, str], said: str
) -> None:
    with pytest.raises(CredentialRejected, match=said):
        KIND.register(Account(own.channel_id, {**own.credentials, **wrong}), "http://127.0.0.1:9/whatsapp/x")


def test_the_hubs_verify_token_is_new_for_each_channel() -> None:
    first, second = KIND.new_secrets(), KIND.new_secrets()
    assert first != second
    assert len(first["verify_token"]) > 30


URL = "https://hub.example/whatsapp/one"


def check_own(platform: FakeWhatsApp, own: Account, delivers_to: str = URL) -> str:
    platform.subscriptions[WABA, "200"] = delivers_to
    return " ".join(KIND.check(own, URL).problems)


def test_problems_of_the_number_are_told_in_plain_words(platform: FakeWhatsApp, own: Account) -> None:
    assert check_own(platform, own) == ""
    platform.numbers[NUMBER].quality = "YELLOW"
    assert check_own(platform, own) == ""
    platform.numbers[NUMBER].quality = "RED"
    assert "block or report" in check_own(platform, own)
    platform.numbers[NUMBER].status = "BANNED"
    assert "BANNED" in check_own(platform, own)


def test_a_webhook_that_went_elsewhere_is_noticed(platform: FakeWhatsApp, own: Account) -> None:
    assert "another address" in check_own(platform, own, "https://elsewhere.example/hook")
    assert "another address" in check_own(platform, own, "https://hub.example/whatsapp"), "another's secret"
    assert check_own(platform, own, "https://hub.example/whatsapp/two") == "", (
        "of another number of the account"
    )
    platform.subscriptions.clear()
    assert "delivers no messages" in " ".join(KIND.check(own, URL).problems)


def test_a_token_of_another_app_is_noticed(platform: FakeWhatsApp, shared: Account) -> None:
    platform.apps["100"].callbacks[OBJECT] = "https://elsewhere.example/hook"
    platform.subscriptions[WABA, "100"] = ""
    assert "app secret" in " ".join(KIND.check(shared, URL).problems)


def test_a_token_is_complained_about_before_it_ends(platform: FakeWhatsApp, shared: Account) -> None:
    platform.apps["100"].callbacks[OBJECT] = "https://hub.example/whatsapp"
    platform.subscriptions[WABA, "100"] = ""
    assert list(KIND.check(shared, URL).problems) == []
    platform.tokens["of-the-hub"].expires_at = time.time() + 3 * 86400
    assert "ends on" in " ".join(KIND.check(shared, URL).problems)


def test_the_fake_gives_media_for_five_minutes_and_to_whoever_has_a_token(platform: FakeWhatsApp) -> None:
    media_id = platform.add_media(b"a picture", "image/png")
    ask = {"authorization": f"Bearer {TOKEN}"}
    http = urllib3.PoolManager()
    described = http.request("GET", f"{platform.url}/v26.0/{media_id}", headers=ask).json()
    assert described["mime_type"] == "image/png"
    assert http.request("GET", described["url"], headers=ask).data == b"a picture"
    assert http.request("GET", described["url"]).status == 401
    later = time.time() + 301
    platform.now = lambda: later
    assert http.request("GET", described["url"], headers=ask).status == 404


# --- the whole way ------------------------------------------------------------------------------------------


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSqs]:
    fake = FakeSqs()
    queues.url.cache_clear()
    monkeypatch.setattr(queues, "client", lambda: fake)
    yield fake
    queues.url.cache_clear()


def make_channel(number: str, secret: str = "", **credentials: str) -> Channel:
    organization = Organization.objects.create(slug=f"o-{number}", name=f"O {number}", burst_window_seconds=0)
    kept = {"access_token": TOKEN, "phone_number_id": number, "waba_id": WABA, "app_secret": secret}
    return Channel.objects.create(
        organization=organization,
        kind="whatsapp",
        name="Number",
        address=number,
        credentials={**kept, **credentials},
    )


@pytest.fixture
def channel(
    transactional_db: None, platform: FakeWhatsApp, sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch
) -> Channel:
    """A connected number, answered without a burst window and without the check of what the LLM says."""
    monkeypatch.setattr(grounding, "objection", lambda text, sources: "")
    platform.statuses = ()
    return make_channel(NUMBER, "own-secret")


def deliver(path: str, secret: str, *changes: Change, is_encoded: bool = False) -> int:
    """Post a signed webhook as API Gateway hands it over; returns the status that Meta sees."""
    return post(path, webhook_body(*changes), secret, is_encoded=is_encoded)


def post(path: str, body: bytes, secret: str, *, is_encoded: bool = False) -> int:
    event = {
        "version": "2.0",
        "rawPath": path,
        "headers": {"X-Hub-Signature-256": signature(body, secret)},
        "requestContext": {"http": {"method": "POST", "path": path}},
        "body": base64.b64encode(body).decode() if is_encoded else body.decode(),
        "isBase64Encoded": is_encoded,
    }
    return int(webhook.handler(event, None)["statusCode"])


@pytest.mark.parametrize("is_encoded", [False, True])
def test_a_message_is_answered_and_the_answer_reported_read(
    platform: FakeWhatsApp, channel: Channel, sqs: FakeSqs, is_encoded: bool
) -> None:
    path, question = f"/whatsapp/{channel.pk}", platform.compose(NUMBER, ANN, "How much is a whitening? 😀")
    assert deliver(path, "own-secret", question, is_encoded=is_encoded) == 200
    run(sqs)
    (sent,) = platform.sent
    assert (sent["contact"], sent["text"]) == (ANN.user_id, "240 €.")
    assert platform.typing == [question[1]["value"]["messages"][0]["id"]]
    reports = [platform.compose_status(sent["id"], status) for status in ("read", "sent", "delivered")]
    assert deliver(path, "own-secret", *reports) == 200
    assert sqs.run("dm-inbound.fifo", inbound.handler, times=2) == 0
    answered = Message.objects.get(direction="out")
    assert (answered.state, answered.platform_id, answered.reached) == ("sent", sent["id"], "read")
    assert Turn.objects.get().state == "answered"


def test_a_foreign_signature_opens_nothing(platform: FakeWhatsApp, channel: Channel, sqs: FakeSqs) -> None:
    change = platform.compose(NUMBER, ANN, "hello")
    assert deliver(f"/whatsapp/{channel.pk}", "hub-secret", change) == 401
    assert deliver("/whatsapp", "own-secret", change) == 401
    assert sqs.bodies("dm-inbound.fifo") == []


def test_one_webhook_of_the_hubs_app_serves_two_organizations(
    platform: FakeWhatsApp, channel: Channel, sqs: FakeSqs
) -> None:
    other = make_channel("7")
    platform.add_number("7", "another account")
    platform.add_number("8", "of nobody here")
    changes = [platform.compose(number, ANN, f"to {number}") for number in (NUMBER, "7", "8")]
    assert deliver("/whatsapp", "hub-secret", *changes) == 200
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    stored = Message.objects.order_by("pk").values_list("channel", "text")
    assert list(stored) == [(channel.pk, f"to {NUMBER}"), (other.pk, "to 7")]


def test_an_own_app_does_not_speak_for_another_organization(
    platform: FakeWhatsApp, channel: Channel, sqs: FakeSqs
) -> None:
    make_channel("7")
    platform.add_number("7", WABA)
    change = platform.compose("7", ANN, "forged")
    assert deliver(f"/whatsapp/{channel.pk}", "own-secret", change) == 200
    assert sqs.bodies("dm-inbound.fifo") == []


def test_a_send_of_unknown_fate_is_settled_by_the_report(
    platform: FakeWhatsApp, channel: Channel, sqs: FakeSqs
) -> None:
    """The platform took the answer and said nothing: it is not sent again, and counts once a report comes."""
    path = f"/whatsapp/{channel.pk}"
    deliver(path, "own-secret", platform.compose(NUMBER, ANN, "How much?"))
    sqs.run("dm-inbound.fifo", inbound.handler)
    sqs.run("dm-outbound.fifo", outbound.handler)  # the typing sign
    answer(sqs)
    platform.fail_next("messages", Fault(after=True))
    sqs.run("dm-outbound.fifo", outbound.handler)
    assert Message.objects.get(direction="out").state == "unknown"
    sqs.release("wakeups")
    sqs.run("wakeups", wakeups.handler)
    (sent,) = platform.sent
    deliver(path, "own-secret", platform.compose_status(sent["id"], "sent"))
    sqs.run("dm-inbound.fifo", inbound.handler)
    settled = Message.objects.get(direction="out")
    assert (settled.state, settled.platform_id, settled.reached) == ("sent", sent["id"], "sent")
    assert Turn.objects.get().state == "answered"
    assert len(platform.sent) == 1


def test_an_answer_that_failed_after_all_goes_to_staff(
    platform: FakeWhatsApp, channel: Channel, sqs: FakeSqs
) -> None:
    path = f"/whatsapp/{channel.pk}"
    deliver(path, "own-secret", platform.compose(NUMBER, ANN, "How much?"))
    run(sqs)
    error = ApiError(131026, "Message undeliverable")
    deliver(path, "own-secret", platform.compose_status(platform.sent[0]["id"], "failed", error))
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    failed = Message.objects.get(purpose="answer")
    assert (failed.state, failed.error) == ("failed", "WhatsApp: Message undeliverable (error 131026).")
    assert Turn.objects.get().state == "handed_over"


@pytest.mark.parametrize(
    "reference", ["", "some data", "{pk}", "channels-hub:", "channels-hub:-1", "channels-hub:٣"]
)
def test_reports_on_what_others_sent_change_nothing(
    platform: FakeWhatsApp, channel: Channel, sqs: FakeSqs, reference: str
) -> None:
    path = f"/whatsapp/{channel.pk}"
    deliver(path, "own-secret", platform.compose(NUMBER, ANN, "How much?"))
    run(sqs)
    foreign = platform.compose_status(platform.sent[0]["id"], "failed", ApiError(131026, "no"))
    theirs = reference.format(pk=Message.objects.get(direction="out").pk)
    foreign[1]["value"]["statuses"][0] |= {"id": "wamid.of-another", "biz_opaque_callback_data": theirs}
    assert deliver(path, "own-secret", foreign) == 200
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    assert Turn.objects.get().state == "answered"


def test_whoever_answers_in_the_whatsapp_app_takes_over(
    platform: FakeWhatsApp, channel: Channel, sqs: FakeSqs
) -> None:
    path = f"/whatsapp/{channel.pk}"
    deliver(path, "own-secret", platform.compose(NUMBER, ANN, "Are you open?"))
    deliver(path, "own-secret", platform.compose_echo(NUMBER, ANN, "Yes, come by."))
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    answer(sqs)
    sqs.run("dm-outbound.fifo", outbound.handler)
    assert platform.sent == []
    assert Conversation.objects.get().owner == "staff"
    assert Message.objects.get(direction="out").text == "Yes, come by."


def test_a_contact_keeps_their_conversation_when_whatsapp_names_them_anew(
    platform: FakeWhatsApp, channel: Channel, sqs: FakeSqs
) -> None:
    """By phone as before 2026, then by both, then by the user id alone, then with another number."""
    path, phone, user_id = f"/whatsapp/{channel.pk}", ANN.phone, ANN.user_id
    for person in (Person(phone), Person(phone, user_id), Person(user_id=user_id)):
        deliver(path, "own-secret", platform.compose(NUMBER, person, "hello"))
        assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    new = {"wa_id": "491", "user_id": "DE.2"}
    system = {"type": "user_changed_number", **new, "previous_user_id": user_id}
    moved = platform.compose(NUMBER, Person(phone), type="system", system=system)
    deliver(path, "own-secret", moved)
    deliver(path, "own-secret", platform.compose(NUMBER, Person("491", "DE.2"), "hello again"))
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    assert Contact.objects.count() == 1
    assert Message.objects.filter(direction="in").count() == 4


@examples(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutated())
def test_whatever_meta_signs_is_taken_and_stored(
    platform: FakeWhatsApp, channel: Channel, sqs: FakeSqs, content: Any
) -> None:
    """Nothing is answered with an error, and nothing fails behind the queue."""
    body = json.dumps(content).encode()
    assert post(f"/whatsapp/{channel.pk}", body, "own-secret") == 200
    assert post("/whatsapp", body, "hub-secret", is_encoded=True) == 200
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    assert not PlatformEvent.objects.filter(platform_id="").exists()


# --- files --------------------------------------------------------------------------------------------------


def test_a_file_comes_by_its_id(platform: FakeWhatsApp, own: Account) -> None:
    media_id = platform.add_media(b"a picture", "image/png")
    assert KIND.fetch_media(own, Media(media_id), 100) == FetchedMedia(b"a picture", "image/png")
    with pytest.raises(MediaRefused, match="larger than 3 bytes"):
        KIND.fetch_media(own, Media(media_id), 3)


def test_a_file_that_whatsapp_has_no_more(platform: FakeWhatsApp, own: Account) -> None:
    with pytest.raises(MediaGone, match="WhatsApp does not give the file out any more"):
        KIND.fetch_media(own, Media("7000"), 100)
    media_id = platform.add_media(b"a picture", "image/png")
    platform.fail_next("media", Fault(error=ApiError(190, "Session has expired", status=401)))
    with pytest.raises(CredentialRejected):
        KIND.fetch_media(own, Media(media_id), 100)


def test_a_picture_is_kept_and_its_contact_told(
    platform: FakeWhatsApp, sqs: FakeSqs, transactional_db: None
) -> None:
    """The whole way, from the webhook to the file in the storage."""
    channel = make_channel(NUMBER, "own-secret")
    picture = {"id": platform.add_media(b"\x89PNG\r\n\x1a\n", "image/png"), "mime_type": "image/png"}
    change = platform.compose(NUMBER, ANN, type="image", image=picture)
    body = webhook_body(change)
    event = http_event(f"/whatsapp/{channel.pk}", body.decode())
    event["headers"]["X-Hub-Signature-256"] = signature(body, "own-secret")
    assert webhook.handler(event, None)["statusCode"] == 200
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    assert sqs.run("errands", errands.handler) == 0
    kept = MessageMedia.objects.get()
    assert (kept.state, kept.media_type, kept.size_bytes) == ("kept", "image/png", 8)
    kept.file.delete()
