"""The fake Graph API keeps those promises of the real one that the hub builds on."""

import hashlib
import hmac
import json
from collections.abc import Iterator

import pytest

from hub_lambdas.http import Request, Response
from tests.channels.listening import listening
from tests.fakes import server
from tests.fakes.pages import FakePages
from tests.fakes.platform import request
from tests.fakes.platforms import FakePlatforms


@pytest.fixture
def platform() -> Iterator[FakePages]:
    with FakePages() as fake:
        fake.add_app("111", "secret")
        fake.add_page("T1", "101", "One", "111")
        fake.add_page("T2", "102", "Two", "111")
        yield fake


def call(platform: FakePages, path: str, token: str, **parameters: object) -> int:
    headers, body = {"authorization": f"Bearer {token}"}, json.dumps(parameters).encode()
    answer = platform.respond(server.Request("POST", f"/facebook/v26.0/{path}", {}, headers, body))
    return answer.status if answer else 0


def subscribe(platform: FakePages, hub: str) -> None:
    given = {"object": "page", "callback_url": hub, "verify_token": "v"}
    assert call(platform, "111/subscriptions", "111|secret", **given) == 200
    for token in ("T1", "T2"):
        assert call(platform, "me/subscribed_apps", token, subscribed_fields="messages,message_echoes") == 200


class Hub:
    """A webhook that notes what arrives, and refuses as often as told."""

    def __init__(self, refusals: int = 0) -> None:
        self.arrived: list[Request] = []
        self.refusals = refusals

    def __call__(self, request: Request) -> Response:
        if request.method == "GET":
            return Response(200, request.query["hub.challenge"])
        self.arrived.append(request)
        self.refusals -= 1
        return Response(503 if self.refusals >= 0 else 200)


def test_webhooks_are_signed_and_batched(platform: FakePages) -> None:
    hub = Hub()
    with listening(hub) as url:
        subscribe(platform, url)
        with platform.held():
            for token in ("T1", "T2", "T1"):
                platform.write(token, "7", "hi")
        platform.wait_until_delivered()
    (request,) = hub.arrived
    signature = hmac.new(b"secret", request.body, hashlib.sha256).hexdigest()
    assert request.headers["x-hub-signature-256"] == f"sha256={signature}"
    entries = json.loads(request.body)["entry"]
    assert [(entry["id"], len(entry["messaging"])) for entry in entries] == [("101", 2), ("102", 1)]


def test_a_refused_webhook_comes_again(platform: FakePages) -> None:
    hub = Hub(refusals=2)
    with listening(hub) as url:
        subscribe(platform, url)
        platform.write("T1", "7", "hi")
        platform.wait_until_delivered()
    assert [each.status for each in platform.deliveries] == [503, 503, 200]
    assert len(hub.arrived) == 3


def test_pages_and_whatsapp_are_called_at_one_address() -> None:
    with FakePlatforms() as platforms:
        page = platforms.of["messenger"].open_account("messenger", "Clinic")
        number = platforms.of["whatsapp"].open_account("whatsapp", "Clinic")
        for account in (page, number):
            headers = {"authorization": f"Bearer {account.credentials['access_token']}"}
            url = f"{platforms.graph.url}/v26.0/{account.address}"
            status, body = request(url, headers=headers)
            assert (status, json.loads(body)["id"]) == (200, account.address)


def test_a_webhook_that_does_not_shake_hands_is_not_registered(platform: FakePages) -> None:
    with listening(lambda request: Response(200, "hello")) as url:
        given = {"object": "page", "callback_url": url, "verify_token": "v"}
        assert call(platform, "111/subscriptions", "111|secret", **given) == 400
    assert not platform.apps["111"].callbacks


def test_a_message_comes_back_as_an_echo_with_what_was_attached(platform: FakePages) -> None:
    hub = Hub()
    with listening(hub) as url:
        subscribe(platform, url)
        platform.write("T1", "7", "hi")
        content = {
            "recipient": {"id": "7"},
            "messaging_type": "RESPONSE",
            "message": {"text": "hello", "metadata": "ref"},
        }
        url, headers = f"{platform.graph_url}/v26.0/me/messages", {"authorization": "Bearer T1"}
        _, answer = request(url, json.dumps(content).encode(), headers)
        mid = json.loads(answer)["message_id"]
        platform.wait_until_delivered()
    items = [
        item
        for each in hub.arrived
        for entry in json.loads(each.body)["entry"]
        for item in entry["messaging"]
    ]
    assert items[-1]["message"] == {
        "mid": mid,
        "text": "hello",
        "metadata": "ref",
        "is_echo": True,
        "app_id": 111,
    }
