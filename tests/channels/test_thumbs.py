"""👍 and 👎 on each platform that has buttons: from the bytes of an answer to the platform, and from those of
a press back to the answer that it stood below."""

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django import Settings

from console.channels.models import Channel
from console.conversations.models import Turn
from console.feedback.models import Feedback
from hub_lambdas import http, inbound, outbound, webhook
from hub_lambdas.accounts import account
from hub_lambdas.channels import KINDS
from hub_lambdas.channels.base import Account
from tests import factories
from tests.channels.test_simulator import StubHub, point
from tests.fakes.server import Answer, Request, Served
from tests.fakes.simulator.chats import Message
from tests.fakes.simulator.simulator import Simulator
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.test_pipeline import answer
from tests.simulating import simulating

pytestmark = pytest.mark.django_db(transaction=True)
WITH_BUTTONS = ("whatsapp", "messenger", "instagram", "telegram", "slack")
FIRST, SECOND = "We are open until six.", "We are in Corner Street."
ASKED = {"Are you open?": FIRST, "Where are you?": SECOND}
THUMBS = ["👍", "👎"]
NOBODY = Account(uuid.UUID(int=0), {})
VISITOR = f"Bearer {'k' * 43}"


class Hub(StubHub):
    """Keeps webhooks until a test hands them on."""

    def respond(self, request: Request) -> Answer:
        super().respond(request)
        given = http.Request(request.method, request.path, headers=request.headers, body=request.body)
        name = request.path.split("/")[1]
        said = KINDS[name].acknowledge(given, NOBODY)
        return Answer(said.status, said.body)

    def hand_on(self, sqs: FakeSqs, is_there: Callable[[], bool]) -> None:
        """Have webhooks stored until something is there."""
        while not is_there():
            self.wait_for(lambda: self.requests)
            with self.arrived:
                came, self.requests = self.requests, []
            for each in came:
                given = http.Request("POST", each.path, headers=each.headers, body=each.body)
                assert webhook.respond(given).status == 200
            assert sqs.run("dm-inbound.fifo", inbound.handler) == 0


@pytest.fixture(scope="module")
def hub() -> Hub:
    return Hub()


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory, hub: Hub) -> Iterator[Simulator]:
    with Served(hub.respond) as served, simulating(tmp_path_factory.mktemp("thumbs"), served.url) as found:
        yield found


@pytest.mark.parametrize("name", WITH_BUTTONS)
def test_a_press_counts_for_the_answer_that_it_stood_below(
    name: str,
    simulator: Simulator,
    hub: Hub,
    sqs: FakeSqs,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    point(settings, simulator)
    monkeypatch.setenv("HUB_SLACK_API_URL", simulator.setup.settings["HUB_SLACK_API_URL"])
    kind, record = KINDS[name], simulator.open_account(name, "Corner Bakery")
    contact = record.contacts[0]
    channel = make_channel(name, address=record.address, credentials=dict(record.credentials))
    url = f"{settings.WEBHOOK_URL}/{name}/{channel.pk}"
    kind.register(account(channel), url)
    if simulator.platforms[name].is_by_hand:
        assert simulator.enter_address(record, url)

    def shown(text: str) -> Message:
        return next(each for each in contact.messages if each.text == text)

    for number, (question, text) in enumerate(ASKED.items()):
        simulator.write(record, contact, question)
        hub.hand_on(sqs, lambda count=number: Turn.objects.count() > count)
        answer(sqs, text)
        sqs.run("dm-outbound.fifo", outbound.handler)
        assert [each.title for each in shown(text).choices] == THUMBS

    simulator.press(record, contact, shown(FIRST), THUMBS.index("👎"))
    hub.hand_on(sqs, Feedback.objects.exists)
    assert opinions() == {FIRST: False}
    simulator.press(record, contact, shown(SECOND), THUMBS.index("👍"))
    hub.hand_on(sqs, lambda: Feedback.objects.count() > 1)
    assert opinions() == {FIRST: False, SECOND: True}
    assert Turn.objects.count() == 2, "a press is no message that wants an answer"


def test_a_click_in_the_web_chat_counts_for_the_answer_that_it_stood_below(sqs: FakeSqs) -> None:
    channel = make_channel("webchat")
    for number, (question, text) in enumerate(ASKED.items()):
        post(channel, sqs, id=f"m-{number}", text=question)
        answer(sqs, text)
        sqs.run("dm-outbound.fifo", outbound.handler)
    shown = {each["text"]: each for each in read(channel) if not each["mine"]}
    assert [shown[text]["choices"] for text in (FIRST, SECOND)] == [THUMBS, THUMBS]
    post(channel, sqs, id="p-1", text="👎", choice=True, below=shown[FIRST]["id"])
    assert opinions() == {FIRST: False}
    post(channel, sqs, id="p-2", text="👍", choice=True)
    assert opinions() == {FIRST: False, SECOND: True}


def test_nobody_gives_feedback_on_an_answer_to_somebody_else(sqs: FakeSqs) -> None:
    channel = make_channel("webchat")
    post(channel, sqs, id="m-1", text="Are you open?")
    answer(sqs, FIRST)
    sqs.run("dm-outbound.fifo", outbound.handler)
    other = f"Bearer {'o' * 43}"
    foreign = read(channel)[-1]["id"]
    post(channel, sqs, visitor=other, id="p-1", text="👎", choice=True, below=foreign)
    assert opinions() == {}


def make_channel(kind: str, **fields: Any) -> Channel:
    organization = factories.make_organization(burst_window_seconds=0, asks_for_feedback=True)
    for question, text in ASKED.items():
        factories.make_canned_prompt(organization, question, answer=text)
    secrets = {**fields.pop("credentials", {}), **KINDS[kind].new_secrets()}
    return factories.make_channel(organization, kind, credentials=secrets, **fields)


def opinions() -> dict[str, bool]:
    return dict(Feedback.objects.values_list("message__text", "is_good"))


def post(channel: Channel, sqs: FakeSqs, visitor: str = VISITOR, **content: Any) -> None:
    """What the chat page posts."""
    body, headers = json.dumps(content).encode(), {"authorization": visitor}
    given = http.Request("POST", f"/webchat/{channel.pk}", headers=headers, body=body)
    assert webhook.respond(given).status == 202
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0


def read(channel: Channel) -> list[dict[str, Any]]:
    """What the chat page shows."""
    path = f"/webchat/{channel.pk}/messages"
    answered = webhook.respond(http.Request("GET", path, headers={"authorization": VISITOR}))
    found: list[dict[str, Any]] = json.loads(answered.body)["messages"]
    return found
