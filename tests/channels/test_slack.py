"""What the hub makes of what Slack posts."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from hub_lambdas.channels.base import (
    Account,
    Echo,
    Inbound,
    InboundEdit,
    InboundMessage,
    InboundUnsend,
    Media,
    OtherEvent,
    Sender,
)
from hub_lambdas.channels.slack import Slack
from hub_lambdas.http import Request

FOLDER = Path(__file__).parent.parent / "payloads" / "slack"
APP = Account(uuid.UUID(int=1), {"bot_token": "xoxb-1", "signing_secret": "s"})
CONTACT = Sender("D0ACX51K95H")
PERSON, BOT = "U0ADXQT6CRW", "U0ADXR1N57A"


def read(content: Any) -> Inbound:
    """What the hub reads in a webhook: a pressed button comes as a form."""
    text = json.dumps(content)
    is_button = isinstance(content, dict) and content.get("type") == "block_actions"
    body = urlencode({"payload": text}).encode() if is_button else text.encode()
    [inbound] = Slack().parse(Request("POST", "", body=body), APP)
    return inbound


def event(**content: Any) -> dict[str, Any]:
    """A webhook about a direct message."""
    message = {"type": "message", "channel": "D1", "channel_type": "im", "user": "U1", "ts": "1771442483.26"}
    return {"type": "event_callback", "api_app_id": "A1", "event": {**message, **content}}


EXPECTED: Mapping[str, Inbound] = {
    "app_rate_limited.json": OtherEvent("", "app_rate_limited", ""),
    "button_block_actions.json": OtherEvent("", "channel_button", ""),
    "echo_own_bot_message.json": Echo(CONTACT, "D0ACX51K95H:1771442493.0001", "reply", True, ""),
    "file_share.json": InboundMessage(
        CONTACT,
        "D0ACX51K95H:1771442494.0001",
        "image",
        "",
        datetime.fromtimestamp(1771442494, UTC),
        "",
        (Media("https://files.slack.com/files-pri/T-F1/a.png", "image/png", "a.png", 123),),
    ),
    "message_changed_unfurl.json": OtherEvent("", "message_changed", "", CONTACT),
    "message_deleted.json": InboundUnsend(
        CONTACT, "unsend:D0ACX51K95H:1771442483.260129", "D0ACX51K95H:1771442483.260129", ""
    ),
    "reaction.json": OtherEvent("", "reaction", ""),
    "text_im.json": InboundMessage(
        CONTACT,
        "D0ACX51K95H:1771442483.260129",
        "text",
        "hello hello",
        datetime.fromtimestamp(1771442483, UTC),
        "",
    ),
    "url_verification.json": OtherEvent("", "url_verification", ""),
}
"""What each sample is for the hub, without the payload; an event's own id is made of its bytes."""


def test_every_payload_is_in_the_table() -> None:
    assert sorted(EXPECTED) == sorted(path.name for path in FOLDER.glob("*.json"))


@pytest.mark.parametrize("name", EXPECTED)
def test_payload(name: str) -> None:
    found = read(json.loads((FOLDER / name).read_bytes()))
    expected = replace(EXPECTED[name], payload=found.payload)
    if isinstance(found, OtherEvent):
        assert found.platform_id.startswith(f"{found.kind}:sha256:")
        expected = replace(expected, platform_id=found.platform_id)
    assert found == expected


@pytest.mark.parametrize("name", EXPECTED)
def test_what_is_as_good_as_a_credential_is_not_kept(name: str) -> None:
    content = json.loads((FOLDER / name).read_bytes())
    kept = json.loads(read(content).payload)
    assert content.keys() - kept.keys() >= {"token"}
    assert not {"token", "response_url", "trigger_id"} & kept.keys()


@pytest.mark.parametrize(
    ("written", "read_"),
    [
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
        ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
        ("see <https://x.y/a?b=1&amp;c=2>", "see https://x.y/a?b=1&c=2"),
        ("<http://example.com|example.com>", "example.com"),
        ("<https://x.y|our page>", "our page (https://x.y)"),
        ("<mailto:ann@x.y|ann@x.y> <tel:+4917|+49 17>", "ann@x.y +49 17"),
        ("<@U1> in <#C1|general>, <!here>", "@U1 in #general, @here"),
        ("<!date^1392734382^{date}|18 February>", "18 February"),
        ("<<>> <|> < a", "<<>> <|> < a"),
        ("😀\ud800\x00", "😀\ud800\x00"),
    ],
)
def test_text_arrives_as_people_see_it(written: str, read_: str) -> None:
    assert read(event(text=written)).text == read_


@pytest.mark.parametrize(
    ("content", "kind", "text"),
    [
        ({"text": "hi", "thread_ts": "1771442483.1"}, "text", "hi"),
        ({"text": "waves", "subtype": "me_message"}, "text", "waves"),
        ({"text": "look", "files": [{"mimetype": "application/pdf"}]}, "document", "look"),
        ({"text": "", "files": [{"mimetype": "audio/mp4"}, 7]}, "audio", ""),
        ({"text": "", "attachments": [{"is_share": True}]}, "share", ""),
        ({"text": "hi", "subtype": "hologram"}, "hologram", "hi"),
        ({"text": 7}, "unknown", ""),
    ],
)
def test_messages_of_each_kind(content: dict[str, Any], kind: str, text: str) -> None:
    message = read(event(**content))
    assert isinstance(message, InboundMessage)
    assert (message.kind, message.text, message.platform_id) == (kind, text, "D1:1771442483.26")


