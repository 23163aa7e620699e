"""What the hub makes of each update that Telegram delivers."""

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import telegram
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_lambdas.channels.base import (
    Account,
    InboundEdit,
    InboundMessage,
    Media,
    OtherEvent,
    Sender,
    SignatureError,
)
from hub_lambdas.channels.telegram import Telegram
from hub_lambdas.http import Request
from tests.channels.conftest import SECRET

FOLDER = Path(__file__).parent.parent / "payloads" / "telegram"
UPDATES = sorted(path.name for path in FOLDER.glob("[!_]*.json"))
KIND = Telegram()
ACCOUNT = Account(uuid.UUID(int=1), {"webhook_secret": SECRET})

TESTER = Sender("7527593", "Test User", "en")
NAMELESS_LANGUAGE = Sender("7527593", "Test User", "")
AT = datetime(2025, 12, 31, 23, 50, tzinfo=UTC)
"""The date of the constructed payloads."""


def post(content: Any, **headers: str) -> Request:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Request("POST", "/telegram/x", headers=headers, body=body)


def read(content: Any) -> Any:
    (inbound,) = KIND.parse(post(content), ACCOUNT)
    return inbound


def message(
    sender: Sender,
    id_: str,
    kind: str,
    text: str = "",
    at: datetime | None = AT,
    file: Media | None = None,
    below: str = "",
) -> InboundMessage:
    return InboundMessage(sender, id_, kind, text, at, "", (file,) if file else (), below)


EXPECTED: dict[str, InboundMessage | InboundEdit | OtherEvent] = {
    "button_callback_query.json": message(
        TESTER, "callback:4382bfdwdsb323b2d9", "button", "confirm:yes", None, below="7527593:141"
    ),
    "contact_shared.json": message(TESTER, "7527593:140", "contact"),
    "edit.json": InboundEdit(TESTER, "update:2008", "7527593:140", "how are you?", ""),
    "location.json": message(TESTER, "7527593:140", "location"),
    "media_photo.json": message(
        Sender("100000001", "Test User", "en"),
        "100000001:17",
        "photo",
        "",
        datetime.fromtimestamp(1753164384, UTC),
        Media(
            "AgACAgUAAxkBAAMRaH8qXw-VQSGAG4X4VoCg9A5nE50AAvLGMRtBGPlXGt4-FX4l2_oBAAMCAAN5AAM2BA",
            size_bytes=173215,
        ),
    ),
    "media_voice.json": message(
        TESTER, "7527593:140", "voice", file=Media("AwAC", "audio/ogg", size_bytes=9120)
    ),
    "reaction.json": OtherEvent("update:2009", "reaction", "", TESTER),
    "reaction_removed.json": OtherEvent("update:2010", "reaction_removed", "", TESTER),
    "start_deeplink.json": message(TESTER, "7527593:140", "text", "/start ref_abc"),
    "sticker.json": message(TESTER, "7527593:140", "sticker", file=Media("CAAC")),
    "text.json": message(
        NAMELESS_LANGUAGE, "7527593:134", "text", "how are you", datetime.fromtimestamp(1767224901, UTC)
    ),
    "text_with_mention_entity.json": message(
        NAMELESS_LANGUAGE,
        "7527593:133",
        "text",
        "@vercelchatsdkbot hi",
        datetime.fromtimestamp(1767224888, UTC),
    ),
    "user_blocked_bot_my_chat_member.json": OtherEvent(
        "update:2013", "bot_blocked", "", TESTER, reachable=False
    ),
}


def test_every_payload_is_in_the_table() -> None:
    assert sorted(EXPECTED) == UPDATES


@pytest.mark.parametrize("name", UPDATES)
def test_payload(name: str) -> None:
    body = (FOLDER / name).read_bytes()
    inbound = read(body)
    assert inbound.payload == body.decode()
    assert inbound == replace(EXPECTED[name], payload=inbound.payload)


@pytest.mark.parametrize("name", UPDATES)
def test_another_reader_of_telegram_reads_the_same(name: str) -> None:
    """python-telegram-bot as the oracle: the payloads are updates, and we found in them what it finds."""
    content = json.loads((FOLDER / name).read_bytes())
    update = telegram.Update.de_json(content, None)
    assert update is not None
    inbound = read(content)
    assert update.effective_user is not None
    assert inbound.sender.platform_id == str(update.effective_user.id)
    assert inbound.sender.name == update.effective_user.full_name
    if update.message:
        assert inbound.text == (update.message.text or update.message.caption or "")
        assert inbound.platform_at == update.message.date
        assert inbound.platform_id == f"{update.message.chat_id}:{update.message.message_id}"


