"""What the hub makes of each form that Twilio posts, and whose forms it takes."""

import base64
import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings
from twilio.request_validator import RequestValidator

from console.conversations.models import Message
from hub_lambdas import inbound as inbound_queue
from hub_lambdas import queues, sending, webhook
from hub_lambdas.channels import twilio
from hub_lambdas.channels.base import (
    Account,
    Inbound,
    InboundMessage,
    Media,
    OtherEvent,
    Reached,
    Receipt,
    Sender,
    SignatureError,
    Unread,
)
from hub_lambdas.channels.twilio import Twilio
from hub_lambdas.http import Request, request_from_event
from tests.factories import make_channel, make_organization
from tests.fakes.platform import Fault
from tests.fakes.sqs import FakeSqs
from tests.fakes.twilio import ACCOUNT_SID, AUTH_TOKEN, NUMBER, FakeTwilio, signature

FOLDER = Path(__file__).parent.parent / "payloads" / "twilio"
PAYLOADS = sorted(path.name for path in FOLDER.glob("*.json"))
KIND = Twilio()
TOKEN = "12345"
ACCOUNT = Account(uuid.UUID(int=1), {"account_sid": f"AC{'0' * 32}", "auth_token": TOKEN, "sender": "+1800"})
PATH = f"/twilio/{ACCOUNT.channel_id}"
FORM = "application/x-www-form-urlencoded"
SID = "SM8c4d7beaf75ce73ce83ecaf57942bfe3"
SENT_SID = "SM22222222222222222222222222222222"


@pytest.fixture(autouse=True)
def _public_address(settings: Settings) -> None:
    settings.WEBHOOK_URL = "https://hub.example"


