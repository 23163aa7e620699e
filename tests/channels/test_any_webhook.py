"""Whatever a platform signs is taken, stored, and fails nowhere: real webhooks with something wrong in them,
huge ones, deep ones, any JSON at all, and bytes that are none. Through the function that answers and the one
that stores."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from console.channels.models import Channel
from console.conversations.models import Message, PlatformEvent
from hub_lambdas import channels as hub_channels
from hub_lambdas import inbound, webhook
from hub_lambdas.http import Request
from tests.channels.gateways import GATEWAYS
from tests.channels.messaging import ANY_JSON, mutated
from tests.factories import make_channel, make_organization
from tests.fakes import meta, slack, twilio
from tests.fakes.sqs import FakeSqs

FOLDER = Path(__file__).parent.parent / "payloads"
SECRET, HUB = "the-secret", "https://hub.example"
Headers = Mapping[str, str]

HUGE, NESTED = "huge here", "nested here"
LONG = "😀" * 100_000
"""Written as SQS takes it, that is more than a message may have there."""
DEPTHS = (300, 600, 100_000)
"""Python reads some thousand levels."""


def by_meta(path: str, body: bytes) -> Headers:
    return {"x-hub-signature-256": meta.signature(body, SECRET)}


def by_telegram(path: str, body: bytes) -> Headers:
    return {"x-telegram-bot-api-secret-token": SECRET}


def by_slack(path: str, body: bytes) -> Headers:
    at = str(int(time.time()))
    return {"x-slack-signature": slack.signature(SECRET, at, body), "x-slack-request-timestamp": at}


@dataclass(frozen=True)
class Signed:
    """How a platform signs. `address`: of the account in its samples."""

    credentials: Mapping[str, Any]
    by: Callable[[str, bytes], Headers]
    address: str = ""


KINDS = {
    "whatsapp": Signed({"app_secret": SECRET}, by_meta, "1122334455667"),
    "messenger": Signed({"app_secret": SECRET}, by_meta, "1067280970047460"),
    "instagram": Signed({"app_secret": SECRET}, by_meta, "17841400000000000"),
    "telegram": Signed({"webhook_secret": SECRET}, by_telegram),
    "slack": Signed({"signing_secret": SECRET}, by_slack),
}
"""All that post JSON. The hub's own chat is no platform: it says what is wrong with what it is sent."""


@pytest.fixture
def channels(transactional_db: None, sqs: FakeSqs, settings: Settings) -> Mapping[str, Channel]:
    settings.WEBHOOK_URL = HUB
    settings.META_APP_SECRET, settings.META_VERIFY_TOKEN = SECRET, "v1"
    organization = make_organization()
    kinds = {**KINDS, "twilio": Signed({"auth_token": SECRET}, by_meta)}
    return {
        name: make_channel(organization, name, address=each.address, credentials=dict(each.credentials))
        for name, each in kinds.items()
    }


def take(path: str, body: bytes, headers: Headers, sqs: FakeSqs, *, is_text: bool = True) -> None:
    """Post it as a gateway does, and store what is queued. Only what nobody can read stays on the queue,
    whole: it becomes a dead letter."""
    request = Request("POST", path, headers=headers, body=body)
    event = json.loads(json.dumps(GATEWAYS["function URL"](request, not is_text)))
    answered = webhook.handler(event, None)
    assert answered["statusCode"] == 200, answered
    sqs.run("dm-inbound.fifo", inbound.handler)
    # A webhook of the hub's own app that could be read only now has been queued for its channels.
    failed = sqs.run("dm-inbound.fifo", inbound.handler)
    unread = [each["inbound"]["type"] for each in sqs.bodies("dm-inbound.fifo")]
    sqs.queues.clear()
    assert unread == ["unread"] * failed
    assert not failed or not is_readable(body)
    assert not PlatformEvent.objects.filter(platform_id="").exists()


def is_readable(body: bytes) -> bool:
    try:
        json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return False
    return True


def own_and_shared(name: str, channel: Channel) -> list[str]:
    """The addresses that a kind's webhooks come to."""
    return [f"/{name}/{channel.pk}", *([f"/{name}"] if hub_channels.KINDS[name].shared_account() else [])]


