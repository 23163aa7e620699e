"""What the hub makes of each webhook that WhatsApp delivers."""

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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
from hub_lambdas.channels.whatsapp import WhatsApp
from hub_lambdas.channels.whatsapp.receiving import Item
from hub_lambdas.http import Request
from tests.fakes.contact_view import FakeContactView
from tests.fakes.meta import signature

FOLDER = Path(__file__).parents[2] / "payloads" / "whatsapp"
WEBHOOKS = sorted(path.name for path in FOLDER.glob("*.json"))
KIND = WhatsApp()
ACCOUNT = Account(uuid.UUID(int=1), {"app_secret": "own-secret", "verify_token": "a-token"})

NUMBER = "1122334455667"
FILE_ID = "1234567890987654321"
TESTER = Sender("US.13491208655302741918", "Test Name", alias="972987654321")


def post(content: Any, **headers: str) -> Request:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Request("POST", "/whatsapp/x", headers=headers, body=body)


def read_all(content: Any) -> list[Any]:
    return list(KIND.parse(post(content), ACCOUNT))


def read(content: Any) -> Any:
    (inbound,) = read_all(content)
    return inbound


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def message(
    seconds: int,
    kind: str,
    text: str = "",
    id_: str = "wamid.xyzxyz",
    file: Media | None = None,
    below: str = "",
) -> InboundMessage:
    media = (file,) if file else ()
    return InboundMessage(TESTER, id_, kind, text, at(seconds), "", media, below, address=NUMBER)


def event(kind: str, sender: Sender = TESTER, id_: str = "wamid.xyzxyz", **more: Any) -> OtherEvent:
    return OtherEvent(id_, kind, "", sender, address=NUMBER, **more)


def receipt(status: str, reached: Reached, failure: str = "", reference: str = "") -> Receipt:
    platform_id = f"wamid.xyzxyz:{status}"
    return Receipt(platform_id, "wamid.xyzxyz", "", reference, failure, TESTER, reached, address=NUMBER)


