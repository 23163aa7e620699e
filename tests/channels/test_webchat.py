"""The web chat's API: who may read and write what, and what is served to whom."""

import json
import re
import uuid
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from hub_lambdas.channels.base import Account, Inbound, InboundMessage, SignatureError
from hub_lambdas.channels.webchat import Look, WebChat
from hub_lambdas.http import BadRequest, Request, Response
from tests.fakes.contact_view import FakeContactView

KIND = WebChat()
CHANNEL = uuid.UUID(int=7)
PATH = f"/webchat/{CHANNEL}"
ANN, BOB = "A" * 43, "B" * 43
OPTIONS = {
    "title": "Bright <Smile> & Co",
    "greeting": "Hello {{title}}",
    "colour": "#FFDD00",
    "suggestions": ["How much?", 'Open "today"?'],
    "allowed_origins": ["https://www.example.com/", "https://Shop.example.com:8443"],
}
ACCOUNT = Account(CHANNEL, {}, OPTIONS)


def headers(key: str | None = ANN, **more: str) -> dict[str, str]:
    given_headers = {"host": "hub.example", **{name.replace("_", "-"): value for name, value in more.items()}}
    return given_headers | ({"authorization": f"Bearer {key}"} if key else {})


def post(content: Any, key: str | None = ANN, **more: str) -> Request:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Request("POST", PATH, headers=headers(key, **more), body=body)


def read(content: Any, key: str = ANN, account: Account = ACCOUNT) -> InboundMessage:
    (inbound,) = KIND.parse(post(content, key), account)
    assert isinstance(inbound, InboundMessage)
    return inbound


def get(
    subpath: str = "", view: FakeContactView | None = None, key: str | None = None, **query: str
) -> Response:
    path = f"{PATH}/{subpath}" if subpath else PATH
    return KIND.serve(Request("GET", path, query, headers(key)), ACCOUNT, subpath, view or FakeContactView())


# --- writing ------------------------------------------------------------------------------------------------


def test_a_message_arrives() -> None:
    message = read({"id": "m-1", "text": "How much is a whitening?"})
    assert (message.kind, message.text) == ("text", "How much is a whitening?")
    assert re.fullmatch(r"[0-9a-f]{64}", message.sender.platform_id)
    assert message.platform_id == f"{message.sender.platform_id}:m-1"
    assert len(message.platform_id) <= 200
    assert message.sender.name == f"Visitor {message.sender.platform_id[:6]}"


@pytest.mark.parametrize(
    "text", ["x" * 10_000, "😀" * 10_000, "a\x00b", "مرحبا", "{{ 7 * 7 }}<script>", "\ud800", "", "  \n"]
)
def test_a_text_arrives_as_it_was_written(text: str) -> None:
    assert read({"id": "1", "text": text}).text == text


@pytest.mark.parametrize(("choice", "kind"), [(True, "button"), (False, "text"), ("x", "text")])
def test_a_clicked_choice_is_a_button(choice: object, kind: str) -> None:
    assert read({"id": "m-1", "text": "Prices", "choice": choice}).kind == kind


@pytest.mark.parametrize(("waited", "age"), [(0, 0), (90, 90), (2**62, 30 * 86400)])
def test_what_waited_in_the_browser_is_as_old_as_that(waited: int, age: int) -> None:
    written_at = read({"id": "m-1", "text": "hi", "waited_seconds": waited}).platform_at
    assert written_at is not None
    assert 0 <= (timezone.now() - written_at).total_seconds() - age < 1
    assert read({"id": "m-1", "text": "hi"}).platform_at is None


def test_a_contact_is_the_key_on_this_channel() -> None:
    content = {"id": "1", "text": "hi"}
    ann = read(content).sender.platform_id
    assert read(content).sender.platform_id == ann
    assert read(content, BOB).sender.platform_id != ann
    assert read(content, account=Account(uuid.UUID(int=8), {}, OPTIONS)).sender.platform_id != ann


def test_the_key_is_stored_nowhere() -> None:
    assert ANN not in repr(read({"id": "1", "text": "hi"}))


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"", 400, "JSON"),
        (b"{", 400, "JSON"),
        ([], 400, "id"),
        (None, 400, "id"),
        ({}, 400, "id"),
        ({"id": "1"}, 400, "text"),
        ({"id": "1", "text": 5}, 400, "text"),
        ({"id": 1, "text": "hi"}, 400, "id"),
        ({"id": "", "text": "hi"}, 400, "id"),
        ({"id": "a:b", "text": "hi"}, 400, "id"),
        ({"id": "x" * 65, "text": "hi"}, 400, "id"),
        ({"id": "1", "text": "x" * 10_001}, 413, "10001"),
        ({"id": "1", "text": "hi", "waited_seconds": -1}, 400, "waited_seconds"),
        ({"id": "1", "text": "hi", "waited_seconds": "5"}, 400, "waited_seconds"),
        (b"[" * 10_000 + b"]" * 10_000, 400, "nested"),
    ],
)
def test_what_the_page_does_not_send_is_refused_with_a_sentence(
    content: Any, status: int, words: str
) -> None:
    with pytest.raises(BadRequest, match=words) as refused:
        KIND.parse(post(content), ACCOUNT)
    assert refused.value.status == status


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "text", "x"]), inner),
    max_leaves=6,
)