def test_the_same_message_in_two_events_is_one() -> None:
    one, other = ({**event(text="hi"), "event_id": id_} for id_ in ("Ev1", "Ev2"))
    assert read(one).platform_id == read(other).platform_id


def test_an_edit() -> None:
    changed = {"text": "tomorrow", "ts": "1771442483.26", "user": "U1", "edited": {"ts": "1771442490.1"}}
    edit = read(event(subtype="message_changed", hidden=True, ts="1771442490.1", message=changed))
    assert isinstance(edit, InboundEdit)
    assert (edit.message_platform_id, edit.text) == ("D1:1771442483.26", "tomorrow")


def test_a_deleted_message_that_leaves_a_mark() -> None:
    mark = {"subtype": "tombstone", "ts": "1771442483.26", "text": "This message was deleted."}
    unsend = read(event(subtype="message_changed", ts="1771442490.1", message=mark))
    assert isinstance(unsend, InboundUnsend)
    assert unsend.message_platform_id == "D1:1771442483.26"


@pytest.mark.parametrize(
    ("event_type", "reference"),
    [("channels_hub_77", "77"), ("channels_hub_x", ""), ("of_somebody_else", ""), (None, "")],
)
def test_a_message_of_ours_comes_back_with_its_reference(event_type: str | None, reference: str) -> None:
    metadata = {"event_type": event_type, "event_payload": {}}
    echo = read(event(bot_id="B1", app_id="A1", text="Hi :wave:", metadata=metadata))
    assert isinstance(echo, Echo)
    assert echo.reference == reference


def emoji(name: str, unicode: Any = None, **more: Any) -> dict[str, Any]:
    return {"type": "emoji", "name": name, "unicode": unicode, **more}


@pytest.mark.parametrize(
    ("text", "elements", "shown"),
    [
        ("Hi :wave: at 10:30:wave:", [emoji("wave", "1f44b")], "Hi 👋 at 10:30👋"),
        (":wave::skin-tone-4:!", [emoji("wave", "1f44b-1f3fd", skin_tone=4)], "👋🏽!"),
        (":+1::+1::skin-tone-2:", [emoji("+1", "1f44d"), emoji("+1", "1f44d-1f3fb", skin_tone=2)], "👍👍🏻"),
        (":our-logo: :wave:", [emoji("our-logo"), emoji("wave", "x")], ":our-logo: :wave:"),
        (":wave:", [[None, {"elements": "x"}]], ":wave:"),
    ],
)
def test_emoji_are_what_their_message_says(text: str, elements: list[Any], shown: str) -> None:
    blocks = [{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": elements}]}]
    message = read(event(text=text, blocks=blocks))
    assert isinstance(message, InboundMessage)
    assert message.text == shown


def test_a_pressed_button_is_what_stood_on_it() -> None:
    action = {"action_ts": "1767326130.2", "value": "prices", "text": {"text": "Prices &amp; times"}}
    button = {"type": "block_actions", "channel": {"id": "D1"}, "actions": [action]}
    message = read(button)
    assert isinstance(message, InboundMessage)
    assert (message.kind, message.text, message.sender) == ("button", "Prices & times", Sender("D1"))
    again = {**button, "actions": [{**action, "action_ts": "1767326131.2"}]}
    assert read(again).platform_id != message.platform_id, "it may be pressed twice"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (event(channel="C1", text="hi"), "channel_message"),
        (event(channel=None), "channel_message"),
        (event(ts="yesterday"), "unreadable_message"),
        (event(subtype="message_deleted"), "unreadable_unsend"),
        (event(subtype="message_changed"), "message_changed"),
        (event(subtype="message_replied", hidden=True), "message_replied"),
        (event(subtype="pinned_item"), "pinned_item"),
        (event(bot_id="B2", app_id="A2", text="I am another"), "bot_message"),
        (event(type="reaction_removed", item={"channel": "D1"}), "reaction_removed"),
        (event(type="tokens_revoked"), "tokens_revoked"),
        (event(type="Strange Type!"), "unknown"),
        ({"type": "event_callback"}, "unknown"),
        ({"type": "block_actions", "channel": {"id": "D1"}, "actions": []}, "unreadable_button"),
        ({"type": "view_submission"}, "view_submission"),
        ([], "unknown"),
        (None, "unknown"),
    ],
)
def test_anything_else_is_stored_under_a_name_that_says_what_it_is(content: Any, kind: str) -> None:
    found = read(content)
    assert isinstance(found, OtherEvent)
    assert found.kind == kind


@pytest.mark.parametrize("body", [b"", b"\xff", b"command=%2Fhub&token=secret", b"payload=7", b"[" * 9000])
def test_what_is_no_event_is_stored_without_its_content(body: bytes) -> None:
    [found] = Slack().parse(Request("POST", "", body=body), APP)
    assert isinstance(found, OtherEvent)
    assert found.kind == "unknown"
    assert "secret" not in found.payload
    assert Slack().acknowledge(Request("POST", "", body=body), APP).body == ""
