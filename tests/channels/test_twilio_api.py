"""What the hub asks of Twilio, what it makes of the answers, and what Twilio then posts to it."""

import logging
import socket
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from pytest_django import Settings
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response as SdkResponse
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from hub_lambdas.channels import client
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
    Reached,
    Receipt,
    SendRefused,
    SendRejected,
    SendUnknown,
    SignatureError,
)
from hub_lambdas.channels.twilio import RETRIES, Twilio
from hub_lambdas.http import Request, Response
from tests.channels.listening import listening
from tests.fakes.platform import Fault
from tests.fakes.twilio import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    NUMBER,
    SERVICE_SID,
    WHATSAPP,
    ApiError,
    FakeTwilio,
)

KIND = Twilio()
CONTACT = "+14158675309"
CHANNEL = uuid.UUID(int=1)


@pytest.fixture
def platform(settings: Settings) -> Iterator[FakeTwilio]:
    with FakeTwilio() as fake:
        settings.TWILIO_API_URL = fake.url
        settings.WEBHOOK_URL = "https://hub.example"
        yield fake


def account(**credentials: Any) -> Account:
    stored = {"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN, "sender": NUMBER}
    return Account(CHANNEL, {**stored, **credentials})


def send(text: str = "hello", contact: str = CONTACT, reference: str = "77", **credentials: Any) -> str:
    return KIND.send(account(**credentials), contact, text, reference)


def test_a_text_goes_out_as_it_is(platform: FakeTwilio) -> None:
    text = "*not bold* & a=b+c% 😀\nsecond line"
    sid = send(text)
    (sent,) = platform.messages
    assert (sent["to"], sent["from"], sent["body"], sent["sid"]) == (CONTACT, NUMBER, text, sid)


def test_a_message_tells_where_its_receipts_go_and_whose_they_are(platform: FakeTwilio) -> None:
    send()
    assert (
        platform.messages[0]["status_callback"] == f"https://hub.example/twilio/{CHANNEL}?ref=77#rc=5&rp=all"
    )


def test_a_messaging_service_sends_too(platform: FakeTwilio) -> None:
    send(sender=SERVICE_SID)
    assert (platform.messages[0]["from"], platform.messages[0]["messaging_service_sid"]) == (
        None,
        SERVICE_SID,
    )


def test_whatsapp_contacts_get_their_answer(platform: FakeTwilio) -> None:
    send(contact=f"whatsapp:{CONTACT}", sender=WHATSAPP)
    assert (platform.messages[0]["to"], platform.messages[0]["from"]) == (f"whatsapp:{CONTACT}", WHATSAPP)


def test_half_a_surrogate_pair_does_not_keep_a_message_from_leaving(platform: FakeTwilio) -> None:
    send("a\ud800b")
    assert platform.messages[0]["body"] == "a?b"


def test_choices_are_numbered_lines(platform: FakeTwilio) -> None:
    KIND.send(account(), CONTACT, "How can we help?", "77", ["Opening hours", "Prices"])
    assert platform.sent[0]["text"] == "How can we help?\n1. Opening hours\n2. Prices"


def test_they_leave_with_the_last_piece(platform: FakeTwilio) -> None:
    choices = [f"Choice number {number}" for number in range(10)]
    pieces = KIND.split("x" * 2000, choices)
    KIND.send(account(), CONTACT, pieces[-1], "77", choices)
    assert "".join(pieces) == "x" * 2000


@pytest.mark.parametrize("text", ["x" * 4000, "😀" * 2000, "word " * 1000])
def test_twilio_takes_every_piece(platform: FakeTwilio, text: str) -> None:
    for piece in KIND.split(text):
        send(piece)
    assert "".join(sent["body"] for sent in platform.messages) == text


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, 21211, SendRejected),
        (400, 21610, SendRejected),
        (400, 21614, SendRejected),
        (400, 21408, SendRejected),
        (400, 21608, SendRejected),
        (400, 63016, SendRejected),
        (400, 99999, SendRejected),
        (403, 20003, CredentialRejected),
        (401, 20003, CredentialRejected),
        (401, 70051, CredentialRejected),
        (404, 20404, CredentialRejected),
        (400, 21212, CredentialRejected),
        (400, 21660, CredentialRejected),
        (404, 21701, CredentialRejected),
        (400, 63007, CredentialRejected),
        (429, 20429, SendRefused),
        (400, 20429, SendRefused),
        (400, 21611, SendRefused),
        (400, 63018, SendRefused),
        (500, 20500, SendUnknown),
        (503, 20503, SendUnknown),
    ],
)
def test_each_refusal_means_what_twilio_means(
    platform: FakeTwilio, status: int, code: int, expected: type[ChannelError]
) -> None:
    platform.fail_next(FakeTwilio.sends, Fault(ApiError(status, code, "Something.")))
    with pytest.raises(ChannelError) as raised:
        send()
    assert type(raised.value) is expected
    assert str(code) in str(raised.value) or expected is SendUnknown