EXPECTED: dict[str, Inbound] = {
    # Concerns the business account and no number: it is kept where the organization's own app delivers it.
    "account_update_restriction.json": OtherEvent(
        "sha256:800227cc1cd62805899cd3471e5e3fe8ed2bf8c46023af5cda2e5410dd6aad76",
        "account_update",
        "",
        parent="102290129340398",
    ),
    "button_interactive_reply.json": message(1698266730, "button", "title", below="wamid.xyzxyz"),
    "button_quick_reply_without_context.json": message(1698269027, "button", "title", "wamid.xsidjx"),
    "button_template_quick_reply.json": message(
        1698269027, "button", "title", "wamid.xsidjw", below="wamid.xyzxyz=="
    ),
    "contacts.json": message(1697044621, "contacts"),
    "dashboard_test_payload.json": InboundMessage(
        Sender("16315551181", "test user name"),
        "ABGGFlA5Fpa",
        "text",
        "this is a text message",
        at(1504902988),
        "",
        address="123456123",
    ),
    # The sample names another person than its `contacts` does, and so do some below.
    "echo_smb_edit.json": InboundEdit(
        Sender("972123456789"), "wamid.yyyyyy", "wamid.zzzzzz", "Text was edited", "", address=NUMBER
    ),
    "echo_smb_revoke.json": InboundUnsend(
        Sender("972123456789"), "wamid.yyyyyy", "wamid.zzzzzz", "", address=NUMBER
    ),
    "echo_smb_text.json": Echo(
        Sender("<BSUID>", alias="<WHATSAPP_USER_PHONE_NUMBER>"),
        "<WHATSAPP_MESSAGE_ID>",
        "Test message",
        False,
        "",
        address=NUMBER,
    ),
    "edit.json": InboundEdit(
        Sender("16505551234"),
        "wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQUFERjg0NDEzNDdFODU3MUMxMAA=",
        "wamid.HBgLMTQxMjU1NTA4MjkVAgASGBQzQUNCNjk5RDUwNUZGMUZEM0VBRAA=",
        "Updated image caption",
        "",
        address="106540352242922",
    ),
    "forwarded.json": message(1697044815, "text", "forwarded text"),
    # What the contact chose did not come along: staff ask them.
    "interactive_missing_body_with_errors.json": message(
        1700505494, "interactive", id_="wamid.wegrchytvwcggt="
    ),
    "list_reply.json": message(1698266905, "button", "title", "wamid.zyzxyz", below="wamid.xyzxyz"),
    "location.json": message(1697044557, "location"),
    "media_audio.json": message(1697043509, "audio", file=Media(FILE_ID, "audio/ogg; codecs=opus")),
    "media_document.json": message(
        1697043666, "document", "caption", file=Media(FILE_ID, "application/pdf", "filename.pdf")
    ),
    "media_image.json": message(1697043379, "image", file=Media("65463453", "image/jpeg")),
    "media_video.json": message(1697044362, "video", "caption", file=Media("765756756", "video/mp4")),
    "media_voice.json": message(1697043473, "voice", file=Media(FILE_ID, "audio/ogg; codecs=opus")),
    "media_with_url.json": message(1697043379, "image", file=Media("65463453", "image/jpeg")),
    # Nobody waits for an answer to a reaction.
    "reaction.json": event("reaction"),
    "reaction_removed_empty.json": event("reaction_removed"),
    "reaction_removed_no_emoji.json": event("reaction_removed"),
    "referral_ctwa_ad.json": message(1697045000, "text", "BODY", "wamid.ID"),
    "reply_context.json": message(1697044746, "text", "replied text"),
    "revoke_unsend.json": InboundUnsend(
        Sender("<WHATSAPP_USER_PHONE_NUMBER>"),
        "<WHATSAPP_MESSAGE_ID>",
        "<ORIGINAL_WHATSAPP_MESSAGE_ID>",
        "",
        address="<BUSINESS_PHONE_NUMBER_ID>",
    ),
    "status_delivered.json": receipt("delivered", Reached.DELIVERED),
    "status_failed_130472.json": receipt(
        "failed",
        Reached.SENT,
        "WhatsApp: Failed to send message because this user's phone number is part of an experiment "
        "(error 130472).",
    ),
    "status_failed_131047_24h_window.json": receipt(
        "failed",
        Reached.SENT,
        "WhatsApp: Message failed to send because more than 24 hours have passed since the customer last "
        "replied to this number (error 131047).",
    ),
    "status_failed_bsuid_no_recipient_id.json": Receipt(
        "wamid.username-only-failed:failed",
        "wamid.username-only-failed",
        "",
        "",
        "WhatsApp: The recipient could not receive this message (error 131026).",
        Sender("CO.1047385771169864"),
        Reached.SENT,
        contact_gone=True,
        address="106540352242922",
    ),
    "status_played.json": receipt("played", Reached.READ),
    "status_read.json": receipt("read", Reached.READ),
    "status_sent.json": receipt("sent", Reached.SENT),
    "status_with_biz_opaque_callback_data.json": receipt("sent", Reached.SENT),
    "sticker.json": message(1697043760, "sticker", file=Media(FILE_ID, "image/webp")),
    # The contact's encryption keys changed: they are who they were.
    "system_identity_changed.json": event("customer_identity_changed", Sender("972987654321", "User A")),
    "system_user_changed_number.json": event(
        "user_changed_number", Sender("972912345678"), "wamid.xyzxyz==:wa_id", moved_from="972987654321"
    ),
    "text.json": message(1697043223, "text", "Body Text"),
    "text_bsuid_only_no_from_no_wa_id.json": InboundMessage(
        Sender("CO.1047385771169864", "Julian"),
        "wamid.username-only-incoming",
        "text",
        "Hello",
        at(1784232425),
        "",
        address="106540352242922",
    ),
    "unsupported.json": message(1697044706, "unsupported"),
    "unsupported_with_type.json": message(1697044706, "unsupported"),
}


def test_every_payload_is_in_the_table() -> None:
    assert sorted(EXPECTED) == WEBHOOKS


@pytest.mark.parametrize("name", WEBHOOKS)
def test_payload(name: str) -> None:
    inbound = read((FOLDER / name).read_bytes())
    assert inbound == replace(EXPECTED[name], payload=inbound.payload)