def samples(name: str) -> list[Any]:
    return [json.loads(path.read_bytes()) for path in sorted((FOLDER / name).glob("[!_]*.json"))]


def made_worse(real: list[Any]) -> st.SearchStrategy[Any]:
    """Samples with something wrong in them; of some a value is huge, or nested deeply."""
    return mutated(real, ANY_JSON | st.sampled_from([HUGE, NESTED]))


any_content = st.data()
few = settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.parametrize("name", KINDS)
@few
@given(any_content, st.sampled_from(DEPTHS))
def test_json(
    name: str, channels: Mapping[str, Channel], sqs: FakeSqs, data: st.DataObject, depth: int
) -> None:
    content = data.draw(made_worse(samples(name)) | ANY_JSON)
    body = (
        json.dumps(content)
        .replace(HUGE, LONG)
        .replace(json.dumps(NESTED), "[" * depth + "]" * depth)
        .encode()
    )
    for path in own_and_shared(name, channels[name]):
        take(path, body, {"content-type": "application/json", **KINDS[name].by(path, body)}, sqs)


@st.composite
def torn(draw: st.DrawFn, real: list[bytes]) -> bytes:
    """A body with other bytes in place of some, or no body of the platform's at all."""
    body = draw(st.sampled_from(real))
    start = draw(st.integers(0, len(body)))
    end = draw(st.integers(start, len(body)))
    put = draw(st.binary(max_size=4))
    return draw(st.just(body[:start] + put + body[end:]) | st.binary(max_size=40))


@pytest.mark.parametrize("name", KINDS)
@few
@example(b"")
@example(b"{")
@example(b"\xff\xfe\xfd")
@example('{"entry": "\x00"}'.encode("utf-16"))
@given(any_content)
def test_bytes(name: str, channels: Mapping[str, Channel], sqs: FakeSqs, data: st.DataObject | bytes) -> None:
    real = [json.dumps(each).encode() for each in samples(name)]
    body = data if isinstance(data, bytes) else data.draw(torn(real))
    for path in own_and_shared(name, channels[name]):
        headers = {"content-type": "application/json", **KINDS[name].by(path, body)}
        take(path, body, headers, sqs, is_text=False)


def test_a_message_with_bytes_that_are_no_text_is_read_but_for_these(
    channels: Mapping[str, Channel], sqs: FakeSqs
) -> None:
    person = {"id": 5, "type": "private", "first_name": "Ann"}
    message = {"message_id": 1, "date": 1_770_000_000, "chat": person, "from": person, "text": "price?"}
    body = json.dumps({"update_id": 1, "message": message}).encode().replace(b"ice", b"\xffce")
    path = f"/telegram/{channels['telegram'].pk}"
    take(path, body, by_telegram(path, body), sqs, is_text=False)
    assert Message.objects.get(direction=Message.Direction.IN).text == "pr\ufffdce?"


@few
@example({"Body": HUGE, "From": "+1", "MessageSid": "SM1"})
@given(made_worse([each["params"] for each in samples("twilio")]) | ANY_JSON)
def test_forms(channels: Mapping[str, Channel], sqs: FakeSqs, content: Any) -> None:
    given_form = content if isinstance(content, dict) else {"Body": content}
    form = {name: each if isinstance(each, str) else json.dumps(each) for name, each in given_form.items()}
    body = urlencode(form, errors="replace").replace("huge+here", LONG).encode()
    take_form(channels["twilio"], body, sqs)


@few
@example(b"\xff\xfe\xfd")
@example(b"Body=\xff&From=%FF&MessageSid=SM1")
@given(torn([urlencode(each["params"]).encode() for each in samples("twilio")]))
def test_bytes_of_forms(channels: Mapping[str, Channel], sqs: FakeSqs, body: bytes) -> None:
    take_form(channels["twilio"], body, sqs)


def take_form(channel: Channel, body: bytes, sqs: FakeSqs) -> None:
    path = f"/twilio/{channel.pk}"
    lossless = "surrogateescape"
    form = parse_qsl(body.decode("utf-8", lossless), keep_blank_values=True, errors=lossless)
    signature = twilio.signature(SECRET, HUB + path, form)
    headers = {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": signature}
    take(path, body, headers, sqs, is_text=False)