@pytest.mark.parametrize(("code", "is_gone"), [(21610, True), (21211, True), (21614, True), (63016, False)])
def test_who_cannot_be_reached_any_more_is_gone(platform: FakeTwilio, code: int, is_gone: bool) -> None:
    platform.fail_next(FakeTwilio.sends, Fault(ApiError(400, code, "Something.")))
    with pytest.raises(SendRejected) as raised:
        send()
    assert raised.value.contact_gone is is_gone


@pytest.mark.parametrize(
    ("contact", "credentials", "expected"),
    [
        ("+4915", {}, "does not want messages"),
        ("AMAZON", {}, "contact's number is not valid"),
        (CONTACT, {"sender": "+1999"}, "correct it in the channel"),
        (CONTACT, {"sender": "whatsapp:+1999"}, "WhatsApp sender is not the account's"),
        (CONTACT, {"sender": f"MG{'9' * 32}"}, "messaging service does not exist"),
        (CONTACT, {"auth_token": "wrong"}, "copy both from the Twilio console"),
    ],
)
def test_what_the_fake_refuses_is_told_in_words(
    platform: FakeTwilio, contact: str, credentials: dict[str, str], expected: str
) -> None:
    platform.opted_out.add("+4915")
    with pytest.raises(ChannelError, match=expected):
        send(contact=contact, **credentials)
    assert not platform.messages


@pytest.mark.parametrize(
    ("header", "seconds"), [({"Retry-After": "14"}, 14), ({}, 1), ({"Retry-After": "0"}, 1)]
)
def test_the_time_to_wait_is_twilios(platform: FakeTwilio, header: dict[str, str], seconds: float) -> None:
    platform.fail_next(FakeTwilio.sends, Fault(ApiError(429, 20429, "Too Many Requests"), headers=header))
    with pytest.raises(SendRefused) as raised:
        send()
    assert raised.value.retry_after_seconds == seconds


def test_a_429_was_never_processed_whoever_answers_it(platform: FakeTwilio) -> None:
    platform.fail_next(
        FakeTwilio.sends, Fault(raw=(429, "<html>slow down</html>"), headers={"Retry-After": "3"})
    )
    with pytest.raises(SendRefused) as raised:
        send()
    assert raised.value.retry_after_seconds == 3


@pytest.mark.parametrize(
    "raw",
    [(502, "<html>Bad Gateway</html>"), (200, "hello"), (201, "[]"), (403, "<html>proxy</html>"), (301, "")],
)
def test_an_answer_that_is_not_twilios_proves_nothing(platform: FakeTwilio, raw: tuple[int, str]) -> None:
    platform.fail_next(FakeTwilio.sends, Fault(raw=raw))
    with pytest.raises(SendUnknown):
        send()


def test_a_connection_that_breaks_after_the_message_was_taken_is_unknown(platform: FakeTwilio) -> None:
    platform.fail_next(FakeTwilio.sends, Fault(after=True))
    with pytest.raises(SendUnknown):
        send()
    assert len(platform.messages) == 1