@pytest.mark.parametrize("name", WEBHOOKS)
def test_what_is_kept_of_an_item_can_be_read_again(name: str) -> None:
    """As a webhook that it could not read is, by a later release."""
    inbound = read((FOLDER / name).read_bytes())
    assert read(inbound.payload.encode()) == inbound


def value(number: str = NUMBER, **content: Any) -> dict[str, Any]:
    return {"messaging_product": "whatsapp", "metadata": {"phone_number_id": number}, **content}


def webhook(*values: Any, field: str = "messages") -> dict[str, Any]:
    changes = [{"field": field, "value": each} for each in values]
    return {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": changes}]}


def text(id_: str, sender: str = "49151", **more: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "from": sender,
        "timestamp": "1784232425",
        "type": "text",
        "text": {"body": id_},
        **more,
    }


# --- batches ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file_id", ["me/accounts?x", "", 7, None, "a" * 201])
def test_an_id_that_is_none_is_no_file(file_id: Any) -> None:
    picture = text("a", type="image", image={"id": file_id, "mime_type": "image/png", "caption": "look"})
    found = read(webhook(value(messages=[picture])))
    assert (found.kind, found.text, found.media) == ("image", "look", ())


def test_every_message_of_every_change_is_read_and_knows_its_number() -> None:
    content = webhook(
        value("1", messages=[text("a"), text("b")], statuses=[{"id": "s", "status": "read"}]),
        value("2", messages=[text("c")]),
    )
    content["entry"] += webhook(value("3", messages=[text("d")]))["entry"]
    found = [(inbound.address, inbound.platform_id) for inbound in read_all(content)]
    assert found == [("1", "a"), ("1", "b"), ("1", "s:read"), ("2", "c"), ("3", "d")]


def test_each_keeps_its_own_contact_and_nothing_of_its_neighbours() -> None:
    ann = {"profile": {"name": "Ann"}, "wa_id": "491", "user_id": "DE.1"}
    bob = {"profile": {"name": "Bob"}, "wa_id": "492"}
    content = webhook(
        value(contacts=[bob, ann], messages=[text("a", "491"), text("b", "492"), text("c", "493")])
    )
    first, second, third = read_all(content)
    assert first.sender == Sender("DE.1", "Ann", alias="491")
    assert second.sender == Sender("492", "Bob")
    assert third.sender == Sender("493"), "nobody's name is given to somebody else"
    assert "Bob" not in first.payload
    assert "Ann" not in second.payload


def test_a_message_that_names_nobody_is_of_the_one_contact() -> None:
    nameless = {key: each for key, each in text("a").items() if key != "from"}
    julian = {"profile": {"username": "julianzlc"}, "user_id": "CO.1"}
    assert read(webhook(value(contacts=[julian], messages=[nameless]))).sender == Sender("CO.1", "julianzlc")
    two = webhook(value(contacts=[julian, {"wa_id": "492"}], messages=[nameless]))
    assert read(two).kind == "unreadable_message"


def test_an_item_that_cannot_be_read_keeps_nothing_from_its_neighbours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read_item = Item.read

    def stumble(item: Item) -> Any:
        if item.content["id"] == "b":
            raise RuntimeError("a shape that nobody thought of")
        return read_item(item)

    monkeypatch.setattr(Item, "read", stumble)
    content = webhook(value("7", messages=[text("a"), text("b"), text("c")]))
    first, unread, third = read_all(content)
    assert (first.platform_id, third.platform_id) == ("a", "c")
    assert isinstance(unread, Unread)
    assert unread.address == "7"
    monkeypatch.undo()
    assert read(unread.payload.encode()).platform_id == "b"


# --- shapes that the samples lack ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "kind", "written"),
    [
        ({"type": "voice", "voice": {"id": "1"}}, "voice", ""),
        ({"type": "image", "image": {"caption": "look"}}, "image", "look"),
        ({"type": "order", "order": {"text": "two please"}}, "order", "two please"),
        ({"type": "interactive", "interactive": {"type": "nfm_reply"}}, "interactive", ""),
        ({"type": "interactive", "interactive": {"list_reply": {"id": "row-1"}}}, "button", "row-1"),
        ({"type": "button", "button": {"payload": "yes"}}, "button", "yes"),
        ({"type": "button"}, "unknown", ""),
        ({"type": "text", "text": {}}, "unknown", ""),
        ({"type": "text", "text": {"body": 7}}, "unknown", ""),
        ({"type": "hologram", "hologram": {"caption": "look"}}, "hologram", "look"),
        ({"type": "a_type_with_quite_a_name"}, "unknown", ""),
        ({"type": "Strange Type!"}, "unknown", ""),
        ({"type": None}, "unknown", ""),
        ({}, "unknown", ""),
    ],
)
def test_no_message_is_passed_over(content: dict[str, Any], kind: str, written: str) -> None:
    """Only `text` and `button` are for the LLM: staff get whatever else a contact sent."""
    bare = {key: each for key, each in text("a").items() if key not in ("type", "text")}
    inbound = read(webhook(value(messages=[{**bare, **content}])))
    assert isinstance(inbound, InboundMessage)
    assert (inbound.kind, inbound.text) == (kind, written)


