"""What the hub asks of Slack, and what it makes of the answers."""

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from hub_lambdas.channels.base import (
    Account,
    ChannelError,
    CredentialRejected,
    Echo,
    InboundMessage,
    MediaRefused,
    Sender,
    SendRefused,
    SendRejected,
    SendUnknown,
    SignatureError,
)
from hub_lambdas.channels.slack import Slack
from hub_lambdas.channels.slack.signing import SIGNATURE_HEADER, TIMESTAMP_HEADER
from hub_lambdas.http import Request, Response
from tests.channels.listening import listening
from tests.fakes.platform import Fault, Habits
from tests.fakes.slack import ApiError, App, FakeSlack, signature

KIND = Slack()
TOKEN, SECRET, CONTACT = "xoxb-TEST-token-that-nobody-may-see", "signing-secret", "D0ANN"
ACCOUNT = Account(uuid.UUID(int=1), {"bot_token": TOKEN, "signing_secret": SECRET})


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSlack]:
    """Slack with the app, to which somebody has written."""
    with FakeSlack(habits=Habits(has_limits=True)) as fake:
        monkeypatch.setenv("HUB_SLACK_API_URL", f"{fake.url}/api")
        fake.add_app(TOKEN, SECRET)
        fake.write(app(fake).address, CONTACT, "hello")
        yield fake


def app(platform: FakeSlack) -> App:
    return platform.apps[TOKEN]


def send(text: str = "hello", contact: str = CONTACT) -> str:
    return KIND.send(ACCOUNT, contact, text, "77")


def test_a_text_goes_out_as_it_is(platform: FakeSlack) -> None:
    text = "*not bold* <b> & https://x.y _x_ 😀"
    id_ = send(text)
    (sent,) = platform.sent
    assert (sent["contact"], sent["text"], sent["id"]) == (CONTACT, text, id_)
    given = platform.calls[-1].parameters
    assert (given["mrkdwn"], given["unfurl_links"]) == ("false", "false")


def test_lone_surrogates_are_shown_as_what_they_are(platform: FakeSlack) -> None:
    send("a\ud800")
    assert platform.sent[0]["text"] == "a?"


def test_long_texts_are_split_by_what_they_are_on_the_way() -> None:
    pieces = KIND.split("&<>😀" * 1000)
    assert "".join(pieces) == "&<>😀" * 1000
    assert len(pieces) == 4  # 15 units each


def test_choices_are_buttons_and_come_back(platform: FakeSlack) -> None:
    """And so does the message itself, as an echo."""
    choices, arrived = ["Prices & times", "<営業時間>", "👍"], []

    def take(request: Request) -> Response:
        KIND.verify(request, ACCOUNT)
        arrived.extend(KIND.parse(request, ACCOUNT))
        return KIND.acknowledge(request, ACCOUNT)

    with listening(take) as url:
        assert platform.enter_address(app(platform).address, url)
        platform.wait_until_delivered()
        arrived.clear()
        id_ = KIND.send(ACCOUNT, CONTACT, "hello", "77", choices)
        for choice in choices:
            platform.press(app(platform).address, CONTACT, choice)
        platform.wait_until_delivered()
    echo = next(each for each in arrived if isinstance(each, Echo))
    assert (echo.platform_id, echo.text, echo.is_ours) == (id_, "hello", True)
    pressed = [each for each in arrived if isinstance(each, InboundMessage)]
    assert sorted(each.text for each in pressed) == sorted(choices)
    assert {(each.sender.platform_id, each.below_platform_id) for each in pressed} == {(CONTACT, id_)}


@pytest.mark.parametrize("is_known", [True, False])
def test_slack_takes_an_address_that_answers_its_question(platform: FakeSlack, is_known: bool) -> None:
    given = ACCOUNT if is_known else Account(ACCOUNT.channel_id, {"signing_secret": "another"})

    def take(request: Request) -> Response:
        try:
            KIND.verify(request, given)
        except SignatureError:
            return Response(401)
        return KIND.acknowledge(request, given)

    with listening(take) as url:
        assert platform.enter_address(app(platform).address, url) is is_known


def test_an_event_that_is_not_taken_comes_three_times_more(platform: FakeSlack) -> None:
    numbers = []

    def refuse(request: Request) -> Response:
        KIND.verify(request, ACCOUNT)
        numbers.append(request.headers.get("x-slack-retry-num"))
        return Response(503)

    with listening(refuse) as url:
        app(platform).url = url
        platform.write(app(platform).address, CONTACT, "Anybody?")
        platform.wait_until_delivered()
    assert numbers == [None, "1", "2", "3"]