def payload(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return content


def post(form: Mapping[str, str] | bytes, query: str = "", **headers: str) -> Request:
    body = form if isinstance(form, bytes) else urlencode(form).encode()
    parts = dict(parse_qsl(query, keep_blank_values=True))
    return Request("POST", PATH, parts, {"content-type": FORM, **headers}, body, raw_query=query)


def read(form: Mapping[str, str] | bytes, query: str = "") -> Any:
    (inbound,) = KIND.parse(post(form, query), ACCOUNT)
    return inbound


SMS, WHATSAPP = Sender("+14158675309"), Sender("whatsapp:+14158675309", "Sheena")
EXPECTED: dict[str, Inbound] = {
    "media_mms_empty_body.json": InboundMessage(
        SMS,
        SID,
        "image",
        "",
        None,
        "",
        (Media("https://api.twilio.com/2010-04-01/Accounts/AC0/Messages/MM0/Media/ME0", "image/jpeg"),),
    ),
    "status_delivered_out_of_order_sent.json": Receipt(
        f"{SENT_SID}:sent", SENT_SID, "", sender=SMS, reached=Reached.SENT
    ),
    "status_failed_63016.json": Receipt(
        f"{SENT_SID}:failed",
        SENT_SID,
        "",
        failure="Twilio could not deliver it: the contact's last WhatsApp message is more than 24 hours old "
        "(error 63016).",
        sender=Sender("whatsapp:+14158675309"),
        reached=Reached.SENT,
    ),
    "text_addons_json.json": InboundMessage(SMS, SID, "text", "hello ñ 😀", None, ""),
    "text_sms.json": InboundMessage(SMS, SID, "text", "hello ñ 😀", None, ""),
    "text_whatsapp.json": InboundMessage(WHATSAPP, SID, "text", "hello ñ 😀", None, ""),
}


def test_every_payload_is_in_the_table() -> None:
    assert sorted(EXPECTED) == PAYLOADS


@pytest.mark.parametrize("name", PAYLOADS)
def test_payload(name: str) -> None:
    content = payload(name)
    inbound = read(content["raw_body"].encode())
    assert json.loads(inbound.payload) == content["params"]
    assert inbound == replace(EXPECTED[name], payload=inbound.payload)


# --- messages -----------------------------------------------------------------------------------------------


def message(**fields: str) -> dict[str, str]:
    sent = {
        "MessageSid": SID,
        "SmsStatus": "received",
        "From": "+14158675309",
        "To": "+1800",
        "NumMedia": "0",
    }
    return {**sent, "Body": "", **fields}


@pytest.mark.parametrize(
    ("fields", "kind", "text"),
    [
        ({"Body": "   "}, "text", "   "),
        ({"Body": "a=b&c=d%20+"}, "text", "a=b&c=d%20+"),
        ({"Body": "a\x00b"}, "text", "a\x00b"),
        ({"Body": "مرحبا 👩‍👩‍👧"}, "text", "مرحبا 👩‍👩‍👧"),
        ({"NumMedia": "2", "MediaContentType0": "image/png", "Body": "look"}, "image", "look"),
        ({"NumMedia": "1", "MediaContentType0": "audio/ogg; codecs=opus"}, "audio", ""),
        ({"NumMedia": "1", "MediaContentType0": "VIDEO/mp4"}, "video", ""),
        ({"NumMedia": "1", "MediaContentType0": "application/pdf"}, "document", ""),
        ({"NumMedia": "1", "MediaContentType0": "text/plain"}, "document", ""),
        ({"NumMedia": "1", "MediaContentType0": "text/x-vcard"}, "contact", ""),
        ({"NumMedia": "1"}, "document", ""),
        ({"Latitude": "52.5", "Longitude": "13.4", "Label": "Office"}, "location", "Office"),
        ({"Latitude": "52.5", "Longitude": "13.4"}, "location", ""),
        ({"ButtonText": "Yes", "ButtonPayload": "confirm", "Body": "Yes"}, "button", "Yes"),
        ({"ButtonPayload": "confirm"}, "button", "confirm"),
        ({"ListId": "7", "ListTitle": "Monday", "Body": "Monday"}, "button", "Monday"),
        ({"MessageType": "unsupported"}, "unsupported", ""),
        ({"MessageType": "Strange Kind!"}, "unknown", ""),
        ({"MessageType": "text"}, "unknown", ""),
        ({}, "unknown", ""),
    ],
)
def test_what_a_contact_sent(fields: dict[str, str], kind: str, text: str) -> None:
    inbound = read(message(**fields))
    assert isinstance(inbound, InboundMessage)
    assert (inbound.kind, inbound.text) == (kind, text)


def test_each_file_of_a_message_by_its_address() -> None:
    given = {f"MediaUrl{number}": f"https://a.example/{number}" for number in range(11)}
    found = read(message(NumMedia="11", MediaContentType0="image/png", **given | {"MediaUrl1": "no address"}))
    assert found.media[0] == Media("https://a.example/0", "image/png")
    assert [each.reference[-1] for each in found.media] == [*"023456789"]


def test_a_message_that_comes_again_has_the_same_id() -> None:
    assert read(message(Body="hi")).platform_id == read(message(Body="hi", New="x")).platform_id == SID


@pytest.mark.parametrize("sid", ["", "two words", "x" * 65, "SM\x00"])
def test_a_message_without_a_usable_id_is_known_by_its_content(sid: str) -> None:
    first, again = read(message(Body="hi", MessageSid=sid)), read(message(Body="hi", MessageSid=sid))
    assert first.platform_id == again.platform_id != read(message(Body="ho", MessageSid=sid)).platform_id
    assert first.text == "hi"


@pytest.mark.parametrize("sender", ["", "two words", "+" + "1" * 200, "\x00"])
def test_a_message_from_nobody_is_stored_and_not_answered(sender: str) -> None:
    inbound = read(message(Body="hi", From=sender))
    assert (type(inbound), inbound.kind) == (OtherEvent, "unreadable_message")


@pytest.mark.parametrize(
    ("keyword", "kind", "reachable"),
    [("STOP", "opted_out", False), ("START", "opted_in", True), ("HELP", "asked_for_help", None)],
)
def test_a_keyword_that_twilio_answered_is_not_answered_again(
    keyword: str, kind: str, reachable: bool | None
) -> None:
    inbound = read(message(Body=keyword, OptOutType=keyword))
    assert inbound == OtherEvent(SID, kind, inbound.payload, SMS, reachable)


def test_a_word_that_twilio_does_not_take_for_a_keyword_is_a_message() -> None:
    assert read(message(Body="Stop")).text == "Stop"


# --- what became of our messages ----------------------------------------------------------------------------


def status(state: str, **fields: str) -> dict[str, str]:
    return {
        "MessageSid": SENT_SID,
        "MessageStatus": state,
        "SmsStatus": state,
        "To": "+14158675309",
        **fields,
    }


@pytest.mark.parametrize("state", ["sent", "delivered", "read"])
def test_a_receipt_says_how_far_a_message_came_and_which(state: str) -> None:
    inbound = read(status(state), "ref=77")
    assert isinstance(inbound, Receipt)
    assert (inbound.reference, inbound.message_platform_id) == ("77", SENT_SID)
    assert (inbound.reached, inbound.failure) == (state, "")
    assert inbound.platform_id == f"{SENT_SID}:{state}"


@pytest.mark.parametrize(
    ("state", "fields", "said"),
    [
        ("failed", {"ErrorCode": "30007"}, "the carrier filtered the message (error 30007)"),
        ("undelivered", {"ErrorCode": "30003"}, "switched off or out of reach (error 30003)"),
        ("failed", {"ErrorCode": "99999", "ErrorMessage": "Odd thing."}, "Odd thing (error 99999)."),
        ("failed", {}, "it gave no reason."),
        ("canceled", {"ErrorCode": "²"}, "it gave no reason."),
        ("failed", {"ErrorCode": "9" * 5000}, "it gave no reason."),
    ],
)
def test_a_failure_says_why_in_words(state: str, fields: dict[str, str], said: str) -> None:
    inbound = read(status(state, **fields), "ref=77")
    assert isinstance(inbound, Receipt)
    assert said in inbound.failure
    assert inbound.reference == "77"


@pytest.mark.parametrize("state", ["queued", "sending", "accepted", "scheduled", "teleported"])
def test_a_state_on_the_way_is_stored_only(state: str) -> None:
    inbound = read(status(state), "ref=77")
    assert (type(inbound), inbound.kind) == (OtherEvent, f"status_{state}")


def test_each_state_of_a_message_is_stored_once() -> None:
    ids = [read(status(state)).platform_id for state in ("queued", "sent", "sent", "delivered", "failed")]
    assert len(set(ids)) == 4


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "unknown"),
        (b"&&&", "unknown"),
        (b"CallSid=CA1&CallStatus=ringing", "unknown"),
        (b"SmsStatus=Not+A+Word", "unknown"),
        (b'{"type": "com.twilio.messaging.message.sent"}', "json_event"),
        (b"[]", "json_event"),
        (b"[" * 100_000, "json_event"),
        (b"\xff\xfe%ff=%", "unknown"),
    ],
)
def test_anything_else_is_stored_under_a_name_that_says_what_it_is(body: bytes, kind: str) -> None:
    inbound = read(body)
    assert (type(inbound), inbound.kind) == (OtherEvent, kind)