@pytest.mark.parametrize(
    "written", ["x" * 4096, "😀👩‍👩‍👧", "a\x00b", "مرحبا بالعالم", "{{ 7 }}<b>", "\ud800", "   "]
)
def test_text_arrives_as_it_was_written(written: str) -> None:
    assert read(webhook(value(messages=[text("a", text={"body": written})]))).text == written


@pytest.mark.parametrize("seconds", ["0", "-1", "9" * 400, "yesterday", "", None, 1784232425.5, "٣"])
def test_an_absurd_time_is_none(seconds: Any) -> None:
    assert read(webhook(value(messages=[text("a", timestamp=seconds)]))).platform_at is None


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (webhook(value(messages=[text("a", group_id="g")])), "group_message"),
        (webhook(value(messages=[text("a", type="request_welcome")])), "request_welcome"),
        (webhook(value(messages=[text("a", "")])), "unreadable_message"),
        (webhook(value(messages=[7])), "unreadable_message"),
        (webhook(value(messages=[text("a", type="edit", edit={})])), "unreadable_edit"),
        (webhook(value(messages=[text("a", type="revoke")])), "unreadable_revoke"),
        (webhook(value(statuses=[{"id": "a", "status": "deleted"}])), "status_deleted"),
        (webhook(value(statuses=[{"status": "read"}])), "status_read"),
        (webhook(value(statuses=[None])), "status_unknown"),
        (
            webhook(value(message_echoes=[text("a", type="reaction")]), field="smb_message_echoes"),
            "echo_reaction",
        ),
        (webhook(value(message_echoes=[text("a")]), field="smb_message_echoes"), "echo_text"),
        (webhook(value(errors=[{"code": 131000}])), "errors"),
        (webhook(value()), "messages"),
        (webhook(value(messages="hi")), "messages"),
        (webhook(value(messages=[text("a")]), field="standby"), "standby"),
        (webhook(value(), field="message_template_status_update"), "message_template_status_update"),
        (webhook(value(), field="message_template_components_update_of_the_future"), "unknown"),
        *((webhook(odd), "messages") for odd in (7, True, None, "hi", [], [7])),
        (webhook(value(contacts=7)), "messages"),
        ({"object": "whatsapp_business_account", "entry": [{"changes": [7]}]}, "unknown"),
        ({"object": "whatsapp_business_account", "entry": [7]}, "unknown"),
        ({"object": "whatsapp_business_account", "entry": [{"changes": [{}]}]}, "unknown"),
        ({"object": "whatsapp_business_account", "entry": [{}]}, "unknown"),
        ({"object": "whatsapp_business_account"}, "unknown"),
        ({"object": "page", "entry": [{"changes": [{"field": "messages"}]}]}, "unknown"),
        ({}, "unknown"),
        ([], "unknown"),
        ("hi", "unknown"),
        (None, "unknown"),
    ],
)
def test_anything_else_is_stored_under_a_name_that_says_what_it_is(content: Any, kind: str) -> None:
    inbound = read(content)
    assert isinstance(inbound, OtherEvent)
    assert inbound.kind == kind


