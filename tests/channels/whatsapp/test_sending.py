"""What the hub asks of WhatsApp for a message, and what it makes of the answers."""

import time
import uuid
from collections.abc import Sequence
from typing import Any

import pytest

from hub_lambdas.channels.base import (
    Account,
    ChannelError,
    CredentialRejected,
    FetchedMedia,
    InboundMessage,
    Media,
    MediaGone,
    MediaRefused,
    SendRefused,
    SendRejected,
    SendUnknown,
)
from hub_lambdas.http import Request
from tests.channels.whatsapp.conftest import ANN, BOB, KIND, NUMBER, TOKEN, send
from tests.fakes.meta import ApiError
from tests.fakes.platform import Fault
from tests.fakes.whatsapp import PAIR_BURST, FakeWhatsApp, webhook_body


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


def test_too_many_messages_to_one_contact_wait_six_seconds_and_ever_longer(
    platform: FakeWhatsApp, own: Account
) -> None:
    for _ in range(PAIR_BURST):
        send(own)
    with pytest.raises(SendRefused) as raised:
        send(own)
    assert (raised.value.retry_after_seconds, raised.value.growth) == (6, 4)
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
        assert pressed.below_platform_id == sent["id"]


def test_a_message_is_marked_read_and_typing_shown_in_one_call(platform: FakeWhatsApp, own: Account) -> None:
    message_id = platform.write(NUMBER, ANN, "hi")
    KIND.show_typing(own, ANN.user_id, message_id)
    assert (platform.read, platform.typing) == ([message_id], [message_id])
    assert len(platform.calls) == 1


def test_typing_does_not_wait_for_long(
    platform: FakeWhatsApp, own: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub_lambdas.channels.whatsapp.sending.COURTESY_TIMEOUT_SECONDS", 0.1)
    platform.fail_next("read", Fault(silence_seconds=5))
    with pytest.raises(ChannelError):
        KIND.show_typing(own, ANN.phone, "wamid.x")


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
