"""The fake Cloud API, by itself."""

import json
import time
import uuid
from typing import Any
from urllib.parse import urlencode

import pytest
import urllib3
from pytest_django import Settings

from hub_lambdas.channels.base import Account, CredentialRejected, InboundMessage, SendRefused
from tests.channels.whatsapp.conftest import KIND, TOKEN, hub, send
from tests.fakes.whatsapp import FakeWhatsApp


def test_the_fake_serves_whoever_tries_the_hub_by_hand(settings: Settings) -> None:
    """As `python -m tests.fakes` does: everything over HTTP."""
    http = urllib3.PoolManager()

    def control(method: str, path: str, **content: Any) -> Any:
        query = f"?{urlencode(content)}" if method == "GET" else ""
        body = json.dumps(content).encode() if method == "POST" else None
        return http.request(method, f"{fake.url}/control/{path}{query}", body=body).json()

    with FakeWhatsApp() as fake:
        settings.GRAPH_API_URL = fake.url
        opened = control("POST", "accounts", kind="whatsapp", name="Clinic", credentials={"app_secret": "s3"})
        number = opened["address"]
        account = Account(uuid.UUID(int=1), {**opened["credentials"], **KIND.new_secrets()})
        with hub(account) as (url, taken):
            assert list(KIND.register(account, url).problems) == []
            control("POST", "messages", account=number, contact="491", text="Are you open?")
            fake.wait_until_delivered()
            send(account, "Yes.", "491")
            lines = control("GET", "conversation", account=number, contact="491")
            control("POST", "troubles", trouble="too fast")
            with pytest.raises(SendRefused):
                send(account, "Yes.", "491")
            control("POST", "tokens", account=number)
            with pytest.raises(CredentialRejected):
                send(account, "Yes.", "491")
            assert "error" in control("POST", "messages", account="7", contact="491", text="?")
    assert [each.text for each in taken if isinstance(each, InboundMessage)] == ["Are you open?"]
    assert [(each["by"], each["text"]) for each in lines] == [
        ("contact", "Are you open?"),
        ("account", "Yes."),
    ]


def test_the_fake_gives_media_for_five_minutes_and_to_whoever_has_a_token(platform: FakeWhatsApp) -> None:
    media_id = platform.add_media(b"a picture", "image/png")
    ask = {"authorization": f"Bearer {TOKEN}"}
    http = urllib3.PoolManager()
    described = http.request("GET", f"{platform.url}/v26.0/{media_id}", headers=ask).json()
    assert described["mime_type"] == "image/png"
    assert http.request("GET", described["url"], headers=ask).data == b"a picture"
    assert http.request("GET", described["url"]).status == 401
    later = time.time() + 301
    platform.now = lambda: later
    assert http.request("GET", described["url"], headers=ask).status == 404