@given(ANY_JSON)
def test_no_json_makes_it_stumble(content: Any) -> None:
    try:
        parsed: list[Inbound] = list(KIND.parse(post(content), ACCOUNT))
    except BadRequest:
        return
    assert len(parsed) == 1


def test_the_acknowledgement_says_accepted() -> None:
    response = KIND.acknowledge(post({}), ACCOUNT)
    assert (response.status, json.loads(response.body)) == (202, {"status": "accepted"})


# --- who may ask --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, "", "short", "A" * 42, "A" * 129, "A" * 42 + "!", "ключ" * 20])
def test_without_a_proper_key_nothing_is_taken_or_told(key: str | None) -> None:
    with pytest.raises(SignatureError):
        KIND.verify(post({}, key), ACCOUNT)
    with pytest.raises(SignatureError):
        get("messages", key=key)


@pytest.mark.parametrize("authorization", [ANN, f"Basic {ANN}", f"bearer {ANN}", f"Bearer  {ANN}"])
def test_the_key_comes_as_a_bearer_token(authorization: str) -> None:
    with pytest.raises(SignatureError):
        KIND.verify(post({}, None, authorization=authorization), ACCOUNT)


@pytest.mark.parametrize(
    "origin",
    [
        "https://www.example.com",
        "https://shop.example.com:8443",
        "https://hub.example",
        "http://127.0.0.1:8080",
    ],
)
def test_the_hubs_own_site_and_the_allowed_ones_may_ask(origin: str, settings: Any) -> None:
    settings.WEBHOOK_URL = "http://127.0.0.1:8080"
    KIND.verify(post({}, origin=origin), ACCOUNT)
    assert KIND.acknowledge(post({}, origin=origin), ACCOUNT).headers["access-control-allow-origin"] == origin


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://www.example.com",
        "https://www.example.com.evil.example",
        "https://shop.example.com",
        "null",
        "hub.example",
    ],
)
def test_other_sites_may_not(origin: str) -> None:
    with pytest.raises(SignatureError):
        KIND.verify(post({}, origin=origin), ACCOUNT)
    request = Request("GET", PATH, {}, headers(origin=origin))
    with pytest.raises(SignatureError):
        KIND.serve(request, ACCOUNT, "messages", FakeContactView())
    asked_first = Request("OPTIONS", PATH, {}, headers(None, origin=origin))
    preflight = KIND.serve(asked_first, ACCOUNT, "", FakeContactView())
    assert "access-control-allow-origin" not in preflight.headers


def test_a_program_without_a_site_may_ask() -> None:
    KIND.verify(post({}), ACCOUNT)


# --- reading ------------------------------------------------------------------------------------------------


def test_a_contact_reads_their_own_conversation_and_no_other() -> None:
    view = FakeContactView()
    first, second = read({"id": "m1", "text": "hi"}), read({"id": "m1", "text": "secret"}, BOB)
    view.store(first)
    view.store(second)
    view.answer(first.sender.platform_id, "hello")
    view.due.add(first.sender.platform_id)

    shown = json.loads(get("messages", view, ANN).body)
    assert [(m["mine"], m["text"], m["client_id"]) for m in shown["messages"]] == [
        (True, "hi", "m1"),
        (False, "hello", ""),
    ]
    assert shown["typing"] is True
    assert json.loads(get("messages", view, "C" * 43).body) == {"messages": [], "typing": False}


def test_only_news_is_told() -> None:
    view = FakeContactView()
    message = read({"id": "m1", "text": "hi"})
    view.store(message)
    view.answer(message.sender.platform_id, "hello", ["Prices"])
    (first, _) = json.loads(get("messages", view, ANN).body)["messages"]
    news = json.loads(get("messages", view, ANN, after=str(first["id"])).body)["messages"]
    assert [(m["text"], m["choices"]) for m in news] == [("hello", ["Prices"])]


