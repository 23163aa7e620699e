"""What the hub makes of each form that Twilio posts."""

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hub_lambdas.channels.base import (
    Inbound,
    InboundMessage,
    Media,
    OtherEvent,
    Reached,
    Receipt,
    Sender,
    Unread,
)
from hub_lambdas.channels.twilio import receiving
from hub_lambdas.http import Request
from tests.channels.twilio.forms import (
    ACCOUNT,
    FORMS,
    KIND,
    PAYLOADS,
    SENT_SID,
    SID,
    message,
    payload,
    post,
    read,
    signed,
    status,
)

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


@pytest.mark.parametrize("state", ["sent", "delivered", "read"])
def test_a_receipt_says_how_far_a_message_came_and_which(state: str) -> None:
    inbound = read(status(state), "ref=77")
    assert isinstance(inbound, Receipt)
    assert (inbound.reference, inbound.message_platform_id) == ("77", SENT_SID)
    assert (inbound.reached, inbound.failure) == (state, "")
    assert inbound.platform_id == f"{SENT_SID}:{state}"


@pytest.mark.parametrize(
    ("state", "fields", "said", "is_gone"),
    [
        ("failed", {"ErrorCode": "30007"}, "the carrier filtered the message (error 30007)", False),
        ("undelivered", {"ErrorCode": "30003"}, "switched off or out of reach (error 30003)", False),
        ("undelivered", {"ErrorCode": "30005"}, "does not exist or is out of reach (error 30005)", True),
        ("failed", {"ErrorCode": "99999", "ErrorMessage": "Odd thing."}, "Odd thing (error 99999).", False),
        ("failed", {}, "it gave no reason.", False),
        ("canceled", {"ErrorCode": "²"}, "it gave no reason.", False),
        ("failed", {"ErrorCode": "9" * 5000}, "it gave no reason.", False),
    ],
)
def test_a_failure_says_why_in_words(state: str, fields: dict[str, str], said: str, is_gone: bool) -> None:
    inbound = read(status(state, **fields), "ref=77")
    assert isinstance(inbound, Receipt)
    assert said in inbound.failure
    assert inbound.contact_gone is is_gone
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
        stumbling.setattr(receiving, "_REACHED", None)
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


@hypothesis_settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutated() | FORMS, st.sampled_from(["", "ref=77", "ref=%00", "ref=%ff"]))
def test_no_signed_form_makes_it_stumble(form: dict[str, str], query: str) -> None:
    request = signed(form, query)
    KIND.verify(request, ACCOUNT)
    for inbound in KIND.parse(request, ACCOUNT):
        examine(inbound)


@hypothesis_settings(max_examples=200)
@given(st.binary(max_size=200), st.text(max_size=20))
def test_no_bytes_make_it_stumble(body: bytes, reference: str) -> None:
    for inbound in KIND.parse(replace(post(body), query={"ref": reference}), ACCOUNT):
        examine(inbound)