def test_what_is_read_again_still_knows_its_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later release reads what this one could not: it has the body only, and no address."""
    with monkeypatch.context() as stumbling:
        stumbling.setattr(twilio, "_REACHED", None)
        unread = read(status("sent"), "ref=77")
        assert isinstance(unread, Unread)
        with pytest.raises(TypeError):  # what is still not read is no longer kept as unread, but fails
            read(unread.payload.encode())
    (inbound,) = KIND.parse(Request("POST", "", body=unread.payload.encode()), ACCOUNT)
    assert isinstance(inbound, Receipt)
    assert (inbound.reference, inbound.reached) == ("77", Reached.SENT)


@pytest.mark.parametrize("reference", ["", "7&MessageStatus=read", "ü \x00", "\ud800"])
def test_a_strange_reference_changes_nothing_else(reference: str) -> None:
    request = replace(post(status("sent")), query={"ref": reference})
    (inbound,) = KIND.parse(request, ACCOUNT)
    assert isinstance(inbound, Receipt)
    assert inbound.reached == Reached.SENT


# --- who may deliver ----------------------------------------------------------------------------------------


def address(path_and_query: str = PATH) -> str:
    return f"https://hub.example{path_and_query}"


def signed(form: Mapping[str, str] | bytes, query: str = "", *, url: str = "", token: str = TOKEN) -> Request:
    request = post(form, query)
    pairs = parse_qsl(request.body.decode(), keep_blank_values=True)
    made = signature(token, url or address(f"{PATH}?{query}" if query else PATH), pairs)
    return replace(request, headers={**request.headers, "x-twilio-signature": made})


def is_taken(request: Request, account: Account = ACCOUNT) -> bool:
    try:
        KIND.verify(request, account)
    except SignatureError:
        return False
    return True


@pytest.mark.parametrize("name", PAYLOADS)
def test_the_signature_of_each_payload_opens(name: str, settings: Settings) -> None:
    content = payload(name)
    parts = urlsplit(content["url"])
    settings.WEBHOOK_URL = f"{parts.scheme}://{parts.netloc}"
    headers = {"content-type": FORM, "x-twilio-signature": content["x_twilio_signature"]}
    request = Request("POST", parts.path, {}, headers, content["raw_body"].encode())
    assert is_taken(request)
    assert not is_taken(replace(request, body=request.body.replace(b"AccountSid=AC0", b"AccountSid=AC1")))
    assert not is_taken(replace(request, path=parts.path + "/"))


def event(version: str, form: Mapping[str, str], query: str, made: str, path: str = PATH) -> dict[str, Any]:
    """An API Gateway event whose body is base64, as both kinds of gateway hand over forms."""
    headers = {"Content-Type": f"{FORM}; charset=UTF-8", "X-Twilio-Signature": made, "Host": "inner.example"}
    body = base64.b64encode(urlencode(form).encode()).decode()
    common = {"headers": headers, "body": body, "isBase64Encoded": True}
    if version == "2.0":
        context = {"stage": "prod", "http": {"method": "POST", "path": f"/prod{path}"}}
        return {
            "version": "2.0",
            "rawPath": f"/prod{path}",
            "rawQueryString": query,
            "requestContext": context,
            **common,
        }
    parameters = dict(parse_qsl(query, keep_blank_values=True)) or None
    return {
        "version": "1.0",
        "httpMethod": "POST",
        "path": path,
        "queryStringParameters": parameters,
        "requestContext": {"stage": "prod"},
        **common,
    }


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("query", ["", "ref=77", "ref=77&empty=&z=1&a=2"])
def test_a_form_behind_a_gateway_opens(version: str, query: str) -> None:
    """The gateway has its own host, scheme and stage; the contact's `Body=` is blank."""
    form = message(Unknown="x y+&=%", FromCity="")
    url = address(f"{PATH}?{query}" if query else PATH)
    request = request_from_event(event(version, form, query, signature(TOKEN, url, form)))
    assert is_taken(request)
    (inbound,) = KIND.parse(request, ACCOUNT)
    assert json.loads(inbound.payload)["Unknown"] == "x y+&=%"


