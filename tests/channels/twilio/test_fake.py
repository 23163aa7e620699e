"""What the fake posts, and the vendor's own SDK as another client of it."""

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

from hub_lambdas.channels.base import (
    Inbound,
    InboundMessage,
    Reached,
    Receipt,
    SendUnknown,
    SignatureError,
)
from hub_lambdas.channels.twilio.api import RETRIES
from hub_lambdas.http import Request, Response
from tests.channels.listening import listening
from tests.channels.twilio.conftest import CHANNEL, CONTACT, KIND, account, send
from tests.channels.twilio.forms import payload, read
from tests.channels.twilio.test_connecting import SENDERS, WEBHOOK
from tests.fakes.platform import Fault
from tests.fakes.twilio import ACCOUNT_SID, AUTH_TOKEN, NUMBER, SERVICE_SID, WHATSAPP, FakeTwilio


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


def test_the_fakes_people_write_what_the_payloads_are() -> None:
    with FakeTwilio() as fake:
        sms_form = fake.compose(NUMBER, "+14158675309", "hi")
        whatsapp_form = fake.compose("whatsapp:+14155238886", "whatsapp:+14158675309", "hi")
    sms, whatsapp = read(sms_form), read(whatsapp_form)
    assert (sms.sender.platform_id, sms.kind, sms.text) == ("+14158675309", "text", "hi")
    assert (whatsapp.sender.name, whatsapp.kind) == ("Person 5309", "text")
    assert set(whatsapp_form) <= set(payload("text_whatsapp.json")["params"])
    assert set(sms_form) <= set(payload("text_sms.json")["params"])