def test_what_comes_without_an_id_is_known_by_its_content() -> None:
    first, again = (
        read(webhook(value(messages=[{"from": "1"}]))),
        read(webhook(value(messages=[{"from": "1"}]))),
    )
    other = read(webhook(value(messages=[{"from": "1", "id": "no id, it has spaces"}])))
    assert first.platform_id == again.platform_id != other.platform_id


def test_who_changes_the_number_gets_another_user_id_too() -> None:
    """Either may be all that the hub knows of them."""
    system = {
        "type": "user_changed_number",
        "wa_id": "492",
        "user_id": "DE.2",
        "previous_user_id": "DE.1",
    }
    moved = read_all(webhook(value(messages=[text("a", "491", type="system", system=system)])))
    assert [(each.moved_from, each.sender.platform_id) for each in moved] == [
        ("DE.1", "DE.2"),
        ("491", "492"),
    ]
    assert len({each.platform_id for each in moved}) == 2


def test_another_user_id_alone() -> None:
    system = {"type": "user_changed_user_id", "user_id": "DE.2", "previous_user_id": "DE.1"}
    nobody = {"id": "a", "timestamp": "1784232425", "type": "system", "system": system}
    moved = read(webhook(value(messages=[nobody])))
    assert (moved.kind, moved.moved_from, moved.sender) == ("user_changed_user_id", "DE.1", Sender("DE.2"))


def test_an_echo_is_of_a_person_at_the_business() -> None:
    echo = {**text("a", "4930901820"), "to": "491"}
    contacts = [{"wa_id": "491", "user_id": "DE.1", "profile": {"name": "Ann"}}]
    inbound = read(webhook(value(contacts=contacts, message_echoes=[echo]), field="smb_message_echoes"))
    assert isinstance(inbound, Echo)
    assert (inbound.sender, inbound.text, inbound.is_ours) == (Sender("DE.1", "Ann", alias="491"), "a", False)


@pytest.mark.parametrize("errors", [None, [], "x", [None], [{"title": "a\x00b\ud800"}]])
def test_a_failure_is_always_said(errors: Any) -> None:
    failed = read(webhook(value(statuses=[{"id": "a", "status": "failed", "errors": errors}])))
    assert failed.failure.startswith("WhatsApp: ")
    assert failed.failure.isprintable()


