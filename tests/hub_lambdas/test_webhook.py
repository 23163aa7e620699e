"""What a platform sees of the webhook, and what is queued behind it."""

import base64
import json
import uuid
from typing import Any

import pytest
from django.db import connection

from console.channels.models import Channel
from hub_lambdas import webhook
from hub_lambdas.http import request_from_event
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.conftest import Pigeon, http_event

pytestmark = pytest.mark.django_db(transaction=True)

BODY = json.dumps([{"from": "ann", "id": "1", "kind": "text", "text": "hello"}])


def post(path: str, body: str = BODY, ring: str = "r1") -> dict[str, Any]:
    return webhook.handler(http_event(path, body, ring=ring), None)


def test_a_signed_message_is_queued(sqs: FakeSqs, channel: Channel) -> None:
    assert post(f"/pigeon/{channel.pk}")["statusCode"] == 200
    [body] = sqs.bodies("dm-inbound.fifo")
    assert body["channel"] == str(channel.pk)
    assert body["inbound"]["text"] == "hello"


@pytest.mark.parametrize("ring", ["", "r2"])
def test_without_a_valid_signature_nothing_is_queued(sqs: FakeSqs, channel: Channel, ring: str) -> None:
    assert post(f"/pigeon/{channel.pk}", ring=ring)["statusCode"] == 401
    assert sqs.bodies("dm-inbound.fifo") == []


def test_too_large(sqs: FakeSqs, channel: Channel) -> None:
    assert post(f"/pigeon/{channel.pk}", json.dumps("x" * 3_000_000))["statusCode"] == 413


@pytest.mark.parametrize(
    "path", ["/", "/webchat", "/pigeon/nonsense", f"/pigeon/{uuid.UUID(int=7)}", "/carp/1"]
)
def test_an_unknown_address(sqs: FakeSqs, channel: Channel, path: str) -> None:
    assert post(path)["statusCode"] == 404


def test_a_channel_answers_only_at_its_own_kind(sqs: FakeSqs, channel: Channel) -> None:
    assert post(f"/telegram/{channel.pk}")["statusCode"] == 404


@pytest.mark.parametrize("odd", [json.dumps([{"from": "ann", "id": "1", "kind": "explode"}]), "{", ""])
def test_what_the_parser_stumbles_over_is_queued_whole(sqs: FakeSqs, channel: Channel, odd: str) -> None:
    assert post(f"/pigeon/{channel.pk}", odd)["statusCode"] == 200
    [body] = sqs.bodies("dm-inbound.fifo")
    assert body["inbound"]["type"] == "unread"
    assert body["inbound"]["payload"] == odd


def test_a_broken_queue_asks_the_platform_to_come_again(
    sqs: FakeSqs, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        sqs,
        "send_message_batch",
        lambda **_: {"Failed": [{"Id": "0", "Code": "InternalError"}]},
        raising=True,
    )
    assert post(f"/pigeon/{channel.pk}")["statusCode"] == 503


def test_without_a_database_it_says_so(sqs: FakeSqs, channel: Channel) -> None:
    path = f"/pigeon/{channel.pk}"
    settings = connection.settings_dict
    host, settings["HOST"] = settings["HOST"], "/nowhere"
    connection.close()
    try:
        assert post(path)["statusCode"] == 503
        assert webhook.handler(http_event("/healthz", method="GET"), None)["statusCode"] == 503
    finally:
        settings["HOST"] = host
        connection.close()
    assert webhook.handler(http_event("/healthz", method="GET"), None)["statusCode"] == 200


def test_many_messages_in_one_webhook(sqs: FakeSqs, channel: Channel, pigeon: Pigeon) -> None:
    many = [
        {"from": f"c{number % 7}", "id": str(number), "kind": "text", "text": "x"} for number in range(45)
    ]
    assert post(f"/pigeon/{channel.pk}", json.dumps(many))["statusCode"] == 200
    assert [body["inbound"]["platform_id"] for body in sqs.bodies("dm-inbound.fifo")] == [
        str(number) for number in range(45)
    ]


class TestRequestFromEvent:
    def test_v1(self) -> None:
        request = request_from_event(
            {
                "httpMethod": "POST",
                "path": "/telegram/x",
                "headers": {"X-Secret": "s"},
                "queryStringParameters": {"a": "1"},
                "requestContext": {"stage": "prod", "identity": {"sourceIp": "10.0.0.1"}},
                "body": base64.b64encode(b"\xff\x00").decode(),
                "isBase64Encoded": True,
            }
        )
        assert (request.method, request.path, request.body) == ("POST", "/telegram/x", b"\xff\x00")
        assert (request.headers, request.query, request.source_ip) == (
            {"x-secret": "s"},
            {"a": "1"},
            "10.0.0.1",
        )

    def test_v2_with_a_stage(self) -> None:
        event = http_event("/prod/telegram/x", "{}")
        event["requestContext"]["stage"] = "prod"
        event["rawQueryString"] = "hub.mode=subscribe&empty="
        request = request_from_event(event)
        assert request.path == "/telegram/x"
        assert request.query == {"hub.mode": "subscribe", "empty": ""}

    def test_v1_without_anything_optional(self) -> None:
        event = {"httpMethod": "GET", "path": "/healthz", "headers": None, "body": None}
        assert request_from_event(event).body == b""