def test_a_query_is_signed_as_it_was_written() -> None:
    """%20 and + mean the same, and are not the same address."""
    query = "b=x%20y&a=%2f&a=2&flag"
    url = address(f"{PATH}?{query}")
    request = request_from_event(event("2.0", message(), query, signature(TOKEN, url, message())))
    assert is_taken(request)


def test_the_port_may_be_named_or_not(settings: Settings) -> None:
    for public, called in [
        ("https://hub.example", "https://hub.example:443"),
        ("http://hub.example", "http://hub.example:80"),
        ("https://hub.example:8443", "https://hub.example"),
        ("https://hub.example:8443", "https://hub.example:8443"),
        ("http://[::1]:8080/stage", "http://[::1]/stage"),
    ]:
        settings.WEBHOOK_URL = public
        assert is_taken(signed(message(), url=f"{called}{PATH}"))
    assert not is_taken(signed(message(), url=f"https://hub.example:444{PATH}"))


def test_fields_that_come_twice_are_signed_once() -> None:
    twice = b"MediaUrl=a&MediaUrl=a&MediaUrl=b&Body="
    assert is_taken(signed(twice))
    by_hand = signature(TOKEN, address(), [("Body", ""), ("MediaUrl", "a"), ("MediaUrl", "b")])
    assert is_taken(post(twice, **{"x-twilio-signature": by_hand}))


