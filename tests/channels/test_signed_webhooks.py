"""What each platform signs, through each front door of AWS: the raw bytes count, and not what they say."""

import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from pytest_django import Settings
from twilio.request_validator import RequestValidator

from hub_lambdas.channels import KINDS
from hub_lambdas.channels.base import Account, SignatureError
from hub_lambdas.http import Request, request_from_event
from tests.channels.gateways import GATEWAYS

SECRET = "the-secret"
HUB = "https://hub.example/prod"
CHANNEL = uuid.UUID(int=1)
# Spaces, an escape and raw UTF-8: no serializer writes it like this again.
JSON = '{"entry" :[ ],"text":"Gr\\u00fc\u00dfe 😀", "n":1.50}'.encode()
FORM = urlencode({"MessageSid": "SM1", "Body": "Grüße 😀 & =", "Blank": ""}).encode()


def of_meta(name: str) -> tuple[Account, Request]:
    made = hmac.new(SECRET.encode(), JSON, hashlib.sha256).hexdigest()
    headers = {"content-type": "application/json", "x-hub-signature-256": f"sha256={made}"}
    request = Request("POST", f"/{name}/{CHANNEL}", headers=headers, body=JSON)
    return Account(CHANNEL, {"app_secret": SECRET}), request


def of_telegram(name: str) -> tuple[Account, Request]:
    headers = {"content-type": "application/json", "x-telegram-bot-api-secret-token": SECRET}
    request = Request("POST", f"/{name}/{CHANNEL}", headers=headers, body=JSON)
    return Account(CHANNEL, {"webhook_secret": SECRET}), request


def of_twilio(name: str) -> tuple[Account, Request]:
    """Over the public address with its query, and the form."""
    path, query = f"/{name}/{CHANNEL}", "ref=77&empty=&z=%2B"
    form = dict(parse_qsl(FORM.decode(), keep_blank_values=True))
    made = RequestValidator(SECRET).compute_signature(f"{HUB}{path}?{query}", form)
    headers = {"content-type": "application/x-www-form-urlencoded; charset=UTF-8", "x-twilio-signature": made}
    return Account(CHANNEL, {"auth_token": SECRET}), Request(
        "POST", path, headers=headers, body=FORM, raw_query=query
    )


def of_slack(name: str) -> tuple[Account, Request]:
    """Over the time and the body."""
    at = str(int(time.time()))
    made = hmac.new(SECRET.encode(), f"v0:{at}:".encode() + JSON, hashlib.sha256).hexdigest()
    signed = {"x-slack-signature": f"v0={made}", "x-slack-request-timestamp": at}
    request = Request(
        "POST", f"/{name}/{CHANNEL}", headers={"content-type": "application/json", **signed}, body=JSON
    )
    return Account(CHANNEL, {"signing_secret": SECRET}), request


def of_webchat(name: str) -> tuple[Account, Request]:
    headers = {"content-type": "application/json", "authorization": f"Bearer {'k' * 43}"}
    return Account(CHANNEL, {}), Request("POST", f"/{name}/{CHANNEL}", headers=headers, body=JSON)


SIGNED = {
    "whatsapp": of_meta,
    "messenger": of_meta,
    "instagram": of_meta,
    "telegram": of_telegram,
    "slack": of_slack,
    "twilio": of_twilio,
    "webchat": of_webchat,
}
OVER_THE_BODY = ["whatsapp", "messenger", "instagram", "slack", "twilio"]
OVER_JSON = [name for name in OVER_THE_BODY if name != "twilio"]


@pytest.fixture(autouse=True)
def hub(settings: Settings) -> None:
    settings.WEBHOOK_URL = HUB


def is_taken(name: str, account: Account, event: Mapping[str, Any]) -> bool:
    """Whether the kind takes what the Lambda is handed, after JSON as Lambda does."""
    try:
        KINDS[name].verify(request_from_event(json.loads(json.dumps(event))), account)
    except SignatureError:
        return False
    return True


through_each_gateway = pytest.mark.parametrize("gateway", GATEWAYS)
as_text_and_encoded = pytest.mark.parametrize("is_encoded", [False, True], ids=["text", "base64"])


@pytest.mark.parametrize("name", SIGNED)
@through_each_gateway
@as_text_and_encoded
def test_what_the_platform_signed_is_taken(name: str, gateway: str, is_encoded: bool) -> None:
    account, request = SIGNED[name](name)
    event = GATEWAYS[gateway](request, is_encoded)
    assert is_taken(name, account, event)
    arrived = request_from_event(event)
    assert (arrived.body, arrived.path, arrived.method) == (request.body, request.path, "POST")


@pytest.mark.parametrize("name", SIGNED)
@through_each_gateway
def test_without_its_headers_it_is_not(name: str, gateway: str) -> None:
    account, request = SIGNED[name](name)
    bare = replace(request, headers={"content-type": request.headers["content-type"]})
    assert not is_taken(name, account, GATEWAYS[gateway](bare, False))


@pytest.mark.parametrize("name", OVER_THE_BODY)
@through_each_gateway
@as_text_and_encoded
def test_one_other_byte_is_not(name: str, gateway: str, is_encoded: bool) -> None:
    account, request = SIGNED[name](name)
    changed = replace(request, body=request.body.replace(b"e", b"i", 1))
    assert changed.body != request.body
    assert not is_taken(name, account, GATEWAYS[gateway](changed, is_encoded))


@pytest.mark.parametrize("name", OVER_JSON)
@through_each_gateway
def test_the_same_json_in_other_bytes_is_not(name: str, gateway: str) -> None:
    account, request = SIGNED[name](name)
    again = json.dumps(json.loads(request.body), ensure_ascii=False).encode()
    assert not is_taken(name, account, GATEWAYS[gateway](replace(request, body=again), False))


@pytest.mark.parametrize("name", [name for name in OVER_THE_BODY if SIGNED[name] is of_meta])
@through_each_gateway
def test_bytes_that_are_no_text_are_signed_too(name: str, gateway: str) -> None:
    body = b"\xff\x00 no text"
    made = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    request = Request("POST", "/", headers={"x-hub-signature-256": f"sha256={made}"}, body=body)
    assert is_taken(name, Account(CHANNEL, {"app_secret": SECRET}), GATEWAYS[gateway](request, True))


@pytest.mark.parametrize("name", [name for name in SIGNED if name != "webchat"])
@pytest.mark.parametrize("stored", ["", None, 0, []])
def test_without_a_stored_secret_nothing_is_taken(name: str, stored: Any, settings: Settings) -> None:
    settings.META_APP_SECRET = settings.META_INSTAGRAM_SECRET = ""
    account, request = SIGNED[name](name)
    event = GATEWAYS["function URL"](request, False)
    assert not is_taken(name, Account(CHANNEL, {}), event)
    assert not is_taken(name, Account(CHANNEL, dict.fromkeys(account.credentials, stored)), event)


def test_the_hubs_own_app_signs_for_all_of_metas_kinds(settings: Settings) -> None:
    settings.META_APP_SECRET, settings.META_VERIFY_TOKEN = SECRET, "v1"
    for name in ("whatsapp", "messenger", "instagram"):
        shared, (_, request) = KINDS[name].shared_account(), of_meta(name)
        assert shared is not None
        assert is_taken(name, shared, GATEWAYS["HTTP API"](replace(request, path=f"/{name}"), True))