def test_silence_after_the_message_was_taken_is_unknown(
    platform: FakeTwilio, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = client.CLIENT.call
    monkeypatch.setattr(client.CLIENT, "call", lambda *a, **k: patient(*a, **k, read_timeout_seconds=0.1))
    platform.fail_next(FakeTwilio.sends, Fault(silence_seconds=5, after=True))
    with pytest.raises(SendUnknown):
        send()
    assert len(platform.messages) == 1


def test_where_nothing_listens_nothing_was_sent(settings: Settings) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings.TWILIO_API_URL = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(SendRefused):
        send()


@pytest.mark.parametrize(
    "credentials",
    [
        {"account_sid": None},
        {"account_sid": ""},
        {"account_sid": "AC1/../AC2"},
        {"account_sid": f"SK{'0' * 32}"},
        {"auth_token": None},
        {"auth_token": "two words"},
        {"auth_token": "ключ"},
    ],
)
def test_what_is_no_credential_is_not_tried(platform: FakeTwilio, credentials: dict[str, Any]) -> None:
    with pytest.raises(CredentialRejected):
        send(**credentials)
    assert not platform.calls


@pytest.mark.parametrize(
    "fault",
    [Fault(), Fault(raw=(200, "hello")), Fault(ApiError(401, 20003, "Authenticate")), Fault(raw=(301, ""))],
)
def test_the_token_is_in_no_error_and_no_log(
    platform: FakeTwilio, caplog: pytest.LogCaptureFixture, fault: Fault
) -> None:
    caplog.set_level(logging.DEBUG)
    platform.fail_next(FakeTwilio.sends, fault)
    with pytest.raises(ChannelError) as raised:
        send()
    logging.getLogger("test").exception("failed", exc_info=raised.value)
    assert "failed" in caplog.text
    assert AUTH_TOKEN not in caplog.text + str(raised.value) + repr(raised.value) + repr(account())


def test_typing_is_not_offered(platform: FakeTwilio) -> None:
    assert not KIND.shows_typing
    KIND.show_typing(account(), CONTACT, "")
    assert not platform.calls


# --- setup and health ---------------------------------------------------------------------------------------

WEBHOOK = f"https://hub.example/twilio/{CHANNEL}"
SENDERS = {"number": NUMBER, "whatsapp": WHATSAPP, "service": SERVICE_SID}


def inbox(platform: FakeTwilio, sender: str) -> tuple[Any, Any]:
    """Where the fake delivers to, and how."""
    if sender == SERVICE_SID:
        return platform.service["inbound_request_url"], platform.service["inbound_method"]
    if sender == WHATSAPP:
        webhook = platform.whatsapp[WHATSAPP]["webhook"]
        return webhook["callback_url"], webhook["callback_method"]
    return platform.numbers[NUMBER]["sms_url"], platform.numbers[NUMBER]["sms_method"]


@pytest.mark.parametrize("sender", SENDERS.values(), ids=SENDERS.keys())
def test_registration_points_the_sender_here(platform: FakeTwilio, sender: str) -> None:
    own = account(sender=sender)
    assert "delivers no messages" in " ".join(KIND.check(own, WEBHOOK).problems)
    health = KIND.register(own, WEBHOOK)
    assert (health.account, list(health.problems), health.address) == (f"Bright Smile {sender}", [], "")
    assert inbox(platform, sender) == (f"{WEBHOOK}{RETRIES}", "POST")
    checked = KIND.check(own, WEBHOOK)
    assert (checked.account, list(checked.problems)) == (health.account, [])


def test_registration_touches_no_other_number(platform: FakeTwilio) -> None:
    """Twilio's search for a number finds those that contain it."""
    KIND.register(account(), WEBHOOK)
    assert [number for number, each in platform.numbers.items() if each["sms_url"]] == [NUMBER]


def test_an_app_that_went_before_the_address_is_taken_off(platform: FakeTwilio) -> None:
    platform.numbers[NUMBER] |= {"sms_url": WEBHOOK + RETRIES, "sms_application_sid": "AP1"}
    assert "another address" in " ".join(KIND.check(account(), WEBHOOK).problems)
    KIND.register(account(), WEBHOOK)
    assert platform.numbers[NUMBER]["sms_application_sid"] == ""
    assert not KIND.check(account(), WEBHOOK).problems


@pytest.mark.parametrize("sender", ["+1999", "whatsapp:+1999", "55512", ""])
def test_what_the_api_does_not_know_is_to_be_entered_by_hand(platform: FakeTwilio, sender: str) -> None:
    own = account(sender=sender)
    assert not KIND.register(own, WEBHOOK).problems
    (problem,) = KIND.check(own, WEBHOOK).problems
    assert f"{WEBHOOK}{RETRIES}" in problem
    assert "When a message comes in" in problem
    assert len(problem) <= 300


def test_an_account_without_the_api_for_whatsapp_senders_does_it_by_hand(platform: FakeTwilio) -> None:
    platform.fail_next("Senders", Fault(ApiError(403, 20403, "Forbidden")))
    assert not KIND.register(account(sender=WHATSAPP), WEBHOOK).problems


def test_a_wrong_token_cannot_be_registered(platform: FakeTwilio) -> None:
    with pytest.raises(CredentialRejected, match="copy both"):
        KIND.register(account(auth_token="wrong"), WEBHOOK)


def test_a_service_that_is_not_there_cannot_be_registered(platform: FakeTwilio) -> None:
    with pytest.raises(CredentialRejected, match="messaging service does not exist"):
        KIND.register(account(sender=f"MG{'9' * 32}"), WEBHOOK)


@pytest.mark.parametrize("state", ["suspended", "closed"])
def test_an_account_that_was_closed_is_no_account(platform: FakeTwilio, state: str) -> None:
    platform.account_resource["status"] = state
    with pytest.raises(CredentialRejected, match=state):
        KIND.check(account(), WEBHOOK)


@pytest.mark.parametrize(
    ("url", "method", "expected"),
    [
        (WEBHOOK + RETRIES, "POST", ""),
        (WEBHOOK + "#rc=2", "POST", ""),
        (WEBHOOK, "POST", "gives up on a message after one failure"),
        (WEBHOOK + RETRIES, "GET", "another address"),
        ("https://elsewhere.example/#rc=5&rp=all", "POST", "another address"),
        ("", "POST", "delivers no messages"),
    ],
)
def test_problems_are_told_in_plain_words(platform: FakeTwilio, url: str, method: str, expected: str) -> None:
    platform.numbers[NUMBER] |= {"sms_url": url, "sms_method": method}
    problems = " ".join(KIND.check(account(), WEBHOOK).problems)
    assert expected in problems
    assert bool(problems) is bool(expected)


def test_services_and_whatsapp_senders_are_asked_at_a_host_of_their_own(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TWILIO_API_URL = "https://api.twilio.com"
    asked: list[str] = []

    def call(platform: str, method: str, url: str, **_: Any) -> client.Answer:
        asked.append(f"{method} {url}")
        return client.Answer(200, {"senders": [{"sender_id": WHATSAPP, "sid": "XE1"}]})

    monkeypatch.setattr(client.CLIENT, "call", call)
    KIND.register(account(sender=WHATSAPP), WEBHOOK)
    assert [each.partition("?")[0] for each in asked] == [
        f"GET https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT_SID}.json",
        "GET https://messaging.twilio.com/v2/Channels/Senders",
        "POST https://messaging.twilio.com/v2/Channels/Senders/XE1",
    ]


# --- what Twilio posts --------------------------------------------------------------------------------------


class Hub:
    """The kind behind a real port: it verifies and reads what is posted, and answers the first `failures`
    posts with 503."""

    def __init__(self) -> None:
        self.read: list[Inbound] = []
        self.failures = 0

    def __call__(self, request: Request) -> Response:
        if self.failures:
            self.failures -= 1
            return Response(503)
        try:
            KIND.verify(request, account())
        except SignatureError:
            return Response(401)
        self.read += KIND.parse(request, account())
        return KIND.acknowledge(request, account())


@pytest.fixture
def hub(platform: FakeTwilio, settings: Settings) -> Iterator[Hub]:
    served = Hub()
    with listening(served) as url:
        settings.WEBHOOK_URL = url
        KIND.register(account(), f"{url}/twilio/{CHANNEL}")
        yield served


def test_a_person_writes_and_is_heard(platform: FakeTwilio, hub: Hub) -> None:
    platform.write(NUMBER, CONTACT, "Are you open? 😀 &+=")
    platform.wait_until(lambda fake: bool(fake.deliveries))
    (message,) = hub.read
    assert isinstance(message, InboundMessage)
    assert (message.sender.platform_id, message.text) == (CONTACT, "Are you open? 😀 &+=")
    delivery = platform.deliveries[0]
    assert delivery.answer == b"<Response/>"
    assert "#" not in delivery.url
    given = delivery.headers["X-Twilio-Signature"]
    assert RequestValidator(AUTH_TOKEN).validate(delivery.url, delivery.content, given)


def test_a_post_that_failed_comes_again_and_has_the_same_id(platform: FakeTwilio, hub: Hub) -> None:
    hub.failures = 3
    platform.write(NUMBER, CONTACT, "hi")
    platform.wait_until(lambda fake: bool(fake.deliveries) and fake.deliveries[-1].status == 200)
    assert [delivery.status for delivery in platform.deliveries] == [503, 503, 503, 200]
    assert len({delivery.headers["I-Twilio-Idempotency-Token"] for delivery in platform.deliveries}) == 1


def test_receipts_come_in_any_order_each_with_its_reference(platform: FakeTwilio, hub: Hub) -> None:
    sid = send()
    platform.report(sid, "delivered", "queued", "sent", "read")
    receipts = [each for each in hub.read if isinstance(each, Receipt)]
    assert [each.reached for each in receipts] == [Reached.DELIVERED, Reached.SENT, Reached.READ]
    assert {(each.reference, each.message_platform_id) for each in receipts} == {("77", sid)}
    assert len({each.platform_id for each in hub.read}) == 4


def test_a_message_whose_fate_was_unknown_is_settled_by_its_receipt(platform: FakeTwilio, hub: Hub) -> None:
    platform.reports = ("delivered",)
    platform.fail_next(FakeTwilio.sends, Fault(after=True))
    with pytest.raises(SendUnknown):
        send(reference="1234")
    platform.wait_until(lambda fake: bool(fake.deliveries))
    (receipt,) = hub.read
    assert isinstance(receipt, Receipt)
    assert (receipt.reference, receipt.message_platform_id) == ("1234", platform.messages[0]["sid"])
    assert KIND.reconciles


def test_a_closed_window_is_a_failure_in_words(platform: FakeTwilio, hub: Hub) -> None:
    platform.closed_windows.add(f"whatsapp:{CONTACT}")
    send(contact=f"whatsapp:{CONTACT}", sender=WHATSAPP)
    platform.wait_until(lambda fake: bool(fake.deliveries))
    (receipt,) = hub.read
    assert isinstance(receipt, Receipt)
    assert "more than 24 hours old (error 63016)" in receipt.failure


# --- the fake, and another client of it ---------------------------------------------------------------------


class Redirected(TwilioHttpClient):  # type: ignore[misc]
    """The vendor's SDK, with the fake in Twilio's place."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def request(self, method: str, url: str, *arguments: Any, **named: Any) -> SdkResponse:
        return super().request(method, f"{self._url}{urlsplit(url).path}", *arguments, **named)


def sdk(platform: FakeTwilio, token: str = AUTH_TOKEN) -> Client:
    return Client(ACCOUNT_SID, token, http_client=Redirected(platform.url))


def test_the_vendors_sdk_can_talk_to_the_fake(platform: FakeTwilio) -> None:
    talk = sdk(platform)
    sent = talk.messages.create(
        to=CONTACT, from_=NUMBER, body="hi", status_callback="https://a.example/?ref=1"
    )
    assert (sent.sid, sent.status, sent.body) == (platform.messages[0]["sid"], "queued", "hi")
    assert talk.api.accounts(ACCOUNT_SID).fetch().friendly_name == "Bright Smile"
    (number,) = [each for each in talk.incoming_phone_numbers.list() if each.phone_number == NUMBER]
    number.update(sms_url="https://a.example/", sms_method="POST")
    assert platform.numbers[NUMBER]["sms_url"] == "https://a.example/"


def test_the_vendors_sdk_sees_what_the_hub_registered(platform: FakeTwilio) -> None:
    """The addresses and names of fields are the vendor's own."""
    for sender in SENDERS.values():
        KIND.register(account(sender=sender), WEBHOOK)
    talk = sdk(platform)
    service = talk.messaging.v1.services(SERVICE_SID).fetch()
    assert (service.inbound_request_url, service.use_inbound_webhook_on_number) == (WEBHOOK + RETRIES, False)
    (found,) = talk.messaging.v2.channels_senders.list(channel="whatsapp")
    assert found.sender_id == WHATSAPP
    assert found.webhook["callback_url"] == WEBHOOK + RETRIES
    numbers = talk.incoming_phone_numbers.list(phone_number=NUMBER)
    assert {each.sms_url for each in numbers if each.phone_number == NUMBER} == {WEBHOOK + RETRIES}


@pytest.mark.parametrize(
    ("token", "to", "code"),
    [("wrong", CONTACT, 20003), (AUTH_TOKEN, "nobody", 21211), (AUTH_TOKEN, "", 21604)],
)
def test_the_vendors_sdk_understands_the_fakes_errors(
    platform: FakeTwilio, token: str, to: str, code: int
) -> None:
    with pytest.raises(TwilioRestException) as raised:
        sdk(platform, token).messages.create(to=to, from_=NUMBER, body="hi")
    assert raised.value.code == code


def test_a_file_comes_with_the_account_s_credentials_and_from_where_twilio_sends_one(
    platform: FakeTwilio,
) -> None:
    media = Media(platform.add_file(b"a picture", "image/png"))
    assert KIND.fetch_media(account(), media, 100) == FetchedMedia(b"a picture", "image/png")
    with pytest.raises(MediaGone):
        KIND.fetch_media(account(auth_token="another"), media, 100)
    platform.files.clear()
    with pytest.raises(MediaGone):
        KIND.fetch_media(account(), media, 100)


def test_another_server_gets_no_credentials(platform: FakeTwilio) -> None:
    with FakeTwilio() as other:
        media = Media(other.add_file(b"a picture", "image/png"))
        with pytest.raises(MediaRefused):
            KIND.fetch_media(account(), media, 100)
        assert other.calls == []