def test_json_is_signed_by_its_hash() -> None:
    body = '{"name": "ünïcode"}'
    query = f"ref=77&bodySHA256={hashlib.sha256(body.encode()).hexdigest()}"
    url = address(f"{PATH}?{query}")
    made = {"content-type": "application/json", "x-twilio-signature": signature(TOKEN, url, {})}
    assert RequestValidator(TOKEN).validate(url, body, made["x-twilio-signature"])
    request = post(body.encode(), query, **made)
    assert is_taken(request)
    assert not is_taken(replace(request, body=request.body + b" "))
    assert not is_taken(post(body.encode(), query + "0", **made))


@pytest.mark.parametrize("given_signature", ["", "wrong", "sígnature", "\ud800", f"{'A' * 27}="])
def test_another_signature_does_not_open(given_signature: str) -> None:
    assert not is_taken(post(message(), **{"x-twilio-signature": given_signature}))


def test_a_missing_signature_or_another_token_does_not_open() -> None:
    assert not is_taken(post(message()))
    assert not is_taken(signed(message(), token="67890"))


@pytest.mark.parametrize("stored", [{}, {"auth_token": ""}, {"auth_token": None}, {"auth_token": 12345}])
def test_without_a_stored_token_nothing_opens(stored: dict[str, Any]) -> None:
    account = Account(uuid.UUID(int=1), stored)
    for token in ("", "None", "12345"):
        assert not is_taken(signed(message(), token=token), account)


def test_a_form_of_absurdly_many_fields_is_refused() -> None:
    assert not is_taken(signed(b"&".join(b"a=%d" % number for number in range(2000))))


def test_the_acknowledgement_says_nothing_to_the_contact() -> None:
    response = KIND.acknowledge(post({}), ACCOUNT)
    assert (response.status, response.body, response.content_type) == (200, "<Response/>", "text/xml")


# --- the vendor's own validator as the oracle ---------------------------------------------------------------

NAMES = st.text(st.characters(codec="utf-8"), max_size=12)
FORMS = st.dictionaries(NAMES, st.text(st.characters(codec="utf-8"), max_size=40), max_size=8)


@hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(FORMS, st.sampled_from(["", "ref=77", "ref=&x=%20y"]))
def test_the_vendors_signatures_open_and_it_takes_the_fakes(form: dict[str, str], query: str) -> None:
    url = address(f"{PATH}?{query}" if query else PATH)
    validator = RequestValidator(TOKEN)
    theirs = validator.compute_signature(url, form)
    assert is_taken(post(form, query, **{"x-twilio-signature": theirs}))
    assert validator.validate(url, form, signature(TOKEN, url, form))


@pytest.mark.parametrize("name", PAYLOADS)
def test_the_vendor_takes_the_payloads(name: str) -> None:
    content = payload(name)
    validator = RequestValidator(content["auth_token"])
    assert validator.validate(content["url"], content["params"], content["x_twilio_signature"])


# --- any form -----------------------------------------------------------------------------------------------

REAL = [payload(name)["params"] for name in PAYLOADS]
VALUES = st.text(st.characters(codec="utf-8"), max_size=60) | st.sampled_from(["0", "9" * 5000, "\x00", "{}"])


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, str]:
    """A real form, with some fields replaced, taken out or added."""
    form = dict(draw(st.sampled_from(REAL)))
    for _ in range(draw(st.integers(1, 4))):
        name = draw(st.sampled_from([*sorted(form), "MessageStatus", "Latitude", "ButtonText", "OptOutType"]))
        if draw(st.booleans()):
            form.pop(name, None)
        else:
            form[name] = draw(VALUES)
    return form


