"""Our fakes and kinds against clients of the same platforms that others wrote: npm's `@chat-adapter/*`.

What our fakes sign they verify, and what they sign we do; they talk with our fakes as with the real
platforms; and of each sample of a webhook they make what our kinds make of it, or DIFFERENCES says in what
not, and why.
"""

import json
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from pytest_django import Settings

from hub_lambdas.channels import base
from hub_lambdas.channels.slack import Slack
from hub_lambdas.channels.telegram import Telegram
from hub_lambdas.channels.twilio import Twilio
from hub_lambdas.channels.whatsapp import WhatsApp
from hub_lambdas.http import Request
from tests.adapters.bots import Bots, running
from tests.fakes import meta, server, slack, telegram, twilio, whatsapp
from tests.fakes.contact_view import FakeContactView
from tests.fakes.platform import Call, Fault

PAYLOADS = Path(__file__).parent.parent / "payloads"
SECRET = "app-secret"
GRAPH_TOKEN, PHONE_NUMBER_ID, WABA_ID, VERIFY_TOKEN = "EAAB-token", "1122334455667", "5467", "verify-token"
BOT_TOKEN, BOT_SECRET = "4242:TEST-token", "webhook-secret"
APP_TOKEN, SIGNING_SECRET = "xoxb-TEST-token", "signing-secret"

KINDS: Mapping[str, base.Kind] = {
    "slack": Slack(),
    "telegram": Telegram(),
    "twilio": Twilio(),
    "whatsapp": WhatsApp(),
}
CREDENTIALS: Mapping[str, Mapping[str, str]] = {
    "slack": {"bot_token": APP_TOKEN, "signing_secret": SIGNING_SECRET},
    "telegram": {"bot_token": BOT_TOKEN, "webhook_secret": BOT_SECRET},
    "twilio": {
        "account_sid": twilio.ACCOUNT_SID,
        "auth_token": twilio.AUTH_TOKEN,
        "sender": twilio.NUMBER,
    },
    "whatsapp": {
        "access_token": GRAPH_TOKEN,
        "phone_number_id": PHONE_NUMBER_ID,
        "waba_id": WABA_ID,
        "app_secret": SECRET,
        "verify_token": VERIFY_TOKEN,
    },
}


@dataclass(frozen=True)
class Platforms:
    """Our fakes."""

    slack: slack.FakeSlack
    telegram: telegram.FakeTelegram
    twilio: twilio.FakeTwilio
    whatsapp: whatsapp.FakeWhatsApp


@pytest.fixture(scope="module")
def platforms() -> Iterator[Platforms]:
    with (
        slack.FakeSlack() as slack_api,
        telegram.FakeTelegram() as bot_api,
        twilio.FakeTwilio() as twilio_api,
        whatsapp.FakeWhatsApp() as graph_api,
    ):
        bot_api.add_bot(BOT_TOKEN)
        graph_api.add_app("200", SECRET)
        graph_api.add_token(GRAPH_TOKEN, "200")
        graph_api.add_number(PHONE_NUMBER_ID, WABA_ID)
        slack_api.add_app(APP_TOKEN, SIGNING_SECRET)
        yield Platforms(slack_api, bot_api, twilio_api, graph_api)


@pytest.fixture(scope="module")
def bots(platforms: Platforms) -> Iterator[Bots]:
    settings = {
        "slack": {
            "apiUrl": f"{platforms.slack.url}/api/",
            "botToken": APP_TOKEN,
            "signingSecret": SIGNING_SECRET,
            "webClientOptions": {"rejectRateLimitedCalls": True},
        },
        "telegram": {
            "apiUrl": platforms.telegram.url,
            "botToken": BOT_TOKEN,
            "secretToken": BOT_SECRET,
            "mode": "webhook",
        },
        "twilio": {
            "apiUrl": platforms.twilio.url,
            "accountSid": twilio.ACCOUNT_SID,
            "authToken": twilio.AUTH_TOKEN,
        },
        "whatsapp": {
            "apiUrl": platforms.whatsapp.url,
            "accessToken": GRAPH_TOKEN,
            "phoneNumberId": PHONE_NUMBER_ID,
            "appSecret": SECRET,
            "verifyToken": VERIFY_TOKEN,
        },
    }
    with running(settings) as started:
        yield started


