"""Whose forms the hub takes."""

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings
from twilio.request_validator import RequestValidator

from hub_lambdas.channels.base import Account, SignatureError
from hub_lambdas.http import Request, request_from_event
from tests.channels.gateways import GATEWAYS
from tests.channels.twilio.forms import (
    ACCOUNT,
    FORM,
    FORMS,
    KIND,
    PATH,
    PAYLOADS,
    TOKEN,
    address,
    message,
    payload,
    post,
    signed,
)
from tests.fakes.twilio import signature


def is_taken(request: Request, account: Account = ACCOUNT) -> bool:
    try:
        KIND.verify(request, account)
    except SignatureError:
        return False
    return True


@pytest.mark.parametrize("name", PAYLOADS)
def test_the_signature_of_each_payload_opens(name: str, settings: Settings) -> None:
    content = payload(name)
    parts = urlsplit(content["url"])
    settings.WEBHOOK_URL = f"{parts.scheme}://{parts.netloc}"
    headers = {"content-type": FORM, "x-twilio-signature": content["x_twilio_signature"]}
    request = Request("POST", parts.path, {}, headers, content["raw_body"].encode())
    assert is_taken(request)
    assert not is_taken(replace(request, body=request.body.replace(b"AccountSid=AC0", b"AccountSid=AC1")))
    assert not is_taken(replace(request, path=parts.path + "/"))


def event(gateway: str, form: Mapping[str, str], query: str, made: str, path: str = PATH) -> dict[str, Any]:
    """A form as a gateway hands it over: the host is the gateway's own."""
    headers = {"content-type": f"{FORM}; charset=UTF-8", "x-twilio-signature": made, "host": "inner.example"}
    body = urlencode(form).encode()
    return GATEWAYS[gateway](Request("POST", path, headers=headers, body=body, raw_query=query), True)


@pytest.mark.parametrize("gateway", GATEWAYS)
@pytest.mark.parametrize("query", ["", "ref=77", "ref=77&empty=&z=1&a=2"])
def test_a_form_behind_a_gateway_opens(gateway: str, query: str) -> None:
    """The gateway has its own host, scheme and stage; the contact's `Body=` is blank."""
    form = message(Unknown="x y+&=%", FromCity="")
    url = address(f"{PATH}?{query}" if query else PATH)
    request = request_from_event(event(gateway, form, query, signature(TOKEN, url, form)))
    assert is_taken(request)
    (inbound,) = KIND.parse(request, ACCOUNT)
    assert json.loads(inbound.payload)["Unknown"] == "x y+&=%"


def test_a_query_is_signed_as_it_was_written() -> None:
    """%20 and + mean the same, and are not the same address."""
    query = "b=x%20y&a=%2f&a=2&flag"
    url = address(f"{PATH}?{query}")
    request = request_from_event(event("HTTP API", message(), query, signature(TOKEN, url, message())))
    assert is_taken(request)


def test_the_port_may_be_named_or_not(settings: Settings) -> None:
    for public, called in [
        ("https://hub.example", "https://hub.example:443"),
        ("http://hub.example", "http://hub.example:80"),
        ("https://hub.example:8443", "https://hub.example"),
        ("https://hub.example:8443", "https://hub.example:8443"),
        ("http://[::1]:8080/stage", "http://[::1]/stage"),
    ]:
        settings.WEBHOOK_URL = public
        assert is_taken(signed(message(), url=f"{called}{PATH}"))
    assert not is_taken(signed(message(), url=f"https://hub.example:444{PATH}"))


def test_fields_that_come_twice_are_signed_once() -> None:
    twice = b"MediaUrl=a&MediaUrl=a&MediaUrl=b&Body="
    assert is_taken(signed(twice))
    by_hand = signature(TOKEN, address(), [("Body", ""), ("MediaUrl", "a"), ("MediaUrl", "b")])
    assert is_taken(post(twice, **{"x-twilio-signature": by_hand}))


def test_json_is_signed_by_its_hash() -> None:
    body = '{"name": "ünïcode"}'
    query = f"ref=77&bodySHA256={hashlib.sha256(body.encode()).hexdigest()}"
    url = address(f"{PATH}?{query}")
    made = {"content-type": "application/json", "x-twilio-signature": signature(TOKEN, url, {})}
    assert RequestValidator(TOKEN).validate(url, body, made["x-twilio-signature"])
    request = post(body.encode(), query, **made)
    assert is_taken(request)
    assert not is_taken(replace(request, body=request.body + b" "))
    assert not is_taken(post(body.encode(), query + "0", **made))


@pytest.mark.parametrize("given_signature", ["", "wrong", "sígnature", "\ud800", f"{'A' * 27}="])
def test_another_signature_does_not_open(given_signature: str) -> None:
    assert not is_taken(post(message(), **{"x-twilio-signature": given_signature}))


def test_a_missing_signature_or_another_token_does_not_open() -> None:
    assert not is_taken(post(message()))
    assert not is_taken(signed(message(), token="67890"))


@pytest.mark.parametrize("stored", [{}, {"auth_token": ""}, {"auth_token": None}, {"auth_token": 12345}])
def test_without_a_stored_token_nothing_opens(stored: dict[str, Any]) -> None:
    account = Account(uuid.UUID(int=1), stored)
    for token in ("", "None", "12345"):
        assert not is_taken(signed(message(), token=token), account)


def test_a_form_of_absurdly_many_fields_is_refused() -> None:
    assert not is_taken(signed(b"&".join(b"a=%d" % number for number in range(2000))))


def test_the_acknowledgement_says_nothing_to_the_contact() -> None:
    response = KIND.acknowledge(post({}), ACCOUNT)
    assert (response.status, response.body, response.content_type) == (200, "<Response/>", "text/xml")


@hypothesis_settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FORMS, st.sampled_from(["", "ref=77", "ref=&x=%20y"]))
def test_the_vendors_signatures_open_and_it_takes_the_fakes(form: dict[str, str], query: str) -> None:
    url = address(f"{PATH}?{query}" if query else PATH)
    validator = RequestValidator(TOKEN)
    theirs = validator.compute_signature(url, form)
    assert is_taken(post(form, query, **{"x-twilio-signature": theirs}))
    assert validator.validate(url, form, signature(TOKEN, url, form))


@pytest.mark.parametrize("name", PAYLOADS)
def test_the_vendor_takes_the_payloads(name: str) -> None:
    content = payload(name)
    validator = RequestValidator(content["auth_token"])
    assert validator.validate(content["url"], content["params"], content["x_twilio_signature"])
