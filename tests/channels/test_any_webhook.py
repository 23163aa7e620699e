"""Whatever a platform signs is taken, stored, and fails nowhere: real webhooks with something wrong in them,
huge ones, deep ones, any JSON at all. Through the function that answers and the one that stores."""

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
from console.conversations.models import PlatformEvent
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
"""Python reads some thousand levels. What is nested more deeply nobody can read: it becomes a dead letter."""


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


def take(path: str, body: bytes, headers: Headers, sqs: FakeSqs) -> None:
    """Post it as a gateway does, and store what is queued."""
    request = Request("POST", path, headers=headers, body=body)
    event = json.loads(json.dumps(GATEWAYS["function URL"](request, False)))
    answered = webhook.handler(event, None)
    assert answered["statusCode"] == 200, answered
    failed = sqs.run("dm-inbound.fifo", inbound.handler)
    unread = [each["inbound"]["type"] for each in sqs.bodies("dm-inbound.fifo")]
    sqs.queues.clear()
    assert unread == ["unread"] * failed
    assert not failed or b"[" * DEPTHS[-1] in body
    assert not PlatformEvent.objects.filter(platform_id="").exists()


def samples(name: str) -> list[Any]:
    return [json.loads(path.read_bytes()) for path in sorted((FOLDER / name).glob("[!_]*.json"))]


def made_worse(real: list[Any]) -> st.SearchStrategy[Any]:
    """Samples with something wrong in them; of some a value is huge, or nested deeply."""
    return mutated(real, ANY_JSON | st.sampled_from([HUGE, NESTED]))


any_content = st.data()
few = settings(
    max_examples=25,
    deadline=None,
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
    own, hubs = f"/{name}/{channels[name].pk}", f"/{name}"
    for path in (own, hubs) if hub_channels.KINDS[name].shared_account() else (own,):
        take(path, body, {"content-type": "application/json", **KINDS[name].by(path, body)}, sqs)


@few
@example({"Body": HUGE, "From": "+1", "MessageSid": "SM1"})
@given(made_worse([each["params"] for each in samples("twilio")]) | ANY_JSON)
def test_forms(channels: Mapping[str, Channel], sqs: FakeSqs, content: Any) -> None:
    given_form = content if isinstance(content, dict) else {"Body": content}
    form = {name: each if isinstance(each, str) else json.dumps(each) for name, each in given_form.items()}
    body = urlencode(form, errors="replace").replace("huge+here", LONG).encode()
    path = f"/twilio/{channels['twilio'].pk}"
    signature = twilio.signature(SECRET, HUB + path, parse_qsl(body.decode(), keep_blank_values=True))
    headers = {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": signature}
    take(path, body, headers, sqs)
