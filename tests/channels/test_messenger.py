"""What the hub makes of each webhook of a page."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from pytest_django import Settings

from hub_lambdas.channels.base import (
    SHARED,
    Account,
    Echo,
    Inbound,
    InboundEdit,
    InboundMessage,
    InboundUnsend,
    Media,
    OtherEvent,
    Reached,
    Receipt,
    Sender,
    SignatureError,
    Unread,
)
from hub_lambdas.channels.messenger import Messenger
from hub_lambdas.contact_view import LedgerView
from hub_lambdas.http import Request
from tests.channels.messaging import ANY_JSON, APP_ID, APP_SECRET, mutated, post

FOLDER = Path(__file__).parent.parent / "payloads" / "messenger"
PAYLOADS = sorted(path.name for path in FOLDER.glob("*.json"))
KIND = Messenger()
ACCOUNT = Account(uuid.UUID(int=1), {"verify_token": "v1"})
PAGE = "100000000000001"
CONTACT = Sender("200000000000001")


@pytest.fixture(autouse=True)
def app(settings: Settings) -> None:
    settings.META_APP_ID, settings.META_APP_SECRET = APP_ID, APP_SECRET


def at(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds // 1000, UTC) + timedelta(milliseconds=milliseconds % 1000)


def message(
    id_: str, kind: str, text: str = "", milliseconds: int = 1772998104000, file: str = ""
) -> InboundMessage:
    media = (Media(file),) if file else ()
    return InboundMessage(CONTACT, id_, kind, text, at(milliseconds), "", media, address=PAGE)


def other(kind: str, sender: Sender | None = CONTACT) -> OtherEvent:
    return OtherEvent("", kind, "", sender, address=PAGE)


EXPECTED: dict[str, Inbound] = {
    "delivery.json": Receipt("", "m_SENT_MSG_001", "", sender=CONTACT, address=PAGE),
    "echo.json": Echo(CONTACT, "m_ECHO_MSG_001", "Bot response", None, "", address=PAGE),
    "feed_change_not_messaging.json": other("feed", None),
    "media_file.json": message("m_file", "file", file="https://cdn.fbsbx.com/v/file?oh=x"),
    "media_image.json": message("m_FAKE_IMG_001", "image", file="https://example.com/image.jpg"),
    "media_video.json": message("m_video", "video", file="https://cdn.fbsbx.com/v/video?oh=x"),
    "message_edit.json": InboundEdit(
        CONTACT, "", "m_FAKE_MSG_ID_001", "Texto editado por el usuario", "", address=PAGE
    ),
    "postback.json": message("", "button", "Say Hello", 1772998084000),
    "postback_get_started.json": message("", "button", "Get Started", 1772998094000),
    "reaction.json": other("reaction"),
    "reaction_removed.json": other("reaction_removed"),
    "read.json": Receipt(
        "", "", "", sender=CONTACT, reached=Reached.READ, until=at(1772998044000), address=PAGE
    ),
    "standby.json": other("standby"),
    "sticker_like_legacy.json": message("m_like", "sticker", file="https://scontent.xx.fbcdn.net/like.png"),
    "text.json": message("m_FAKE_MSG_ID_001", "text", "What is Vercel?", 1772998024000),
}


def read_all(content: Any, account: Account = ACCOUNT) -> Sequence[Any]:
    return KIND.parse(post(content), account)


def event(**content: Any) -> dict[str, Any]:
    """A webhook with one event in it."""
    item = {
        "sender": {"id": "7"},
        "recipient": {"id": PAGE},
        "timestamp": 1772998024123,
        **content,
    }
    return {"object": "page", "entry": [{"id": PAGE, "time": 1772998024123, "messaging": [item]}]}


def read(content: Any, account: Account = ACCOUNT) -> Any:
    (inbound,) = read_all(content, account)
    return inbound


def echo(**message: Any) -> Any:
    sides = {"sender": {"id": PAGE}, "recipient": {"id": "7"}}
    return read(event(message={"mid": "m1", "is_echo": True, **message}, **sides))


def test_every_payload_is_in_the_table() -> None:
    assert sorted(EXPECTED) == PAYLOADS


@pytest.mark.parametrize("name", PAYLOADS)
def test_payload(name: str) -> None:
    content = json.loads((FOLDER / name).read_bytes())
    inbound, expected = read(content), EXPECTED[name]
    assert json.loads(inbound.payload) in [
        item
        for entry in content["entry"]
        for items in entry.values()
        if isinstance(items, list)
        for item in items
    ]
    made = {"payload": inbound.payload, "platform_id": expected.platform_id or inbound.platform_id}
    assert inbound == replace(expected, **made)


def test_every_item_of_a_batch_is_read_for_its_own_page() -> None:
    first, second = event(message={"mid": "a", "text": "one"}), event(message={"mid": "c", "text": "three"})
    first["entry"][0]["messaging"].append({**first["entry"][0]["messaging"][0], "message": {"mid": "b"}})
    second["entry"][0]["id"] = "200"
    batch = {"object": "page", "entry": first["entry"] + second["entry"]}
    found = read_all(batch)
    assert [(each.address, each.platform_id) for each in found] == [(PAGE, "a"), (PAGE, "b"), ("200", "c")]


def test_one_bad_item_keeps_nobody_from_being_read() -> None:
    batch = event(message={"mid": "a", "text": "one"})
    batch["entry"][0]["messaging"][:0] = [None, 17, "x", [], {}, {"message": []}, {"sender": 5, "read": 7}]
    batch["entry"][:0] = [None, 17, {"messaging": 7}, {}]
    found = read_all(batch)
    assert [each.text for each in found if isinstance(each, InboundMessage)] == ["one"]
    assert len(found) == 12


def test_what_cannot_be_read_is_kept_in_a_webhook_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(message: Any) -> str:
        raise RuntimeError("a shape that nobody knows")

    batch = event(message={"mid": "a", "text": "one"})
    batch["entry"][0]["messaging"].append({"sender": {"id": "7"}, "read": {"watermark": 1772998024123}})
    with monkeypatch.context() as patch:
        patch.setattr("hub_lambdas.channels.messaging._content", stumble)
        unread, receipt = read_all(batch)
    assert isinstance(unread, Unread)
    assert isinstance(receipt, Receipt)
    assert unread.address == PAGE
    (again,) = KIND.parse(Request("POST", "", body=unread.payload.encode()), ACCOUNT)
    assert isinstance(again, InboundMessage)
    assert (again.text, again.address) == ("one", PAGE)


# --- messages -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "kind", "text"),
    [
        ({"attachments": [{"type": "audio"}]}, "audio", ""),
        ({"attachments": [{"type": "sticker", "payload": {"sticker_id": 1}}]}, "sticker", ""),
        ({"attachments": [{"type": "location"}]}, "location", ""),
        ({"attachments": [{"type": "fallback"}]}, "fallback", ""),
        ({"attachments": [{"type": "fallback"}], "text": "see https://a.example"}, "text", None),
        ({"attachments": [{"type": "image"}, {"type": "video"}], "text": "look"}, "image", "look"),
        ({"attachments": [{"type": "text"}]}, "unknown", ""),
        ({"attachments": [{"type": "button"}]}, "unknown", ""),
        ({"attachments": [{"type": "A strange new thing"}]}, "unknown", ""),
        ({"attachments": ["image"]}, "unknown", ""),
        ({"attachments": []}, "unknown", ""),
        ({}, "unknown", ""),
        ({"text": 7}, "unknown", ""),
        ({"text": "Yes", "quick_reply": {"payload": "y"}}, "button", "Yes"),
        ({"quick_reply": {"payload": "y"}}, "button", "y"),
        ({"text": "hi", "reply_to": {"mid": "m0"}}, "text", "hi"),
        ({"text": "hi", "referral": {"source": "ADS"}}, "text", "hi"),
    ],
)
def test_messages_by_what_is_in_them(content: dict[str, Any], kind: str, text: str | None) -> None:
    inbound = read(event(message={"mid": "m1", **content}))
    assert (inbound.kind, inbound.text) == (kind, content["text"] if text is None else text)


@pytest.mark.parametrize(
    ("content", "files"),
    [
        ({"attachments": [{"type": "image", "payload": {"url": "https://a.example/1"}}] * 40}, 30),
        ({"attachments": [{"type": "image", "payload": {"url": "ftp://a.example/1"}}, {"type": "image"}]}, 0),
        ({"attachments": [{"type": "fallback", "payload": {"url": "https://a.example"}}], "text": "see"}, 0),
        ({"attachments": [{"type": "image", "payload": {"url": f"https://a.example/{'x' * 2001}"}}]}, 0),
        ({"attachments": [7, None, {"payload": {"url": 7}}]}, 0),
        ({"attachments": {"url": "https://a.example/1"}}, 0),
    ],
)
def test_files_by_their_addresses(content: dict[str, Any], files: int) -> None:
    assert len(read(event(message={"mid": "m1", **content})).media) == files


@pytest.mark.parametrize(
    "text", ["x" * 2000, "😀👩‍👩‍👧", "a\x00b", "مرحبا", "{{ 7 * 7 }}<b>&amp;</b>", "\ud800", "   "]
)
def test_text_arrives_as_it_was_written(text: str) -> None:
    assert read(event(message={"mid": "m1", "text": text})).text == text


@pytest.mark.parametrize("timestamp", [0, -1, 10**18, 10**400, "1527459824", "2021-09-08", None, 1.5, True])
def test_an_absurd_time_is_none(timestamp: Any) -> None:
    assert read(event(message={"mid": "m1", "text": "x"}, timestamp=timestamp)).platform_at is None


def test_the_time_is_exact_to_the_millisecond() -> None:
    assert read(event(message={"mid": "m1", "text": "x"})).platform_at == at(1772998024123)


def test_a_pressed_button_without_an_id_is_the_same_when_it_comes_again() -> None:
    pressed = {"title": "Prices", "payload": "PRICES"}
    first, again = read(event(postback=pressed)), read(event(postback=pressed))
    assert (first.kind, first.text, first.platform_id) == ("button", "Prices", again.platform_id)
    others = [
        event(postback=pressed, timestamp=1),
        event(postback=pressed, sender={"id": "8"}),
        event(postback={**pressed, "payload": "OTHER"}),
    ]
    assert len({first.platform_id, *(read(each).platform_id for each in others)}) == 4


def test_a_pressed_button_with_an_id_goes_by_it() -> None:
    assert read(event(postback={"mid": "m9", "payload": "PRICES"})).platform_id == "m9"
    assert read(event(postback={"mid": "m9", "payload": "PRICES"})).text == "PRICES"


def test_an_id_that_is_too_long_leads_back_to_the_message() -> None:
    mid = "m" * 300
    written, edited, receipt = (
        read(event(**each))
        for each in (
            {"message": {"mid": mid, "text": "x"}},
            {"message_edit": {"mid": mid, "text": "y"}},
            {"read": {"mid": mid}},
        )
    )
    assert len(written.platform_id) <= 200
    assert written.platform_id == edited.message_platform_id == receipt.message_platform_id


def test_an_unsent_message() -> None:
    inbound = read(event(message={"mid": "m1", "is_deleted": True}))
    assert isinstance(inbound, InboundUnsend)
    assert (inbound.message_platform_id, inbound.sender) == ("m1", Sender("7"))


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ({"message": 17}, "unreadable_message"),
        ({"message": {"mid": "m1", "text": "x"}, "sender": {}}, "unreadable_message"),
        ({"message": {"is_deleted": True}}, "unreadable_unsend"),
        ({"message": {"mid": "m1", "text": "note"}, "sender": {"id": PAGE}}, "message_to_self"),
        ({"message_edit": {"text": "x"}}, "unreadable_edit"),
        ({"message_edit": {"mid": "m1"}}, "unreadable_edit"),
        ({"read": {}}, "unreadable_read"),
        ({"delivery": {"mids": []}}, "unreadable_delivered"),
        ({"postback": {}, "sender": None}, "unreadable_postback"),
        ({"referral": {"source": "SHORTLINK"}}, "referral"),
        ({"optin": {}}, "optin"),
        ({"policy_enforcement": {"action": "block"}}, "policy_enforcement"),
        ({"Strange Key!": 1}, "unknown"),
    ],
)
def test_anything_else_is_stored_under_a_name_that_says_what_it_is(
    content: dict[str, Any], kind: str
) -> None:
    inbound = read(event(**content))
    assert isinstance(inbound, OtherEvent)
    assert inbound.kind == kind


@pytest.mark.parametrize("body", [[], {}, None, "hi", 17, {"object": "page", "entry": []}, {"entry": 5}])
def test_a_webhook_of_nothing_is_kept_too(body: Any) -> None:
    inbound = read(body)
    assert (inbound.kind, inbound.payload) == ("unknown", json.dumps(body))


# --- what comes back of our own -----------------------------------------------------------------------------


def test_an_echo_by_the_hubs_app_is_ours() -> None:
    inbound = echo(text="Hello", app_id=int(APP_ID), metadata="channels-hub:77")
    assert (inbound.is_ours, inbound.reference, inbound.sender, inbound.text) == (
        True,
        "77",
        Sender("7"),
        "Hello",
    )


def test_so_is_one_by_the_organizations_own_app() -> None:
    account = Account(uuid.UUID(int=1), {"app_id": "222"})
    sides = {"sender": {"id": PAGE}, "recipient": {"id": "7"}}
    item = event(message={"mid": "m1", "text": "x", "is_echo": True, "app_id": 222}, **sides)
    assert read(item, account).is_ours
    assert not read(item).is_ours


def test_the_hubs_reference_says_so_too_where_the_app_is_not_known() -> None:
    inbound = echo(text="x", app_id=999, metadata="channels-hub:77")
    assert (inbound.is_ours, inbound.reference) == (True, "77")


def test_an_echo_of_metas_inbox_is_a_persons() -> None:
    assert echo(text="I am Ann", app_id=263902037430900).is_ours is False


@pytest.mark.parametrize(
    "message", [{"app_id": 999}, {"app_id": "x y"}, {}, {"metadata": "77"}, {"metadata": 7}]
)
def test_else_the_platform_does_not_say(message: dict[str, Any]) -> None:
    inbound = echo(text="x", **message)
    assert (inbound.is_ours, inbound.reference) == (None, "")


def test_what_a_person_sends_without_words_is_named() -> None:
    assert echo(attachments=[{"type": "image"}], app_id=263902037430900).text == "[image]"


def test_what_meta_sends_by_itself_is_nobodys_answer() -> None:
    """The post by which a contact came, sent when they press "Send message" under it."""
    inbound = echo(attachments=[{"type": "template"}])
    assert isinstance(inbound, OtherEvent)
    assert inbound.kind == "automatic_message"


def test_a_delivery_names_each_message_once() -> None:
    found = read_all(event(delivery={"mids": ["a", "b", "a", 7], "watermark": 1772998024123}))
    assert [each.message_platform_id for each in found] == ["a", "b"]
    assert {(each.reached, each.until, each.sender) for each in found} == {
        (Reached.DELIVERED, None, Sender("7"))
    }
    assert len({each.platform_id for each in found}) == 2


def test_without_names_a_delivery_counts_up_to_its_watermark() -> None:
    receipt = read(event(delivery={"watermark": 1772998024123}))
    assert (receipt.until, receipt.reached, receipt.sender) == (
        at(1772998024123),
        Reached.DELIVERED,
        Sender("7"),
    )


# --- whatever comes -----------------------------------------------------------------------------------------


def test_one_that_is_nested_to_the_limit_keeps_nobody_from_being_read() -> None:
    """Python reads what is nested a little deeper than what it writes."""
    read_at_depth = {depth: nested(depth) for depth in range(700, 1000, 2)}
    outcomes = {depth: types for depth, types in read_at_depth.items() if types != ["message", "other"]}
    assert set(map(str, outcomes.values())) == {"['kept whole']"}
    assert min(outcomes) > 700


def nested(depth: int) -> list[Any]:
    """What becomes of a webhook in which one event of two is nested so deep. One that Python
    cannot read is kept whole by the webhook."""
    batch = json.dumps(event(message={"mid": "a", "text": "one"}))
    deep = f'{{"sender": {{"id": "7"}}, "hologram": {"[" * depth}{"]" * depth}}}'
    body = batch.replace('"messaging": [', f'"messaging": [{deep}, ')
    try:
        return sorted(each.type for each in read_all(body.encode()))
    except RecursionError:
        return ["kept whole"]


REAL = [json.loads((FOLDER / name).read_bytes()) for name in PAYLOADS]


@examples(max_examples=300)
@given(mutated(REAL) | ANY_JSON)
def test_no_json_makes_it_stumble(content: Any) -> None:
    for inbound in read_all(content):
        assert not isinstance(inbound, Unread)
        assert 0 < len(inbound.platform_id) <= 200
        assert inbound.platform_id.isascii()
        assert inbound.platform_id.isprintable()
        assert inbound.address.isascii()
        assert inbound.address.isprintable()
        assert inbound.payload.isascii() or inbound.kind == "unknown"
        if inbound.sender:
            assert 0 < len(inbound.sender.platform_id) <= 200
        if isinstance(inbound, OtherEvent):
            assert 0 < len(inbound.kind) <= 40
        if isinstance(inbound, InboundMessage):
            assert 0 < len(inbound.kind) <= 20


# --- who may deliver ----------------------------------------------------------------------------------------


def test_a_webhook_signed_by_the_hubs_app_is_taken() -> None:
    KIND.verify(post({"object": "page"}), ACCOUNT)


def test_one_by_the_organizations_own_app_needs_its_secret() -> None:
    own = Account(uuid.UUID(int=1), {"app_secret": "own"})
    KIND.verify(post({}, secret="own"), own)
    with pytest.raises(SignatureError):
        KIND.verify(post({}, secret=APP_SECRET), own)


@pytest.mark.parametrize("header", ["", "sha256=", "sha256=00", "sha1=00", "séx", "\ud800"])
def test_without_a_signature_it_is_not(header: str) -> None:
    with pytest.raises(SignatureError):
        KIND.verify(
            Request("POST", "/messenger", headers={"x-hub-signature-256": header}, body=b"{}"), ACCOUNT
        )


def test_the_signature_is_that_of_the_bytes() -> None:
    signed = post({"a": "é"})
    with pytest.raises(SignatureError):
        KIND.verify(replace(signed, body='{"a": "é"}'.encode()), ACCOUNT)


def test_without_any_secret_nothing_opens(settings: Settings) -> None:
    settings.META_APP_SECRET = ""
    with pytest.raises(SignatureError):
        KIND.verify(post({}, secret=""), ACCOUNT)


def shake(token: str, subpath: str = "", method: str = "GET", account: Account = ACCOUNT) -> tuple[int, str]:
    query = {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "1158201444"}
    request = Request(method, "/messenger", query)
    response = KIND.serve(request, account, subpath, LedgerView(account.channel_id))
    return response.status, response.body


def test_the_handshake_returns_the_challenge_to_who_knows_the_token() -> None:
    assert shake("v1") == (200, "1158201444")
    assert shake("v2") == (403, "")
    assert shake("") == (403, "")
    assert shake("v1", method="OPTIONS") == (403, "")
    assert shake("v1", "deeper") == (404, "")


def test_the_hubs_own_app_shakes_hands_too(settings: Settings) -> None:
    settings.META_VERIFY_TOKEN = "hub-wide"
    account = KIND.shared_account()
    assert account is not None
    assert account.channel_id == SHARED
    assert shake("hub-wide", account=account) == (200, "1158201444")
    settings.META_VERIFY_TOKEN = ""
    assert KIND.shared_account() is None