def examine(inbound: Inbound) -> None:
    assert not isinstance(inbound, Unread)
    assert 0 < len(inbound.platform_id) <= 200
    assert inbound.platform_id.isascii()
    assert inbound.platform_id.isprintable()
    inbound.payload.encode()
    if inbound.sender:
        assert 0 < len(inbound.sender.platform_id) <= 200
    if isinstance(inbound, OtherEvent):
        assert 0 < len(inbound.kind) <= 40
    if isinstance(inbound, InboundMessage):
        assert 0 < len(inbound.kind) <= 20


@hypothesis_settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(mutated() | FORMS, st.sampled_from(["", "ref=77", "ref=%00", "ref=%ff"]))
def test_no_signed_form_makes_it_stumble(form: dict[str, str], query: str) -> None:
    request = signed(form, query)
    KIND.verify(request, ACCOUNT)
    for inbound in KIND.parse(request, ACCOUNT):
        examine(inbound)


@hypothesis_settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.text(max_size=20))
def test_no_bytes_make_it_stumble(body: bytes, reference: str) -> None:
    for inbound in KIND.parse(replace(post(body), query={"ref": reference}), ACCOUNT):
        examine(inbound)


# --- what the fake writes -----------------------------------------------------------------------------------


def test_the_fakes_people_write_what_the_payloads_are() -> None:
    with FakeTwilio() as fake:
        sms_form = fake.compose(NUMBER, "+14158675309", "hi")
        whatsapp_form = fake.compose("whatsapp:+14155238886", "whatsapp:+14158675309", "hi")
    sms, whatsapp = read(sms_form), read(whatsapp_form)
    assert (sms.sender.platform_id, sms.kind, sms.text) == ("+14158675309", "text", "hi")
    assert (whatsapp.sender.name, whatsapp.kind) == ("Person 5309", "text")
    assert set(whatsapp_form) <= set(payload("text_whatsapp.json")["params"])
    assert set(sms_form) <= set(payload("text_sms.json")["params"])


# --- through the hub ----------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_message_of_unknown_fate_is_settled_through_the_hub(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the gateway to the ledger: a contact writes, staff answer, the call breaks, receipts come in."""
    sqs = FakeSqs()
    monkeypatch.setattr(queues, "client", lambda: sqs)
    queues.url.cache_clear()
    credentials = {"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN, "sender": NUMBER}
    channel = make_channel(make_organization(), "twilio", credentials=credentials)

    def deliver(form: Mapping[str, str], query: str = "") -> None:
        path = f"/twilio/{channel.pk}"
        made = signature(AUTH_TOKEN, address(f"{path}?{query}" if query else path), form)
        answer = webhook.handler(event("2.0", form, query, made, path), None)
        assert (answer["statusCode"], answer["body"]) == (200, "<Response/>")
        assert sqs.run("dm-inbound.fifo", inbound_queue.handler) == 0

    with FakeTwilio() as fake:
        settings.TWILIO_API_URL = fake.url
        deliver(fake.compose(NUMBER, SMS.platform_id, "Are you open?"))
        written = Message.objects.get(text="Are you open?")
        reply = Message.objects.create(
            conversation=written.conversation,
            channel=channel,
            direction=Message.Direction.OUT,
            purpose=Message.Purpose.STAFF,
            state=Message.State.PENDING,
            text="Yes",
        )
        fake.fail_next(FakeTwilio.sends, Fault(after=True))
        sending.deliver(reply.pk)
        reply.refresh_from_db()
        assert reply.state == Message.State.UNKNOWN
        sid, query = fake.messages[0]["sid"], urlsplit(fake.messages[0]["status_callback"]).query
    assert query == f"ref={reply.pk}"
    for state in ("delivered", "sent"):
        deliver(status(state, MessageSid=sid), query)
    reply.refresh_from_db()
    assert (reply.state, reply.platform_id, reply.reached) == (Message.State.SENT, sid, Reached.DELIVERED)
    queues.url.cache_clear()