REFUSALS: list[tuple[Fault, type[ChannelError]]] = [
    (Fault(ApiError("ratelimited", 429, 30)), SendRefused),
    (Fault(ApiError("service_unavailable")), SendRefused),
    *((Fault(ApiError(code)), CredentialRejected) for code in ("invalid_auth", "token_revoked")),
    *((Fault(ApiError(code)), CredentialRejected) for code in ("account_inactive", "missing_scope")),
    *((Fault(ApiError(code)), SendRejected) for code in ("channel_not_found", "is_archived", "msg_too_long")),
    (Fault(ApiError("something_new")), SendRejected),
    (Fault(ApiError("internal_error")), SendUnknown),
    (Fault(ApiError("fatal_error", 500)), SendUnknown),
    (Fault(raw=(200, "hello")), SendUnknown),
    (Fault(raw=(502, "<html>Bad Gateway</html>")), SendUnknown),
]


@pytest.mark.parametrize(("fault", "expected"), REFUSALS)
def test_each_refusal_means_what_slack_means(
    platform: FakeSlack, fault: Fault, expected: type[ChannelError]
) -> None:
    platform.fail_next("chat.postMessage", fault)
    with pytest.raises(expected) as raised:
        send()
    assert type(raised.value) is expected
    assert TOKEN not in str(raised.value)


def test_only_who_cannot_be_reached_is_gone(platform: FakeSlack) -> None:
    for code, is_gone in (("channel_not_found", True), ("msg_too_long", False)):
        platform.fail_next("chat.postMessage", Fault(ApiError(code)))
        with pytest.raises(SendRejected) as raised:
            send()
        assert raised.value.contact_gone is is_gone


def test_who_writes_too_fast_is_told_how_long_to_wait(platform: FakeSlack) -> None:
    now = time.time()
    platform.now = lambda: now
    for _ in range(3):
        send()
    with pytest.raises(SendRefused) as raised:
        send()
    assert raised.value.retry_after_seconds == 1
    now += 1
    send()


@pytest.mark.parametrize("token", ["", "xoxp-a-persons", "xoxe.xoxb-1-rotating", "xoxb-1\nx: y", None])
def test_a_token_that_cannot_be_a_bots_is_not_sent(platform: FakeSlack, token: Any) -> None:
    with pytest.raises(CredentialRejected, match="Bot User OAuth Token"):
        KIND.identify(Account(ACCOUNT.channel_id, {**ACCOUNT.credentials, "bot_token": token}))
    assert platform.calls == []


def test_whose_token_it_is(platform: FakeSlack) -> None:
    health = KIND.check(ACCOUNT, "https://hub.example/slack/1")
    assert (health.account, health.address, health.problems) == (
        "@clinic, Bright Smile",
        app(platform).address,
        [],
    )
    assert (health.validity.missing_permissions, health.validity.is_endless) == ([], True)
    assert (health.delivers_here, health.is_by_hand) == (None, True)


def test_a_scope_that_is_missing_is_named(platform: FakeSlack) -> None:
    app(platform).scopes = ["chat:write", "im:history", "im:read", "reactions:read"]
    assert KIND.register(ACCOUNT, "https://hub.example/slack/1").problems == (), "it works all the same"
    health = KIND.check(ACCOUNT, "https://hub.example/slack/1")
    assert health.problems == [
        "The app lacks the permission files:read, users:read: add it at Slack and install the app again."
    ]


def test_who_a_contact_is(platform: FakeSlack) -> None:
    assert KIND.look_up(ACCOUNT, CONTACT) == Sender(CONTACT, "Person 0ANN")


def test_a_file_is_behind_the_token(platform: FakeSlack) -> None:
    shared = platform.add_file(b"\x89PNG", "image/png")
    event = platform.compose(app(platform).address, CONTACT, "", subtype="file_share", files=[shared])
    body = json.dumps({"type": "event_callback", "event": event}).encode()
    [message] = KIND.parse(Request("POST", "", body=body), ACCOUNT)
    assert isinstance(message, InboundMessage)
    file = KIND.fetch_media(ACCOUNT, message.media[0], 100)
    assert (file.content, file.media_type) == (b"\x89PNG", "image/png")
    app(platform).scopes = ()
    with pytest.raises(MediaRefused, match="files:read"):
        KIND.fetch_media(ACCOUNT, message.media[0], 100)


def test_a_webhook_of_more_than_five_minutes_ago_is_not_taken() -> None:
    body, now = b"{}", int(time.time())
    for at, is_taken in (
        (now, True),
        (now - 280, True),
        (now - 310, False),
        (now + 310, False),
        ("x", False),
    ):
        headers = {TIMESTAMP_HEADER: str(at), SIGNATURE_HEADER: signature(SECRET, str(at), body)}
        request = Request("POST", "", headers=headers, body=body)
        if is_taken:
            KIND.verify(request, ACCOUNT)
            continue
        with pytest.raises(SignatureError, match="five minutes"):
            KIND.verify(request, ACCOUNT)
