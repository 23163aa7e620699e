"""What the hub asks of Telegram, and what it makes of the answers."""

import json
import logging
import socket
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from hub_lambdas.channels import client
from hub_lambdas.channels.base import (
    Account,
    ChannelError,
    ContactMoved,
    CredentialRejected,
    InboundMessage,
    Media,
    MediaRefused,
    Sender,
    SendRefused,
    SendRejected,
    SendUnknown,
)
from hub_lambdas.channels.telegram import Telegram
from hub_lambdas.channels.telegram.connecting import ALLOWED_UPDATES
from hub_lambdas.http import Request
from tests.channels.conftest import CHAT, SECRET, TOKEN
from tests.fakes.platform import Fault
from tests.fakes.telegram import ApiError, FakeTelegram

KIND = Telegram()
FOLDER = Path(__file__).parent.parent / "payloads" / "telegram"
WEBHOOK = "http://127.0.0.1:9/telegram/one"


def documented(name: str) -> ApiError:
    body = json.loads((FOLDER / name).read_bytes())
    return ApiError(body["error_code"], body["description"], body.get("parameters"))


def send(bot: Account, text: str = "hello", contact: str = str(CHAT)) -> str:
    return KIND.send(bot, contact, text, "77")


def test_a_text_goes_out_as_it_is(platform: FakeTelegram, bot: Account) -> None:
    text = "*not bold* <b>nor this</b> _x_ [a](b) 😀"
    platform_id = send(bot, text)
    (sent,) = platform.sent
    assert (sent["contact"], sent["text"], sent["id"]) == (str(CHAT), text, platform_id)
    assert "parse_mode" not in platform.calls[-1].parameters


def test_choices_are_buttons_and_come_back(platform: FakeTelegram, bot: Account) -> None:
    choices = ["Prices", "営業時間について教えてくださいませんか", "🦷" * 10]
    KIND.send(bot, str(CHAT), "hello", "77", choices)
    assert platform.sent[0]["choices"] == {choice: choice for choice in choices}
    for choice in choices:
        update = json.dumps(platform.press(TOKEN, CHAT, choice)).encode()
        [pressed] = KIND.parse(Request("POST", "", body=update), bot)
        assert isinstance(pressed, InboundMessage)
        assert (pressed.kind, pressed.text, pressed.sender.platform_id) == ("button", choice, str(CHAT))
        assert pressed.below_platform_id == platform.sent[0]["id"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (documented("_api_error_403_blocked.json"), SendRejected),
        (documented("_api_error_429.json"), SendRefused),
        (documented("_api_error_401.json"), CredentialRejected),
        (documented("_api_error_400_migrated.json"), ContactMoved),
        (ApiError(404, "Not Found"), CredentialRejected),
        (ApiError(400, "Bad Request: chat not found"), SendRejected),
        (ApiError(500, "Internal Server Error: restart"), SendUnknown),
        (ApiError(502, "Bad Gateway"), SendUnknown),
    ],
)
def test_each_refusal_means_what_telegram_means(
    platform: FakeTelegram, bot: Account, error: ApiError, expected: type[ChannelError]
) -> None:
    platform.fail_next("sendMessage", Fault(error))
    with pytest.raises(ChannelError) as raised:
        send(bot)
    assert type(raised.value) is expected


def test_the_time_to_wait_is_telegrams(platform: FakeTelegram, bot: Account) -> None:
    platform.fail_next("sendMessage", Fault(documented("_api_error_429.json")))
    with pytest.raises(SendRefused) as raised:
        send(bot)
    assert raised.value.retry_after_seconds == 14


def test_a_contact_who_blocked_the_bot_is_gone(platform: FakeTelegram, bot: Account) -> None:
    platform.fail_next("sendMessage", Fault(documented("_api_error_403_blocked.json")))
    with pytest.raises(SendRejected) as raised:
        send(bot)
    assert raised.value.contact_gone


def test_a_moved_chat_tells_its_new_id(platform: FakeTelegram, bot: Account) -> None:
    platform.fail_next("sendMessage", Fault(documented("_api_error_400_migrated.json")))
    with pytest.raises(ContactMoved) as raised:
        send(bot)
    assert raised.value.platform_id == "-1001234567890"