def test_a_large_batch_takes_no_time_worth_speaking_of() -> None:
    """1000 updates are the most that Meta sends at once: none may carry its neighbours along."""
    people = [{"wa_id": str(number), "profile": {"name": f"P{number}"}} for number in range(1000)]
    messages = [text(f"m{number}", str(number)) for number in range(1000)]
    found = read_all(webhook(value(contacts=people, messages=messages)))
    assert [inbound.sender.name for inbound in found] == [f"P{number}" for number in range(1000)]
    assert max(len(inbound.payload) for inbound in found) < 600


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
REAL = [json.loads((FOLDER / name).read_bytes()) for name in WEBHOOKS]


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A real webhook, with some values somewhere replaced, doubled or taken out."""
    content = json.loads(json.dumps(draw(st.sampled_from(REAL))))
    for _ in range(draw(st.integers(1, 3))):
        place: Any = content
        while isinstance(place, dict | list) and place:
            keys = sorted(place) if isinstance(place, dict) else range(len(place))
            key = draw(st.sampled_from(keys))
            if not isinstance(place[key], dict | list) or not place[key] or draw(st.integers(0, 3)) == 0:
                if draw(st.booleans()):
                    del place[key]
                else:
                    place[key] = draw(ANY_JSON)
                break
            if isinstance(place, list) and draw(st.booleans()):
                place.append(json.loads(json.dumps(place[key])))
            place = place[key]
    return content


@settings(max_examples=300)
@given(mutated() | ANY_JSON)
def test_no_json_makes_it_stumble(content: Any) -> None:
    found = KIND.parse(post(content), ACCOUNT)
    assert found
    for inbound in found:
        assert not isinstance(inbound, Unread)
        assert 0 < len(inbound.platform_id) <= 200
        for id_ in (inbound.platform_id, inbound.address):
            assert id_.isascii()
            assert id_.isprintable()
        if inbound.sender:
            for id_ in (inbound.sender.platform_id, inbound.sender.alias):
                assert len(id_) <= 200
                assert id_.isascii()
                assert id_.isprintable()
        if isinstance(inbound, OtherEvent):
            assert 0 < len(inbound.kind) <= 40
        if isinstance(inbound, InboundMessage):
            assert 0 < len(inbound.kind) <= 20


# --- who may deliver ----------------------------------------------------------------------------------------

BODY = '{"object": "whatsapp_business_account",  "name": "Zo\\u00eb, Zoë"}'.encode()


def signed(secret: str, body: bytes = BODY) -> Request:
    return post(body, **{"x-hub-signature-256": signature(body, secret)})


def test_the_organizations_own_app_may(settings: Settings) -> None:
    settings.META_APP_SECRET = "hub-secret"
    KIND.verify(signed("own-secret"), ACCOUNT)
    with pytest.raises(SignatureError):
        KIND.verify(signed("hub-secret"), ACCOUNT)


def test_the_hubs_app_may_where_there_is_no_other(settings: Settings) -> None:
    settings.META_APP_SECRET = "hub-secret"
    for account in (Account(SHARED, {}), Account(uuid.UUID(int=1), {"app_secret": ""})):
        KIND.verify(signed("hub-secret"), account)


def test_the_bytes_are_signed_and_not_what_they_mean() -> None:
    same = json.dumps(json.loads(BODY)).encode()
    request = post(same, **{"x-hub-signature-256": signature(BODY, "own-secret")})
    with pytest.raises(SignatureError):
        KIND.verify(request, ACCOUNT)


@pytest.mark.parametrize("given_signature", ["", "sha256=", signature(BODY, "other"), "é", "\ud800"])
def test_another_signature_does_not_do(given_signature: str) -> None:
    with pytest.raises(SignatureError):
        KIND.verify(post(BODY, **{"x-hub-signature-256": given_signature}), ACCOUNT)
    with pytest.raises(SignatureError):
        KIND.verify(post(BODY), ACCOUNT)


def test_without_a_secret_nobody_may(settings: Settings) -> None:
    settings.META_APP_SECRET = ""
    with pytest.raises(SignatureError):
        KIND.verify(signed(""), Account(uuid.UUID(int=1), {}))


# --- the handshake ------------------------------------------------------------------------------------------


def handshake(
    subpath: str = "", method: str = "GET", account: Account = ACCOUNT, **query: str
) -> tuple[int, str]:
    given = {"hub.mode": "subscribe", "hub.verify_token": "a-token", "hub.challenge": "1158201444"}
    given |= {f"hub.{key}": each for key, each in query.items()}
    response = KIND.serve(Request(method, "/whatsapp/x", given), account, subpath, FakeContactView())
    return response.status, response.body


def test_whoever_knows_the_token_gets_the_challenge_back() -> None:
    assert handshake() == (200, "1158201444")


def test_nobody_else_does() -> None:
    assert handshake(verify_token="other")[0] == 403
    assert handshake(verify_token="")[0] == 403
    assert handshake(mode="unsubscribe")[0] == 403
    assert handshake(account=Account(uuid.UUID(int=1), {}), verify_token="")[0] == 403
    assert handshake(method="OPTIONS")[0] == 403
    assert handshake("elsewhere")[0] == 404


def test_the_hubs_own_app_has_its_own_token(settings: Settings) -> None:
    settings.META_APP_SECRET, settings.META_VERIFY_TOKEN = "hub-secret", "hub-token"
    account = KIND.shared_account()
    assert account is not None
    assert handshake(account=account, verify_token="hub-token") == (200, "1158201444")
    settings.META_VERIFY_TOKEN = ""
    assert KIND.shared_account() is None


def test_the_acknowledgement_is_empty() -> None:
    response = KIND.acknowledge(post({}), ACCOUNT)
    assert (response.status, response.body) == (200, "")