def private(**content: Any) -> dict[str, Any]:
    """An update with a message in a private chat."""
    user = {"id": 5, "is_bot": False, "first_name": "Ann"}
    chat = {"id": 5, "type": "private", "first_name": "Ann"}
    return {
        "update_id": 9,
        "message": {"message_id": 3, "from": user, "chat": chat, "date": 1767225000, **content},
    }


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ({"video": {}, "caption": "look"}, "video"),
        ({"video_note": {}}, "video_note"),
        ({"audio": {}, "caption": "look"}, "audio"),
        ({"animation": {}, "document": {}, "caption": "look"}, "animation"),
        ({"document": {}, "caption": "look"}, "document"),
        ({"venue": {}, "location": {}}, "venue"),
        ({"poll": {}}, "poll"),
        ({"dice": {}}, "dice"),
        ({"story": {}}, "story"),
        ({"hologram": {}, "caption": "look"}, "unknown"),
        ({}, "unknown"),
        ({"text": 7}, "unknown"),
    ],
)
def test_what_is_no_text_goes_to_staff_with_its_caption(content: dict[str, Any], kind: str) -> None:
    inbound = read(private(**content))
    assert isinstance(inbound, InboundMessage)
    assert (inbound.kind, inbound.text) == (kind, content.get("caption", ""))


@pytest.mark.parametrize(
    ("content", "file"),
    [
        ({"document": {"file_id": "a", "file_name": "a\nb\ud800.pdf"}}, Media("a", name="ab.pdf")),
        ({"animation": {"file_id": "a"}, "document": {"file_id": "b"}}, Media("a")),
        ({"photo": [{"file_id": "a", "width": 9}, {"file_id": "b", "width": "9"}, 7]}, Media("a")),
        ({"photo": []}, None),
        ({"video_note": {"file_id": "../a"}}, None),
        ({"voice": {"file_size": 7}}, None),
        ({"location": {"file_id": "a"}}, None),
    ],
)
def test_the_file_of_a_message(content: dict[str, Any], file: Media | None) -> None:
    assert read(private(**content)).media == ((file,) if file else ())


@pytest.mark.parametrize(
    "text", ["x" * 4096, "😀👩‍👩‍👧", "a\x00b", "مرحبا بالعالم", "{{ 7 * 7 }}<b>&amp;</b>", "\ud800", "   "]
)
def test_text_arrives_as_it_was_written(text: str) -> None:
    assert read(private(text=text)).text == text


@pytest.mark.parametrize("date", [0, -1, 10**18, 10**400, "yesterday", None, 1.5, True])
def test_an_absurd_date_is_none(date: Any) -> None:
    assert read(private(text="hi", date=date)).platform_at is None


def test_a_message_delivered_again_has_the_same_id() -> None:
    first, again = private(text="hi"), private(text="hi") | {"update_id": 10}
    assert read(first).platform_id == read(again).platform_id == "5:3"


def test_messages_of_two_chats_with_the_same_number_differ() -> None:
    other = private(text="hi", chat={"id": 6, "type": "private"})
    assert read(private(text="hi")).platform_id != read(other).platform_id


@pytest.mark.parametrize(
    ("shown", "below"),
    [
        ({"message": {"chat": {"id": 5, "type": "private"}, "message_id": 3, "date": 0}}, "5:3"),
        ({"inline_message_id": "abc"}, ""),
        ({"message": 17}, ""),
        ({}, ""),
    ],
    ids=["inaccessible", "inline", "nonsense", "none"],
)
def test_a_button_counts_whatever_became_of_its_message(shown: dict[str, Any], below: str) -> None:
    query = {"id": "q1", "from": {"id": 5, "first_name": "Ann"}, "data": "yes", **shown}
    inbound = read({"update_id": 1, "callback_query": query})
    assert inbound == replace(
        message(Sender("5", "Ann"), "callback:q1", "button", "yes", None, below=below),
        payload=inbound.payload,
    )