@pytest.fixture(autouse=True)
def _addresses(settings: Settings, platforms: Platforms, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our kinds call the same fakes."""
    monkeypatch.setenv("HUB_SLACK_API_URL", f"{platforms.slack.url}/api")
    settings.TELEGRAM_API_URL = platforms.telegram.url
    settings.TWILIO_API_URL = platforms.twilio.url
    settings.GRAPH_API_URL = platforms.whatsapp.url


def account(kind: str) -> base.Account:
    return base.Account(uuid.UUID(int=1), CREDENTIALS[kind])


# --- a webhook, as the fake of its platform posts it --------------------------------------------------------

FORM = "application/x-www-form-urlencoded"


def signed(kind: str, url: str, body: bytes) -> dict[str, str]:
    """The headers that our fake posts `body` to `url` with."""
    match kind:
        case "slack":
            at = str(int(time.time()))
            made = slack.signature(SIGNING_SECRET, at, body)
            type_ = FORM if body.startswith(b"payload=") else "application/json"
            return {"content-type": type_, "x-slack-request-timestamp": at, "x-slack-signature": made}
        case "telegram":
            return {"content-type": "application/json", "x-telegram-bot-api-secret-token": BOT_SECRET}
        case "twilio":
            form = parse_qsl(body.decode(), keep_blank_values=True)
            signature = twilio.signature(twilio.AUTH_TOKEN, url, form)
            return {"content-type": FORM, "x-twilio-signature": signature}
        case _:
            signature = meta.signature(body, SECRET)
            return {"content-type": "application/json", "x-hub-signature-256": signature}


def verifies(kind: str, url: str, body: bytes, headers: Mapping[str, str]) -> bool:
    """Whether our kind takes it as the platform's."""
    address = urlsplit(url)
    query = dict(parse_qsl(address.query))
    request = Request("POST", address.path, query, headers, body, raw_query=address.query)
    try:
        KINDS[kind].verify(request, account(kind))
    except base.SignatureError:
        return False
    return True


SIGNING = re.compile("^x-.*(signature|token)")
TEXTS = {"slack": "text_im.json", "telegram": "text.json", "twilio": "text_sms.json", "whatsapp": "text.json"}


def webhook(kind: str, name: str) -> bytes:
    """The body of a sample."""
    content = (PAYLOADS / kind / name).read_bytes()
    if b'"block_actions"' in content:  # Slack's buttons come as a form
        return urlencode({"payload": content.decode()}).encode()
    return str(json.loads(content)["raw_body"]).encode() if kind == "twilio" else content


@pytest.mark.parametrize("kind", KINDS)
def test_what_our_fakes_sign_they_verify_and_nothing_else(bots: Bots, settings: Settings, kind: str) -> None:
    settings.WEBHOOK_URL = bots.url
    path, body = f"/{kind}/signed", webhook(kind, TEXTS[kind])
    headers = signed(kind, bots.url + path, body)
    others = {name: value[:-2] + "xx" if SIGNING.search(name) else value for name, value in headers.items()}
    assert verifies(kind, bots.url + path, body, headers)
    for given in (others, {"content-type": headers["content-type"]}):
        assert bots.call(path, body, given) == "401"
        assert not verifies(kind, bots.url + path, body, given)
    assert bots.seen(path) == []
    assert bots.call(path, body, headers) != "401"
    assert len(bots.seen(path)) == 1


@pytest.mark.parametrize("text", ["hello", "", "a=b&c=d%20+", "مرحبا 👩‍👩‍👧", "a\r\nb"])
def test_what_they_sign_we_verify(bots: Bots, settings: Settings, text: str) -> None:
    settings.WEBHOOK_URL = "https://hub.example"
    url = "https://hub.example/twilio/1?ref=7"
    form = {"Body": text, "From": "+14158675309", "To": twilio.NUMBER, "FromCity": "", "MessageSid": "SM1"}
    signature = bots.sign("twilio", secret=twilio.AUTH_TOKEN, url=url, form=form)
    headers = {"content-type": FORM, "x-twilio-signature": signature}
    assert verifies("twilio", url, urlencode(form).encode(), headers)
    assert not verifies("twilio", url, urlencode({**form, "To": "+1"}).encode(), headers)

    body = json.dumps({"object": "whatsapp_business_account", "text": text}, ensure_ascii=False)
    headers = {"x-hub-signature-256": bots.sign("whatsapp", secret=SECRET, body=body)}
    assert verifies("whatsapp", "https://hub.example/whatsapp/1", body.encode(), headers)
    assert not verifies("whatsapp", "https://hub.example/whatsapp/1", body.encode() + b" ", headers)

    at = str(int(time.time()))
    headers = {"x-slack-signature": bots.sign("slack", secret=SIGNING_SECRET, at=at, body=body)}
    headers["x-slack-request-timestamp"] = at
    assert verifies("slack", "https://hub.example/slack/1", body.encode(), headers)
    assert not verifies("slack", "https://hub.example/slack/1", body.encode() + b" ", headers)


@pytest.mark.parametrize(("token", "answer"), [(VERIFY_TOKEN, "4711"), ("another", "403"), ("", "403")])
def test_both_shake_hands_alike(bots: Bots, token: str, answer: str) -> None:
    query = {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "4711"}
    ours = WhatsApp().serve(Request("GET", "/whatsapp/1", query), account("whatsapp"), "", FakeContactView())
    assert (ours.body if ours.status == 200 else str(ours.status)) == answer
    assert bots.call(f"/whatsapp/hands?{urlencode(query)}") == answer


# --- a conversation with each of our fakes ------------------------------------------------------------------


def test_whatsapp_talks_with_them(bots: Bots, platforms: Platforms) -> None:
    """From the subscription, for which our fake shakes hands, to the reports on the answer."""
    fake, path = platforms.whatsapp, "/whatsapp/talk"
    subscription = {"override_callback_uri": bots.url + path, "verify_token": "another"}
    for verify_token, status in (("another", 400), (VERIFY_TOKEN, 200)):
        subscription["verify_token"] = verify_token
        asked = server.Request(
            "POST",
            f"/v25.0/{WABA_ID}/subscribed_apps",
            headers={"authorization": f"Bearer {GRAPH_TOKEN}", "content-type": "application/json"},
            body=json.dumps(subscription).encode(),
        )
        answered = fake.respond(asked)
        assert answered is not None
        assert answered.status == status

    ann = whatsapp.Person("4915112345678", "DE.13491208655302741918", "Ann")
    hidden = whatsapp.Person("", "DE.555", "Somebody")
    for person in (ann, hidden):
        fake.write(PHONE_NUMBER_ID, person, "Are you open?")
        fake.wait_until_delivered()
    assert [(each["contact"], each["text"]) for each in fake.sent] == [
        (ann.phone, "Are you open?"),
        (hidden.user_id, "Are you open?"),
    ]
    assert [each.status for each in fake.deliveries] == [200] * 6  # two questions, two reports on each answer
    questions, answers = (
        [each for each in bots.seen(path) if each["type"] == type_] for type_ in ("message", "answer")
    )
    assert [(each["author"], each["name"]) for each in questions] == [
        (ann.phone, "Ann"),
        (hidden.user_id, "Somebody"),
    ]
    assert [each["id"] for each in answers] == [each["id"] for each in fake.sent]

    told = fake.write(PHONE_NUMBER_ID, ann, "One moment…")
    fake.wait_until(lambda seen: seen.typing == [told])
    fake.subscriptions.clear()


def test_telegram_talks_with_them(bots: Bots, platforms: Platforms) -> None:
    fake, path = platforms.telegram, "/telegram/talk"
    for secret, text in (("another", ""), (BOT_SECRET, "Are you open?")):
        fake.answer(Call("setWebhook", BOT_TOKEN, {"url": bots.url + path, "secret_token": secret}))
        fake.write(BOT_TOKEN, 31, text or "Is it me?")
        if not text:  # refused, until the secret is the right one
            fake.wait_until(lambda seen: 401 in [each.status for each in seen.deliveries])
            continue
        fake.wait_until_delivered()
    assert [(each["contact"], each["text"]) for each in fake.sent] == [
        ("31", "Is it me?"),
        ("31", "Are you open?"),
    ]
    *_, question, answer = bots.seen(path)
    assert (question["author"], question["name"]) == ("31", "Person 31")
    assert answer["id"] == fake.sent[-1]["id"]
    assert ("sendChatAction", {"chat_id": "31", "action": "typing"}) in [
        (call.operation, call.parameters) for call in fake.calls
    ]


def test_slack_talks_with_them(bots: Bots, platforms: Platforms) -> None:
    """From the question whether the address is meant, to which both answer, to the echo of the answer."""
    fake, path = platforms.slack, "/slack/talk"
    app = fake.apps[APP_TOKEN]
    assert fake.enter_address(app.address, bots.url + path)
    told = fake.write(app.address, "D0ANN", "Are you < open?")
    fake.wait_until(lambda seen: bool(seen.sent))
    fake.wait_until_delivered()
    assert [(each["contact"], each["text"]) for each in fake.sent] == [("D0ANN", "Are you < open?")]
    question, answer = bots.seen(path)
    assert (question["author"], question["id"]) == ("U0ANN", told.partition(":")[2])
    assert f"D0ANN:{answer['id']}" == fake.sent[0]["id"]
    app.url = ""


@pytest.mark.parametrize(
    ("contact", "number"), [("+14158675309", twilio.NUMBER), ("whatsapp:+49151123", twilio.WHATSAPP)]
)
def test_twilio_talks_with_them(bots: Bots, platforms: Platforms, contact: str, number: str) -> None:
    fake, path = platforms.twilio, f"/twilio/talk-{len(contact)}"
    form = fake.compose(number, contact, "Are you open? ñ 😀?")
    assert fake.post_form(f"{bots.url}{path}#rc=5&rp=all", form) == 200
    sent = fake.messages[-1]
    assert (sent["to"], sent["from"], sent["body"]) == (contact, number, form["Body"])
    question, answer = bots.seen(path)
    assert (question["author"], question["id"]) == (contact, form["MessageSid"])
    assert answer["id"] == sent["sid"]


# --- errors -------------------------------------------------------------------------------------------------

PAIR = meta.ApiError(131056, "Pair rate limit hit")
EXPIRED = meta.ApiError(190, "Error validating access token", status=401, subcode=463)
SLOWER = telegram.ApiError(429, "Too Many Requests: retry after 3", {"retry_after": 3})
BLOCKED = telegram.ApiError(403, "Forbidden: bot was blocked by the user")
ERRORS = [
    (
        "slack",
        Fault(slack.ApiError("ratelimited", 429, 3)),
        "Error slack_webapi_rate_limited_error",
        base.SendRefused,
    ),
    ("slack", Fault(slack.ApiError("invalid_auth")), "Error invalid_auth", base.CredentialRejected),
    ("slack", Fault(slack.ApiError("channel_not_found")), "Error channel_not_found", base.SendRejected),
    ("whatsapp", Fault(PAIR), "WhatsAppApiError RATE_LIMITED", base.SendRefused),
    ("whatsapp", Fault(EXPIRED), "WhatsAppApiError AUTH_FAILED", base.CredentialRejected),
    (
        "whatsapp",
        Fault(meta.ApiError(10, "Permission denied", status=403)),
        "WhatsAppApiError PERMISSION_DENIED",
        base.CredentialRejected,
    ),
    ("telegram", Fault(SLOWER), "AdapterRateLimitError RATE_LIMITED", base.SendRefused),
    ("telegram", Fault(BLOCKED), "PermissionError PERMISSION_DENIED", base.SendRejected),
    (
        "telegram",
        Fault(telegram.ApiError(401, "Unauthorized")),
        "AuthenticationError AUTH_FAILED",
        base.CredentialRejected,
    ),
]


@pytest.mark.parametrize(("kind", "fault", "theirs", "ours"), ERRORS)
def test_both_understand_why_our_fakes_refuse(
    bots: Bots, platforms: Platforms, kind: str, fault: Any, theirs: str, ours: type[base.ChannelError]
) -> None:
    path, body = f"/{kind}/{theirs.replace(' ', '-')}", question(kind)
    fake = getattr(platforms, kind)
    method = fake.sends
    fake.fail_next(method, fault)
    bots.call(path, body, signed(kind, bots.url + path, body))
    assert [each["text"] for each in bots.seen(path) if each["type"] == "failure"] == [theirs]
    fake.fail_next(method, fault)
    with pytest.raises(ours):
        KINDS[kind].send(account(kind), "31", "Yes.", "reference")


def question(kind: str) -> bytes:
    """A webhook in which somebody asks."""
    content = webhook(kind, TEXTS[kind]).decode()
    for text in ("how are you", "Body Text", "hello hello"):
        content = content.replace(f'"{text}"', '"How are you?"')
    return content.encode()


# --- what both make of the same bytes -----------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    """What somebody did, as far as both can tell it: they wrote, edited, pressed a button or reacted."""

    type: str
    authors: frozenset[str] = frozenset()
    name: str = ""
    id: str = ""
    text: str = ""
    at: datetime | None = None
    files: tuple[str, ...] = ()


FILES = {
    "animation": "video",
    "document": "file",
    "photo": "image",
    "sticker": "image",
    "video_note": "video",
    "voice": "audio",
    **{kind: kind for kind in ("audio", "image", "video")},
}
"""How they call the file in a message of our kind."""


def our_view(inbound: base.Inbound) -> Said | None:
    sender = getattr(inbound, "sender", None)
    authors = frozenset(filter(None, (sender.platform_id, sender.alias))) if sender else frozenset()
    name = sender.name if sender else ""
    match inbound:
        case base.InboundMessage():
            type_ = "button" if inbound.kind == "button" else "message"
            files = (FILES[inbound.kind],) if inbound.kind in FILES else ()
            at = inbound.platform_at
            return Said(type_, authors, name, inbound.platform_id, inbound.text, at, files)
        case base.InboundEdit():
            return Said("edit", authors, name, inbound.message_platform_id, inbound.text)
        case base.OtherEvent() if inbound.kind.startswith("reaction"):
            return Said(inbound.kind, authors, name)
    return None


def their_view(seen: Mapping[str, Any]) -> Said:
    author, name = frozenset([seen["author"]]), seen["name"]
    if seen["type"] == "reaction":
        return Said("reaction" if seen["added"] else "reaction_removed", author, name)
    at = datetime.fromisoformat(seen["at"]).astimezone(UTC) if "at" in seen else None
    files = tuple(each["type"] for each in seen.get("files", ()))
    type_ = "edit" if seen.get("edited") else seen["type"]
    return Said(type_, author, name, seen.get("id", ""), seen.get("text", ""), at, files)


def differences(ours: Said | None, theirs: Said | None) -> set[str]:
    """In what they differ, of what both tell. Where a contact wrote nothing they describe what was sent, and
    ours has no text: that counts as nothing told."""
    if ours is None or theirs is None:
        return {"ours alone"} if ours else {"theirs alone"} if theirs else set()
    pairs = {each.name: (getattr(ours, each.name), getattr(theirs, each.name)) for each in fields(Said)}
    told = {name: (mine, other) for name, (mine, other) in pairs.items() if mine and other}
    found = {name for name, (mine, other) in told.items() if mine != other}
    return found - {"authors"} if theirs.authors <= ours.authors else found


IGNORED = "they drop it; with us staff see it"
CHOSEN = "theirs is the id behind the button; ours what the contact read on it, for the LLM reads it too"
CONVERSATION = "theirs is the person; ours the conversation with them, which all events name"
DIFFERENCES: Mapping[str, tuple[set[str], str]] = {
    "slack/button_block_actions.json": (
        {"theirs alone"},
        "pressed in a channel of many, which is no direct message",
    ),
    "slack/echo_own_bot_message.json": (
        {"theirs alone"},
        "theirs is another app; ours knows its own message",
    ),
    "slack/file_share.json": ({"authors", "id"}, CONVERSATION),
    "slack/text_im.json": ({"authors", "id", "at"}, f"{CONVERSATION}; ours counts whole seconds"),
    "telegram/button_callback_query.json": (
        {"id"},
        "theirs is the message with the button, which may be pressed twice; ours is the press",
    ),
    "telegram/start_deeplink.json": ({"type"}, "they have commands; with us /start is a first message"),
    "twilio/media_mms_empty_body.json": (
        {"ours alone"},
        "they take every form with SmsStatus and no Body for a report, and lose pictures without words",
    ),
    "twilio/text_whatsapp.json": ({"name"}, "they do not read ProfileName"),
    "whatsapp/button_interactive_reply.json": ({"text"}, CHOSEN),
    "whatsapp/contacts.json": ({"ours alone"}, IGNORED),
    "whatsapp/echo_smb_edit.json": ({"ours alone"}, "they do not read what staff do in the phone's app"),
    "whatsapp/edit.json": ({"ours alone"}, "they do not know that contacts can edit"),
    "whatsapp/interactive_missing_body_with_errors.json": ({"ours alone"}, IGNORED),
    "whatsapp/list_reply.json": ({"text"}, CHOSEN),
    "whatsapp/media_video.json": ({"text"}, "they lose the caption of a video"),
    "whatsapp/reaction_removed_no_emoji.json": (
        {"type"},
        "they know a reaction that was taken back by its empty emoji alone, and not where it is missing",
    ),
    "whatsapp/unsupported.json": ({"ours alone"}, IGNORED),
    "whatsapp/unsupported_with_type.json": ({"ours alone"}, IGNORED),
}
"""In what they differ from ours, and why: ours stays as it is."""
SAMPLES = sorted(
    f"{path.parent.name}/{path.name}" for path in PAYLOADS.glob("*/[!_]*.json") if path.parent.name in KINDS
)


@pytest.mark.parametrize("sample", SAMPLES)
def test_both_read_the_same(bots: Bots, sample: str) -> None:
    kind, name = sample.split("/")
    path, body = f"/{kind}/{name}", webhook(kind, name)
    bots.call(path, body, signed(kind, bots.url + path, body))
    parsed = KINDS[kind].parse(Request("POST", path, body=body), account(kind))
    ours = [said for each in parsed if (said := our_view(each))]
    theirs = [their_view(each) for each in bots.seen(path) if each["type"] not in ("answer", "failure")]
    assert max(len(ours), len(theirs)) <= 1
    found = differences(next(iter(ours), None), next(iter(theirs), None))
    expected, reason = DIFFERENCES.get(sample, (set(), ""))
    assert found == expected, (reason, ours, theirs)


def test_each_difference_is_of_a_sample() -> None:
    assert set(DIFFERENCES) <= set(SAMPLES)


def test_both_follow_a_contact_to_another_number(bots: Bots, platforms: Platforms) -> None:
    """Theirs keeps the name of the conversation; ours is told to rename it."""
    old, new = whatsapp.Person("491", "DE.1"), whatsapp.Person("492", "DE.2")
    ids = {"wa_id": new.phone, "user_id": new.user_id, "previous_user_id": old.user_id}
    change: dict[str, Any] = {"type": "system", "system": {"type": "user_changed_number", **ids}}
    written = [
        platforms.whatsapp.compose(PHONE_NUMBER_ID, old, "before"),
        platforms.whatsapp.compose(PHONE_NUMBER_ID, whatsapp.Person("491"), **change),
        platforms.whatsapp.compose(PHONE_NUMBER_ID, new, "after"),
    ]
    path, body = "/whatsapp/moved", whatsapp.webhook_body(*written)
    bots.call(path, body, signed("whatsapp", bots.url + path, body))
    assert [(each["author"], each["text"]) for each in bots.seen(path)] == [
        ("491", "before"),
        ("491", "after"),
    ]
    parsed = WhatsApp().parse(Request("POST", path, body=body), account("whatsapp"))
    moves = [each for each in parsed if isinstance(each, base.OtherEvent)]
    moved = [(each.moved_from, each.sender.platform_id) for each in moves if each.sender]
    assert moved == [("DE.1", "DE.2"), ("491", "492")]
