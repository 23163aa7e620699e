"""From the paste of a credential to the first answer, for every kind: on the console's pages, through the
real functions, at the fake platforms."""

import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html import unescape
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from console.channels.models import Channel
from hub_lambdas import errands, inbound, outbound
from hub_lambdas.channels import KINDS
from tests.channels.listening import hub_listening
from tests.factories import make_canned_prompt, make_member, make_organization
from tests.fakes.platform import Account
from tests.fakes.platform.webhooks import request
from tests.fakes.platforms import FakePlatforms
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.test_pipeline import answer

pytestmark = pytest.mark.django_db(transaction=True)

QUESTION, ANSWER = "How much is a whitening?", "A whitening costs 240 €."
A_MINUTE = 60
WEBCHAT = "webchat"


@dataclass(frozen=True)
class Line:
    """Somebody who writes, and what a platform says of whom they write to."""

    contact: Any
    connected_as: Callable[[Account], str]


LINES: Mapping[str, Line] = {
    "whatsapp": Line("4915112345678", lambda account: "Corner Bakery"),
    "messenger": Line("7001", lambda account: "Corner Bakery"),
    "instagram": Line("7002", lambda account: "@Corner Bakery"),
    "telegram": Line(7003, lambda account: "@corner_bakery_bot"),
    "twilio": Line("+4915112345679", lambda account: account.address),
    "slack": Line("D0ANN", lambda account: "@Corner Bakery"),
}
BY_HAND = {"slack"}
"""Where nobody but a person can enter the hub's address."""


@pytest.fixture
def hub(settings: Settings) -> Iterator[str]:
    with hub_listening() as url:
        settings.WEBHOOK_URL = url
        yield url


@pytest.fixture
def platforms(hub: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePlatforms]:
    """All of them, and a hub that is pointed at them."""
    with FakePlatforms() as served:
        for name, value in served.hub_settings.items():
            monkeypatch.setenv(name, value)
            setattr(settings, name.removeprefix("HUB_"), value)
        for platform in served.all:
            platform.connect_hub(hub)
        yield served


@pytest.fixture
def admin() -> Client:
    """The browser of an admin of an organization that has an answer."""
    organization = make_organization(burst_window_seconds=0)
    make_canned_prompt(organization, QUESTION, answer=ANSWER)
    client = Client()
    client.force_login(make_member(organization))
    return client


def paste(admin: Client, kind: str, credentials: Mapping[str, str]) -> Channel:
    """Enter what the kind's form asks for, as far as there is something to enter, and save."""
    form = admin.get(f"/channels/channel/add/?kind={kind}").content.decode()
    entered = {"organization": _organization(form), "name": "Front desk"}
    entered |= {"bot": "answers", "tells_contacts": "on"}
    for field in KINDS[kind].fields:
        assert f'name="credential_{field.name}"' in form
        entered[f"credential_{field.name}"] = credentials.get(field.name, "")
    entered |= {f"option_{each.name}": "" for each in KINDS[kind].options if each.shape != "switch"}
    answered = admin.post(f"/channels/channel/add/?kind={kind}", entered)
    channel = Channel.objects.get()
    assert answered.headers["location"] == f"/channels/channel/{channel.pk}/test/"
    return channel


def _organization(form: str) -> str:
    """The organization that the form offers."""
    found = re.search(r'name="organization".*?<option value="(\d+)"', form, re.DOTALL)
    assert found
    return found[1]


def look(admin: Client, channel: Channel) -> str:
    """What the page that watches the test message says."""
    return unescape(admin.get(f"/channels/channel/{channel.pk}/test/").content.decode())


def work(sqs: FakeSqs) -> None:
    """What the functions do, and the LLM, until nothing waits."""
    functions = {
        "dm-inbound.fifo": inbound.handler,
        "dm-outbound.fifo": outbound.handler,
        "errands": errands.handler,
    }
    while any(sqs.queues.get(name) for name in functions) or sqs.requests():
        for name, handler in functions.items():
            assert sqs.run(name, handler) == 0
        answer(sqs, ANSWER)


def seconds_shown(page: str) -> float:
    found = re.search(r"Answered after ([0-9.]+) s", page)
    assert found, page
    return float(found[1])


@pytest.mark.parametrize("kind", [name for name in KINDS if name != WEBCHAT])
def test_a_pasted_credential_is_answered_within_a_minute(
    kind: str, platforms: FakePlatforms, hub: str, admin: Client, sqs: FakeSqs
) -> None:
    line, platform, pasted = LINES[kind], platforms.of[kind], time.monotonic()
    account = platform.open_account(kind, "Corner Bakery")

    channel = paste(admin, kind, account.credentials)

    page = look(admin, channel)
    assert re.search(rf"Connected as <b[^>]*>[^<]*{re.escape(line.connected_as(account))}", page)
    own = f"{hub}/{kind}/{channel.pk}"
    registered, _, _ = platform.webhook_of(account.address).partition("#")
    assert registered in ([""] if kind in BY_HAND else [own, f"{hub}/{kind}"])
    assert ("One step left" in page and own in page) is (kind in BY_HAND)
    assert "On its way" in page
    work(sqs)
    page = look(admin, channel)
    assert seconds_shown(page) < A_MINUTE
    assert time.monotonic() - pasted < A_MINUTE
    assert ANSWER in page
    assert platform.sent == [], "nobody is written to"

    if kind in BY_HAND:
        assert platform.enter_address(account.address, own)
    platform.write(account.address, line.contact, QUESTION)
    platform.wait_until_delivered()
    work(sqs)
    (sent,) = platform.sent
    assert (sent["account"], sent["text"]) == (account.address, ANSWER)
    assert "One step left" not in look(admin, channel)


def test_a_web_chat_answers_within_a_minute_and_asks_for_no_credential(
    hub: str, admin: Client, sqs: FakeSqs
) -> None:
    pasted = time.monotonic()
    channel = paste(admin, WEBCHAT, {})
    assert "Connected as" in look(admin, channel)
    work(sqs)
    page = look(admin, channel)
    assert seconds_shown(page) < A_MINUTE
    assert time.monotonic() - pasted < A_MINUTE
    assert ANSWER in page

    visitor = {"authorization": f"Bearer {secrets.token_urlsafe(32)}", "content-type": "application/json"}
    own = f"{hub}/{WEBCHAT}/{channel.pk}"
    status, _ = request(own, json.dumps({"id": "1", "text": QUESTION}).encode(), visitor)
    assert status == 202
    work(sqs)
    _, content = request(f"{own}/messages?after=0", headers=visitor)
    assert [each["text"] for each in json.loads(content)["messages"]] == [QUESTION, ANSWER]