@pytest.mark.parametrize(
    ("update", "kind"),
    [
        (private(text="hi", chat={"id": -7, "type": "group"}), "group_message"),
        (private(text="hi", chat={"id": -7, "type": "supergroup"}), "group_message"),
        (private(text="hi", chat=None), "unreadable_message"),
        (private(text="hi", message_id="three"), "unreadable_message"),
        (private(text="hi", message_id=True), "unreadable_message"),
        (private(text="hi", **{"from": {"id": 8, "is_bot": True}}), "bot_message"),
        (private(pinned_message={}), "pinned_message"),
        ({"update_id": 1, "edited_message": {"chat": {"id": -7, "type": "group"}}}, "edited_group_message"),
        ({"update_id": 1, "channel_post": {"text": "news"}}, "channel_post"),
        ({"update_id": 1, "edited_channel_post": {"text": "news"}}, "edited_channel_post"),
        ({"update_id": 1, "business_message": {"text": "hi"}}, "business_message"),
        (
            {
                "update_id": 1,
                "callback_query": {"id": "q", "from": {"id": 5}, "message": {"chat": {"type": "group"}}},
            },
            "group_button",
        ),
        ({"update_id": 1, "callback_query": None}, "unreadable_button"),
        ({"update_id": 1, "my_chat_member": {"chat": {"id": -7, "type": "group"}}}, "group_membership"),
        ({"update_id": 1, "telepathy": {"thought": "hi"}}, "telepathy"),
        ({"update_id": 1, "Strange Key!": {}}, "unknown"),
        ({"update_id": 1}, "unknown"),
        ({}, "unknown"),
        ([], "unknown"),
        ([private(text="hi")], "unknown"),
        ("hi", "unknown"),
        (None, "unknown"),
        (10**400, "unknown"),
    ],
)
def test_anything_else_is_stored_under_a_name_that_says_what_it_is(update: Any, kind: str) -> None:
    inbound = read(update)
    assert isinstance(inbound, OtherEvent)
    assert inbound.kind == kind


@pytest.mark.parametrize(("status", "reachable"), [("kicked", False), ("member", True), ("restricted", None)])
def test_blocking_and_coming_back(status: str, reachable: bool | None) -> None:
    change = {"chat": {"id": 5, "type": "private"}, "from": {"id": 5}, "new_chat_member": {"status": status}}
    inbound = read({"update_id": 1, "my_chat_member": change})
    assert (inbound.sender.platform_id, inbound.reachable) == ("5", reachable)


def test_an_update_without_a_usable_id_is_known_by_its_content() -> None:
    first, again, other = read({"poll": {}}), read({"poll": {}}), read({"update_id": "x", "poll": {}})
    assert first.platform_id == again.platform_id != other.platform_id


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
REAL = [json.loads((FOLDER / name).read_bytes()) for name in UPDATES]


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A real update, with some values somewhere replaced or taken out."""
    update = json.loads(json.dumps(draw(st.sampled_from(REAL))))
    for _ in range(draw(st.integers(1, 3))):
        place: Any = update
        while isinstance(place, dict) and place:
            key = draw(st.sampled_from(sorted(place)))
            if not isinstance(place[key], dict) or not place[key] or draw(st.booleans()):
                if draw(st.booleans()):
                    del place[key]
                else:
                    place[key] = draw(ANY_JSON)
                break
            place = place[key]
    return update


@settings(max_examples=300)
@given(mutated() | ANY_JSON)
def test_no_json_makes_it_stumble(content: Any) -> None:
    for inbound in KIND.parse(post(content), ACCOUNT):
        assert 0 < len(inbound.platform_id) <= 200
        assert inbound.platform_id.isascii()
        assert inbound.platform_id.isprintable()
        if inbound.sender:
            assert len(inbound.sender.platform_id) <= 200
            assert len(inbound.sender.language) <= 35
        if not isinstance(inbound, InboundEdit):
            assert 0 < len(inbound.kind) <= 40
        if isinstance(inbound, InboundMessage):
            assert len(inbound.kind) <= 20


# --- who may deliver ----------------------------------------------------------------------------------------


def test_the_secret_opens() -> None:
    KIND.verify(post({}, **{"x-telegram-bot-api-secret-token": SECRET}), ACCOUNT)


@pytest.mark.parametrize("given_secret", ["", "wrong", SECRET + "x", SECRET.upper(), "sécret", "\ud800"])
def test_another_secret_does_not(given_secret: str) -> None:
    with pytest.raises(SignatureError):
        KIND.verify(post({}, **{"x-telegram-bot-api-secret-token": given_secret}), ACCOUNT)


def test_a_missing_header_does_not() -> None:
    with pytest.raises(SignatureError):
        KIND.verify(post({}), ACCOUNT)


@pytest.mark.parametrize("stored", [{}, {"webhook_secret": ""}, {"webhook_secret": None}])
def test_without_a_stored_secret_nothing_opens(stored: dict[str, Any]) -> None:
    account = Account(uuid.UUID(int=1), stored)
    for given_secret in ("", "None"):
        with pytest.raises(SignatureError):
            KIND.verify(post({}, **{"x-telegram-bot-api-secret-token": given_secret}), account)


def test_the_acknowledgement_is_empty() -> None:
    response = KIND.acknowledge(post({}), ACCOUNT)
    assert (response.status, response.body) == (200, "")
