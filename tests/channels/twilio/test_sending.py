"""What the hub asks of Twilio to send, and what it makes of the answers."""

import logging
import socket
from typing import Any

import pytest
from pytest_django import Settings

from hub_lambdas.channels import client
from hub_lambdas.channels.base import (
    ChannelError,
    CredentialRejected,
    FetchedMedia,
    Media,
    MediaGone,
    MediaRefused,
    SendRefused,
    SendRejected,
    SendUnknown,
)
from tests.channels.twilio.conftest import CHANNEL, CONTACT, KIND, account, send
from tests.fakes.platform import Fault
from tests.fakes.twilio import AUTH_TOKEN, NUMBER, SERVICE_SID, WHATSAPP, ApiError, FakeTwilio


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
