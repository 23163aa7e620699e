"""What the hub makes of the webhooks of an Instagram account; what Messenger shares is tested there."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pytest_django import Settings

from hub_lambdas.channels import text as texts
from hub_lambdas.channels.base import (
    Account,
    Echo,
    Inbound,
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
from hub_lambdas.channels.instagram import Instagram
from tests.channels.messaging import ANY_JSON, APP_ID, APP_SECRET, mutated, post

FOLDER = Path(__file__).parent.parent / "payloads" / "instagram"
PAYLOADS = sorted(path.name for path in FOLDER.glob("*.json"))
KIND = Instagram()
ACCOUNT = Account(uuid.UUID(int=1), {"verify_token": "v1"})
OWNER = "17841400000000000"
CONTACT = Sender("200000000000001")


@pytest.fixture(autouse=True)
def app(settings: Settings) -> None:
    settings.META_APP_ID, settings.META_APP_SECRET = APP_ID, APP_SECRET


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def message(
    id_: str, kind: str, text: str = "", seconds: int = 1772998034, files: Sequence[str] = ()
) -> InboundMessage:
    media = tuple(Media(f"https://cdn.example.com/{each}") for each in files)
    return InboundMessage(CONTACT, id_, kind, text, at(seconds), "", media, address=OWNER)


REAL_MID = (
    "aWdfZAG1faXRlbToxOklHTWVzc2FnZAUlEOjE3ODQxNDcwMDI2MTkxMzU4OjM0MDI4MjM2Njg0MTcxMDMwMTI0NDI3NjAxOTc0MzkzNzQyMjYx"
    "MTozMTkwNTU3ODM1NTM4NDM2ODUxNTA3MTI2MDUxOTAzODk3NgZDZD"
)
EXPECTED: dict[str, Inbound] = {
    "dashboard_test_entry_id_0_ts_string.json": InboundMessage(
        Sender("12334"), "random_mid", "text", "random_text", None, "", address="23245"
    ),
    "echo.json": Echo(CONTACT, "mid_ig_echo_001", "Bot response", None, "", address=OWNER),
    "echo_real_mid_shape.json": Echo(
        Sender("430915413000664"), REAL_MID, "test", None, "", address="17841470026191358"
    ),
    "field_value_directly_on_entry_iglogin_comment.json": OtherEvent("", "comments", "", address=OWNER),
    "media_image.json": message("mid.image.1", "image", files=["product.jpg"]),
    "postback.json": message("mid.postback.1", "button", "Track order"),
    "quick_reply.json": message("mid_ig_quick_001", "button", "Yes", 1772998054),
    "reaction.json": OtherEvent("", "reaction", "", CONTACT, address=OWNER),
    "read_seen_with_mid.json": Receipt(
        "", "message-id-1", "", sender=CONTACT, reached=Reached.READ, address=OWNER
    ),
    "standby.json": OtherEvent("", "standby", "", Sender("Sender-id-1"), address="chatwoot-app-user-id-1"),
    "story_mention.json": message("mid.story.mention.1", "story_mention", files=["mention.jpg"]),
    "story_reply.json": message("mid_ig_story_001", "story_reply", "Is this available?", files=["story.jpg"]),
    "text.json": message("mid_ig_text_001", "text", "Do you ship to Córdoba?", 1772998024),
    "unsend.json": InboundUnsend(CONTACT, "", "message-id-to-delete", "", address=OWNER),
    "unsupported.json": message("mid.unsup.1", "unsupported"),
}


def read_all(content: Any) -> Sequence[Any]:
    return KIND.parse(post(content, "/instagram"), ACCOUNT)


def read(content: Any) -> Any:
    (inbound,) = read_all(content)
    return inbound


def test_every_payload_is_in_the_table() -> None:
    assert sorted(EXPECTED) == PAYLOADS


@pytest.mark.parametrize("name", PAYLOADS)
def test_payload(name: str) -> None:
    inbound, expected = read((FOLDER / name).read_bytes()), EXPECTED[name]
    made = {"payload": inbound.payload, "platform_id": expected.platform_id or inbound.platform_id}
    assert inbound == replace(expected, **made)


VALUE = {
    "sender": {"id": "12334"},
    "recipient": {"id": "23245"},
    "timestamp": "1527459824",
    "message": {"mid": "random_mid", "text": "random_text"},
}


@pytest.mark.parametrize(
    "entry",
    [
        {"changes": [{"field": "messages", "value": VALUE}]},
        {"field": "messages", "value": VALUE},
        {"messaging": [VALUE]},
    ],
    ids=["changes", "entry", "messaging"],
)
def test_a_message_is_one_wherever_meta_puts_it(entry: dict[str, Any]) -> None:
    inbound = read({"object": "instagram", "entry": [{"id": "0", "time": 1, **entry}]})
    assert isinstance(inbound, InboundMessage)
    assert (inbound.sender, inbound.address, inbound.text) == (Sender("12334"), "23245", "random_text")


def test_a_field_beside_messages_hides_neither() -> None:
    entry = {"id": "0", "messaging": [VALUE], "field": "comments", "value": {"id": "1"}}
    assert [each.type for each in read_all({"object": "instagram", "entry": [entry]})] == ["message", "other"]


def test_accounts_of_a_batch_are_told_apart() -> None:
    echo = {
        "sender": {"id": "500"},
        "recipient": {"id": "7"},
        "message": {"mid": "e", "text": "x", "is_echo": True, "app_id": 1217981644879628},
    }
    batch = {"object": "instagram", "entry": [{"id": "1", "messaging": [VALUE, echo]}, {"id": "2"}]}
    message, by_hand, nothing = read_all(batch)
    assert (message.address, by_hand.address, nothing.address) == ("23245", "500", "2")
    assert (by_hand.is_ours, by_hand.sender) == (False, Sender("7"))


@pytest.mark.parametrize(
    "kind", ["share", "ig_reel", "reel", "ig_post", "story_mention", "audio", "ephemeral"]
)
def test_what_is_shared_goes_to_staff(kind: str) -> None:
    content = {"mid": "m", "attachments": [{"type": kind, "payload": {"url": "https://cdn.example/x"}}]}
    entry = {"id": OWNER, "messaging": [{**VALUE, "message": content}]}
    assert read({"object": "instagram", "entry": [entry]}).kind == kind


REAL = [json.loads((FOLDER / name).read_bytes()) for name in PAYLOADS]


@examples(max_examples=300)
@given(mutated(REAL) | ANY_JSON)
def test_no_json_makes_it_stumble(content: Any) -> None:
    for inbound in read_all(content):
        assert not isinstance(inbound, Unread)
        assert 0 < len(inbound.platform_id) <= 200
        assert inbound.platform_id.isascii()
        assert inbound.address.isascii()
        assert inbound.address.isprintable()


@pytest.mark.parametrize("secret", [APP_SECRET, "instagram-secret"])
def test_either_of_the_hubs_secrets_signs(settings: Settings, secret: str) -> None:
    settings.META_INSTAGRAM_SECRET = "instagram-secret"
    KIND.verify(post({}, secret=secret), ACCOUNT)


def test_another_secret_does_not(settings: Settings) -> None:
    with pytest.raises(SignatureError):
        KIND.verify(post({}, secret="instagram-secret"), ACCOUNT)
    with pytest.raises(SignatureError):
        KIND.verify(post({}, secret=""), ACCOUNT)


# --- 1000 bytes ---------------------------------------------------------------------------------------------

FAMILY = "👩‍👩‍👧‍👦"
ACCENTED = "e\u0301\u0323"


@pytest.mark.parametrize(
    "text",
    [
        "x" * 2500,
        FAMILY * 200,
        ACCENTED * 900,
        "🇩🇪" * 400,
        "한" * 900,
        "word " * 900,
        "é" * 501,
        "👍🏽" * 300,
    ],
)
def test_a_piece_holds_at_most_1000_bytes_and_no_half_character(text: str) -> None:
    pieces = KIND.split(text)
    assert "".join(pieces) == text
    assert len(pieces) > 1
    end = 0
    for piece in pieces:
        assert len(piece.encode()) <= 1000
        end += len(piece)
        assert texts.is_cut_allowed(text, end)


def test_1000_bytes_are_one_piece() -> None:
    assert KIND.split("é" * 500) == ["é" * 500]


@examples(max_examples=100)
@given(st.text(alphabet=st.sampled_from([*"ab \n.", "é", "한", *FAMILY, "\u0301", "🇩", "🇪"]), max_size=1500))
def test_whatever_is_written(text: str) -> None:
    pieces = KIND.split(text)
    assert "".join(pieces) == text
    assert all(len(piece.encode()) <= 1000 for piece in pieces)