@pytest.mark.parametrize("after", ["-1", "x", "", "1" * 19, "1.5", "١"])
def test_after_is_a_number(after: str) -> None:
    with pytest.raises(BadRequest):
        get("messages", key=ANN, after=after)


def test_a_conversation_is_not_kept_by_caches() -> None:
    assert get("messages", key=ANN).headers["cache-control"] == "no-store"


# --- the page -----------------------------------------------------------------------------------------------


def test_the_page_shows_the_options_as_text() -> None:
    page = get().body
    assert "<title>Bright &lt;Smile&gt; &amp; Co</title>" in page
    assert "Hello {{title}}" in page
    assert "Open &quot;today&quot;?" in page
    assert page.count('class="suggestion"') == 2


def test_everything_the_page_names_is_there_and_kept_for_good() -> None:
    names = re.findall(rf'(?:href|src)="{CHANNEL}/([\w.]+)\?v=(\w+)"', get().body)
    assert sorted(name for name, _ in names) == ["chat.css", "chat.js"]
    for name, fingerprint in names:
        response = get(name, v=fingerprint)
        assert response.status == 200
        assert "immutable" in response.headers["cache-control"]
        assert get(name, v="older").headers["cache-control"] == "no-cache"


def test_the_page_allows_itself_nothing_foreign() -> None:
    response = get()
    policy = dict(rule.split(" ", 1) for rule in response.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'self' https://www.example.com https://shop.example.com:8443"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "http" not in re.sub(r"<svg.*?</svg>", "", response.body, flags=re.S)


def test_a_chat_without_allowed_sites_stands_on_no_other_site() -> None:
    response = KIND.serve(Request("GET", PATH), Account(CHANNEL, {}), "", FakeContactView())
    assert response.headers["content-security-policy"].endswith("frame-ancestors 'self'")


def test_the_script_for_other_sites_knows_the_look() -> None:
    script = get("embed.js").body
    assert '{"title": "Bright <Smile> & Co", "colour": "#ffdd00", "textColour": "#111111"}' in script
    assert "{{" not in script


def test_the_colours_are_in_the_style() -> None:
    assert get("chat.css").body.startswith(":root { --accent: #ffdd00; --on-accent: #111111; }")


@pytest.mark.parametrize(
    ("colour", "text_colour"),
    [("#000000", "#ffffff"), ("#ffffff", "#111111"), ("#0f766e", "#ffffff"), ("#ffdd00", "#111111")],
)
def test_text_on_the_colour_can_be_read(colour: str, text_colour: str) -> None:
    assert Look.of({"colour": colour}).text_colour == text_colour


@pytest.mark.parametrize("subpath", ["nothing", "../settings.py", "page.html", "messages/x", "chat.js/x"])
def test_nothing_else_is_there(subpath: str) -> None:
    with pytest.raises(BadRequest) as refused:
        get(subpath)
    assert refused.value.status == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods_are_refused(method: str) -> None:
    with pytest.raises(BadRequest) as refused:
        KIND.serve(Request(method, PATH), ACCOUNT, "", FakeContactView())
    assert refused.value.status == 405


# --- setup and health ---------------------------------------------------------------------------------------


def test_it_needs_nothing_to_be_connected() -> None:
    health = KIND.register(Account(CHANNEL, {}), "https://hub.example/webchat/7")
    assert (health.account, list(health.problems)) == ("https://hub.example/webchat/7", [])
    assert not KIND.fields


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"colour": "red"}, "colour"),
        ({"allowed_origins": ["example.com"]}, "allowed site example.com"),
        ({"allowed_origins": ["https://a.example; script-src *"]}, "allowed site"),
        ({"suggestions": ["a", "b", "c", "d", "e"]}, "first 4"),
    ],
)
def test_unusable_options_are_told_and_left_out(options: dict[str, Any], words: str) -> None:
    (problem,) = KIND.check(Account(CHANNEL, {}, options), "https://hub.example").problems
    assert words in problem
    page = KIND.serve(Request("GET", PATH), Account(CHANNEL, {}, options), "", FakeContactView())
    assert page.headers["content-security-policy"].endswith("frame-ancestors 'self'")


@given(
    st.dictionaries(
        st.sampled_from(["title", "greeting", "colour", "suggestions", "allowed_origins"]), ANY_JSON
    )
)
def test_no_options_break_the_page(options: dict[str, Any]) -> None:
    assert (
        KIND.serve(Request("GET", PATH), Account(CHANNEL, {}, options), "", FakeContactView()).status == 200
    )


def test_nothing_leaves_the_hub_to_answer() -> None:
    assert KIND.send(ACCOUNT, "contact", "hello", "12") == "sent:12"
    assert "".join(KIND.split("x" * 25_000)) == "x" * 25_000