@pytest.mark.parametrize(
    "raw", [(502, "<html>Bad Gateway</html>"), (200, "hello"), (403, "<html>proxy</html>"), (301, "")]
)
def test_an_answer_that_is_not_telegrams_proves_nothing(
    platform: FakeTelegram, bot: Account, raw: tuple[int, str]
) -> None:
    platform.fail_next("sendMessage", Fault(raw=raw))
    with pytest.raises(SendUnknown):
        send(bot)


def test_a_connection_that_breaks_after_the_message_was_taken_is_unknown(
    platform: FakeTelegram, bot: Account
) -> None:
    platform.fail_next("sendMessage", Fault(after=True))
    with pytest.raises(SendUnknown):
        send(bot)
    assert len(platform.sent) == 1


def test_silence_after_the_message_was_taken_is_unknown(
    platform: FakeTelegram, bot: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub_lambdas.channels.telegram.sending.COURTESY_TIMEOUT_SECONDS", 0.1)
    platform.fail_next("sendChatAction", Fault(silence_seconds=5, after=True))
    with pytest.raises(SendUnknown):
        KIND.show_typing(bot, str(CHAT), "")


def test_where_nothing_listens_nothing_was_sent(bot: Account, settings: Settings) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings.TELEGRAM_API_URL = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(SendRefused):
        send(bot)


def test_a_name_that_nobody_knows_means_nothing_was_sent(bot: Account, settings: Settings) -> None:
    settings.TELEGRAM_API_URL = "http://no-such-host.invalid"
    with pytest.raises(SendRefused):
        send(bot)


def test_an_idle_connection_is_not_used_again(
    platform: FakeTelegram, bot: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A platform closes idle connections; a request on one would have an unknown fate."""
    send(bot)
    now = time.time()
    cleared = []
    monkeypatch.setattr(client.CLIENT._pool, "clear", lambda: cleared.append(True))
    monkeypatch.setattr(time, "time", lambda: now + client.IDLE_SECONDS - 1)
    send(bot)
    assert not cleared
    monkeypatch.setattr(time, "time", lambda: now + 3 * client.IDLE_SECONDS)
    send(bot)
    assert cleared


@pytest.mark.parametrize("token", [None, "", "two words", "4242:x/../getMe", "4242:x?y", "ключ", 17])
def test_what_is_no_token_is_not_tried(platform: FakeTelegram, token: Any) -> None:
    with pytest.raises(CredentialRejected):
        send(Account(uuid.UUID(int=1), {"bot_token": token}))
    assert not platform.calls


@pytest.mark.parametrize(
    "fault",
    [
        Fault(),
        Fault(raw=(200, "hello")),
        Fault(raw=(301, "")),
        Fault(ApiError(401, "Unauthorized")),
        Fault(ApiError(400, "Bad Request: x")),
    ],
)
def test_the_token_is_in_no_error_and_no_log(
    platform: FakeTelegram, bot: Account, caplog: pytest.LogCaptureFixture, fault: Fault
) -> None:
    caplog.set_level(logging.DEBUG)
    platform.fail_next("sendMessage", fault)
    with pytest.raises(ChannelError) as raised:
        send(bot)
    logging.getLogger("test").exception("failed", exc_info=raised.value)
    assert "failed" in caplog.text
    assert TOKEN not in caplog.text
    assert TOKEN not in str(raised.value) + repr(raised.value)
    assert TOKEN not in repr(bot)


def test_the_token_is_not_in_the_log_of_an_unreachable_server(
    bot: Account, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    settings.TELEGRAM_API_URL = "http://127.0.0.1:9"
    with pytest.raises(ChannelError) as raised:
        send(bot)
    logging.getLogger("test").exception("failed", exc_info=raised.value)
    assert TOKEN not in caplog.text


def test_typing_is_shown(platform: FakeTelegram, bot: Account) -> None:
    KIND.show_typing(bot, str(CHAT), "")
    assert platform.calls[-1].operation == "sendChatAction"
    assert platform.calls[-1].parameters["action"] == "typing"


def test_a_pressed_button_stops_waiting(platform: FakeTelegram, bot: Account) -> None:
    KIND.after_storing(bot, InboundMessage(Sender("5"), "callback:q1", "button", "yes", None, ""))
    assert platform.calls[-1].operation == "answerCallbackQuery"
    assert platform.calls[-1].parameters == {"callback_query_id": "q1"}


def test_a_text_needs_no_courtesy(platform: FakeTelegram, bot: Account) -> None:
    KIND.after_storing(bot, InboundMessage(Sender("5"), "5:3", "text", "callback:", None, ""))
    assert not platform.calls


@pytest.mark.parametrize("text", ["x" * 9000, "😀" * 5000, "word " * 3000])
def test_telegram_takes_every_piece(platform: FakeTelegram, bot: Account, text: str) -> None:
    pieces = KIND.split(text)
    for piece in pieces:
        send(bot, piece)
    assert "".join(sent["text"] for sent in platform.sent) == text


# --- setup and health ---------------------------------------------------------------------------------------


def test_registration_needs_nothing_but_the_token(platform: FakeTelegram, bot: Account) -> None:
    health = KIND.register(bot, WEBHOOK)
    assert (health.account, list(health.problems)) == ("@clinic_bot", [])
    assert platform.bots[TOKEN].webhook == {
        "url": WEBHOOK,
        "secret_token": SECRET,
        "allowed_updates": list(ALLOWED_UPDATES),
        "max_connections": 40,
    }


def test_the_hubs_own_secret_is_one_that_telegram_takes(platform: FakeTelegram) -> None:
    first, second = KIND.new_secrets(), KIND.new_secrets()
    assert first != second
    KIND.register(Account(uuid.UUID(int=1), {"bot_token": TOKEN, **first}), WEBHOOK)


def test_a_bot_that_leaves_delivers_nothing_and_one_that_delivers_elsewhere_is_let_be(
    platform: FakeTelegram, bot: Account
) -> None:
    KIND.register(bot, WEBHOOK)
    KIND.unregister(bot, "https://hub.example/telegram/another")
    assert platform.bots[TOKEN].webhook["url"] == WEBHOOK
    KIND.unregister(bot, WEBHOOK)
    assert platform.bots[TOKEN].webhook["url"] == ""


def test_a_wrong_token_cannot_be_registered(platform: FakeTelegram) -> None:
    with pytest.raises(CredentialRejected):
        KIND.register(Account(uuid.UUID(int=1), {"bot_token": "1:wrong", "webhook_secret": SECRET}), WEBHOOK)


def test_an_address_that_telegram_refuses_is_said(platform: FakeTelegram, bot: Account) -> None:
    with pytest.raises(SendRejected, match="HTTPS"):
        KIND.register(bot, "http://hub.example/telegram/one")


def test_a_healthy_channel_has_no_problems(platform: FakeTelegram, bot: Account) -> None:
    platform.lanes.drop(platform.bots[TOKEN].id)
    KIND.register(bot, WEBHOOK)
    assert list(KIND.check(bot, WEBHOOK).problems) == []


def check_with(platform: FakeTelegram, bot: Account, **info: Any) -> str:
    documented_info = json.loads((FOLDER / "_getWebhookInfo_failing.json").read_bytes())["result"]
    body = json.dumps({"ok": True, "result": {**documented_info, "url": WEBHOOK, **info}})
    platform.fail_next("getWebhookInfo", Fault(raw=(200, body)))
    return " ".join(KIND.check(bot, WEBHOOK).problems)


def test_problems_are_told_in_plain_words(platform: FakeTelegram, bot: Account) -> None:
    assert "16 messages wait" in check_with(platform, bot)
    assert "500 Internal Server Error" not in check_with(platform, bot), "that was in 2020"
    assert "500 Internal Server Error" in check_with(platform, bot, last_error_date=int(time.time()) - 60)
    assert "another address" in check_with(platform, bot, url="https://elsewhere.example/hook")
    assert "register" in check_with(platform, bot, url="")
    assert "message_reaction" in check_with(platform, bot, allowed_updates=["message"])
    assert "callback_query" not in check_with(platform, bot, allowed_updates=list(ALLOWED_UPDATES))


def test_a_file_comes_by_the_path_that_telegram_names(platform: FakeTelegram, bot: Account) -> None:
    media = Media(platform.add_file(b"a voice"), "audio/ogg")
    assert KIND.fetch_media(bot, media, 100).content == b"a voice"
    with pytest.raises(MediaRefused, match="larger"):
        KIND.fetch_media(bot, media, 3)


def test_a_file_that_telegram_does_not_give_out(platform: FakeTelegram, bot: Account) -> None:
    with pytest.raises(MediaRefused, match="20 MB"):
        KIND.fetch_media(bot, Media("AgAC", size_bytes=20 * 1024 * 1024 + 1), 10**9)
    with pytest.raises(SendRejected, match="wrong file_id") as raised:
        KIND.fetch_media(bot, Media("AgAC"), 100)
    assert TOKEN not in str(raised.value)
