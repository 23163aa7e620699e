"""The simulator, between the hub's own code for each kind and whoever sits before its page."""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import pytest
from pytest_django import Settings

from hub_lambdas import http
from hub_lambdas.channels import KINDS
from hub_lambdas.channels.base import (
    Account,
    ChannelError,
    CredentialRejected,
    InboundEdit,
    InboundMessage,
    InboundUnsend,
    Reached,
    Receipt,
    SendRefused,
    SendRejected,
    SendUnknown,
)
from tests.fakes.platform import request
from tests.fakes.server import Answer, Request, Served
from tests.fakes.simulator.chats import Contact, Tick
from tests.fakes.simulator.files import PHOTO
from tests.fakes.simulator.memory import Record
from tests.fakes.simulator.simulator import Simulator
from tests.fakes.telegram import CHAT_BURST
from tests.simulating import django_settings, simulating

T = TypeVar("T")
SIMULATED = ("whatsapp", "messenger", "instagram", "telegram", "twilio")


class StubHub:
    """Takes every webhook, and reads it as the hub would."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.arrived = threading.Condition()

    def respond(self, request: Request) -> Answer:
        with self.arrived:
            self.requests.append(request)
            self.arrived.notify_all()
        return Answer(200)

    def wait_for(self, found: Callable[[], T]) -> T:
        """The first true value of something that comes with a webhook."""
        with self.arrived:
            assert self.arrived.wait_for(found, 10), "no such webhook came"
        return found()

    def read(self, account: Account, kind: str, address: str) -> list[Any]:
        """What verified webhooks have brought for an account, in the order in which they came."""
        items: list[Any] = []
        for each in self.requests:
            if each.path in (f"/{kind}", f"/{kind}/{account.channel_id}"):
                webhook = http.Request("POST", each.path, headers=each.headers, body=each.body)
                KINDS[kind].verify(webhook, account)
                items += KINDS[kind].parse(webhook, account)
        return [each for each in items if each.address in ("", address)]


class Line:
    """An account with its first contact, and the channel of a stub hub that it is for."""

    def __init__(self, simulator: Simulator, hub: StubHub, hub_url: str, record: Record) -> None:
        self.simulator, self.hub, self.record, self.kind = simulator, hub, record, record.kind
        self.contact: Contact = record.contacts[0]
        credentials = {**record.credentials, **KINDS[self.kind].new_secrets()}
        self.account = Account(uuid.uuid4(), credentials)
        self.webhook_url = f"{hub_url}/{self.kind}/{self.account.channel_id}"

    def connect(self) -> None:
        assert not KINDS[self.kind].register(self.account, self.webhook_url).problems

    def write(self, text: str) -> None:
        self.simulator.write(self.record, self.contact, text)

    def send(self, text: str) -> str:
        """The hub sends to the contact."""
        return KINDS[self.kind].send(self.account, self.contact.id, text, "ref-1")

    def received(self, type_: type[T]) -> list[T]:
        return [each for each in self._read() if isinstance(each, type_)]

    def _read(self) -> list[Any]:
        return self.hub.read(self.account, self.kind, self.record.address)

    def texts(self) -> list[str]:
        """What the contact has written, as it reached the hub."""
        return [each.text for each in self.received(InboundMessage)]

    def greet(self) -> None:
        """The contact writes, which lets the hub write back."""
        self.connect()
        self.write("Hello")
        self.hub.wait_for(self.texts)

    def page(self, action: str, **content: object) -> tuple[int, dict[str, Any]]:
        """What the page does: status and content of the answer."""
        chosen = {"account": self.record.id, "contact": self.contact.id}
        return self.post(action, {**chosen, **content}, {"content-type": "application/json"})

    def post(self, action: str, content: object, headers: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        url = f"{self.simulator.setup.url}/api/{action}"
        status, answer = request(url, json.dumps(content).encode(), headers)
        return status, json.loads(answer)

    def is_connected(self) -> bool:
        accounts = {each["id"]: each for each in self.state()["accounts"]}
        return bool(accounts[self.record.id]["is_connected"])

    def state(self) -> dict[str, Any]:
        chosen = {"account": self.record.id, "contact": self.contact.id}
        _, answer = request(f"{self.simulator.setup.url}/api/state?{urlencode(chosen)}")
        found: dict[str, Any] = json.loads(answer)
        return found


@pytest.fixture(scope="module")
def hub() -> StubHub:
    return StubHub()


@pytest.fixture(scope="module")
def hub_url(hub: StubHub) -> Iterator[str]:
    with Served(hub.respond) as served:
        yield served.url


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory, hub_url: str) -> Iterator[Simulator]:
    with simulating(tmp_path_factory.mktemp("simulator"), hub_url) as simulator:
        yield simulator


@pytest.fixture
def open_line(simulator: Simulator, hub: StubHub, hub_url: str, settings: Settings) -> Callable[[str], Line]:
    """Makes lines, each with an account of its own."""
    point(settings, simulator)
    return lambda kind: Line(simulator, hub, hub_url, simulator.open_account(kind, "Corner Bakery"))


def point(settings: Settings, simulator: Simulator) -> None:
    """Have the hub's code find the platforms in a simulator."""
    for name, value in django_settings(simulator).items():
        setattr(settings, name, value)


@pytest.mark.parametrize("kind", SIMULATED)
def test_a_contact_is_heard_and_answered(kind: str, open_line: Callable[[str], Line]) -> None:
    line = open_line(kind)
    assert not line.is_connected()
    line.connect()
    assert line.is_connected()

    assert line.page("write", text="How much is it?")[0] == 200

    message = line.hub.wait_for(lambda: line.received(InboundMessage))[0]
    assert (message.text, message.sender.platform_id) == ("How much is it?", line.contact.id)
    KINDS[kind].show_typing(line.account, line.contact.id, message.platform_id)
    assert (line.state()["chat"]["typing_seconds"] > 0) == KINDS[kind].shows_typing
    sent_id = line.send("It is 240 €.")

    chat = line.state()["chat"]["messages"]
    assert [each["text"] for each in chat] == ["How much is it?", "It is 240 €."]
    assert (chat[1]["id"], line.state()["chat"]["typing_seconds"]) == (sent_id, 0)
    wire = [each for each in line.state()["wire"] if each["account"] == line.record.id]
    webhook = next(each for each in wire if each["direction"] == "webhook")
    assert (webhook["status"], webhook["detail"], webhook["count"]) == (200, "How much is it?", 1)
    sends = [each["detail"] for each in wire if each["direction"] == "call" and each["detail"]]
    assert sends == ["It is 240 €."]
    assert not KINDS[kind].check(line.account, line.webhook_url).problems


@pytest.mark.parametrize("kind", SIMULATED)
def test_what_else_people_do_reaches_the_hub(kind: str, open_line: Callable[[str], Line]) -> None:
    line = open_line(kind)
    line.greet()
    can = line.simulator.platforms[kind].can
    first = line.contact.messages[0].id

    for what in ("photo", "voice", "location"):
        assert line.page("write", kind=what)[0] == (200 if what in can else 400)
    assert line.page("edit", message=first, text="Hello there")[0] == (200 if "edit" in can else 400)
    assert line.page("react", message=first, emoji="👍")[0] == (200 if "react" in can else 400)
    if "edit" in can:
        edit = line.hub.wait_for(lambda: line.received(InboundEdit))[0]
        assert (edit.text, edit.message_platform_id) == ("Hello there", first)
    assert line.page("unsend", message=first)[0] == (200 if "unsend" in can else 400)
    if "unsend" in can:
        assert line.hub.wait_for(lambda: line.received(InboundUnsend))[0].message_platform_id == first

    sent = {"photo", "voice", "location"} & set(can)
    line.hub.wait_for(lambda: len(line.received(InboundMessage)) == 1 + len(sent))
    assert not {"text", "unknown"} & {each.kind for each in line.received(InboundMessage)[1:]}


@pytest.mark.parametrize(
    ("kind", "fault", "error"),
    [
        ("telegram", "error", SendUnknown),
        ("whatsapp", "error", SendUnknown),
        ("telegram", "busy", SendRefused),
        ("whatsapp", "busy", SendRefused),
        ("messenger", "busy", SendRefused),
        ("instagram", "busy", SendRefused),
        ("twilio", "busy", SendRefused),
    ],
)
def test_a_fault_meets_one_send_and_the_next_goes_well(
    kind: str, fault: str, error: type[ChannelError], open_line: Callable[[str], Line]
) -> None:
    line = open_line(kind)
    line.greet()
    line.page("faults", fault=fault, value=1)

    with pytest.raises(error):
        line.send("One")
    line.send("Two")

    assert [each.text for each in line.contact.messages if not each.mine] == ["Two"]
    assert line.record.faults.as_json()[fault] == 0


def test_whoever_sends_too_fast_in_a_chat_is_told_to_wait(
    open_line: Callable[[str], Line], simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, now = open_line("telegram"), time.time()
    monkeypatch.setattr(simulator.platforms["telegram"], "now", lambda: now)
    line.greet()
    for _ in range(CHAT_BURST):
        line.send("Quick")
    with pytest.raises(SendRefused, match="retry after 1"):
        line.send("Too quick")
    assert "retry after 1" in json.dumps(line.state()), "it is on the wire"
    now += 1
    line.send("In time")
    taken = [each.text for each in line.contact.messages if not each.mine]
    assert taken == [*["Quick"] * CHAT_BURST, "In time"]


def test_a_message_that_is_taken_in_silence_is_on_the_phone(open_line: Callable[[str], Line]) -> None:
    line = open_line("telegram")
    line.greet()
    line.page("faults", fault="silence", value=1)
    platform = line.simulator.platforms["telegram"]
    body = json.dumps({"chat_id": line.contact.id, "text": "Anybody there?"}).encode()
    path = f"/bot{line.record.credentials['bot_token']}/sendMessage"
    send = Request("POST", path, headers={"content-type": "application/json"}, body=body)
    answers: list[Answer | None] = []
    call = threading.Thread(target=lambda: answers.append(line.simulator.answer(platform, send)))
    call.start()

    with line.simulator.changed:
        said = [lambda: line.contact.messages[-1].text == "Anybody there?"]
        assert line.simulator.changed.wait_for(said[0], 10)
    assert not answers
    platform.lanes.is_closed.set()  # as when the simulator stops
    call.join(10)
    platform.lanes.is_closed.clear()
    assert answers == [None]


@pytest.mark.parametrize("kind", SIMULATED)
def test_a_token_is_rejected_until_it_is_not(kind: str, open_line: Callable[[str], Line]) -> None:
    line = open_line(kind)
    line.greet()
    line.page("faults", fault="token", value=True)

    with pytest.raises(CredentialRejected):
        line.send("One")

    line.page("faults", fault="token", value=False)
    line.send("Two")


@pytest.mark.parametrize("kind", ["messenger", "instagram", "telegram", "twilio"])
def test_who_blocks_the_account_cannot_be_reached(kind: str, open_line: Callable[[str], Line]) -> None:
    line = open_line(kind)
    line.greet()
    line.page("block", on=True)

    with pytest.raises(SendRejected) as caught:
        line.send("One")
    assert caught.value.contact_gone

    line.page("block", on=False)
    line.send("Two")


@pytest.mark.parametrize("kind", ["whatsapp", "telegram", "messenger"])
def test_messages_come_three_times_and_out_of_order(kind: str, open_line: Callable[[str], Line]) -> None:
    line = open_line(kind)
    line.greet()
    line.page("faults", fault="duplicates", value=True)
    line.write("Thrice")
    line.hub.wait_for(lambda: line.texts().count("Thrice") == 3)
    line.page("faults", fault="duplicates", value=False)

    line.page("faults", fault="reorder", value=True)
    line.write("First")
    line.write("Second")

    line.hub.wait_for(lambda: line.texts()[-2:] == ["Second", "First"])


def test_a_burst_and_another_contact_and_account(open_line: Callable[[str], Line]) -> None:
    line = open_line("telegram")
    line.connect()
    line.page("burst", count=3)
    line.hub.wait_for(lambda: len(line.texts()) == 3)

    made = line.page("contacts")[1]["contact"]
    opened = line.page("accounts", kind="telegram", organization="Corner Bakery")[1]["account"]

    accounts = {each["id"]: each for each in line.state()["accounts"]}
    assert made in [each["id"] for each in accounts[line.record.id]["contacts"]]
    assert accounts[opened]["organization"] == "Corner Bakery"
    token = accounts[opened]["credentials"][0]["value"]
    assert (
        KINDS["telegram"].identify(Account(uuid.uuid4(), {"bot_token": token})).account
        == "@corner_bakery_bot"
    )


@pytest.mark.parametrize("kind", ["messenger", "instagram"])
def test_a_contact_has_a_name(kind: str, open_line: Callable[[str], Line]) -> None:
    line = open_line(kind)
    line.greet()
    base = line.simulator.platforms[kind].url

    status, answer = request(
        f"{base}/v26.0/{line.contact.id}?fields=name",
        headers={"authorization": f"Bearer {line.record.credentials['access_token']}"},
    )

    assert (status, json.loads(answer)) == (200, {"id": line.contact.id, "name": "Ada Brandt"})


def test_the_photos_that_contacts_send_can_be_fetched(open_line: Callable[[str], Line]) -> None:
    telegram, whatsapp = open_line("telegram"), open_line("whatsapp")
    for line in (telegram, whatsapp):
        line.greet()
        line.page("write", kind="photo")
    url = telegram.simulator.setup.url
    token = telegram.record.credentials["bot_token"]
    bearer = {"authorization": f"Bearer {whatsapp.record.credentials['access_token']}"}

    sent = telegram.hub.wait_for(
        lambda: [each for each in telegram.received(InboundMessage) if not each.text]
    )
    file_id = json.loads(sent[0].payload)["message"]["photo"][0]["file_id"]
    _, answer = request(f"{url}/telegram/bot{token}/getFile?file_id={file_id}")
    path = json.loads(answer)["result"]["file_path"]
    of_telegram = request(f"{url}/telegram/file/bot{token}/{path}")
    pictures = whatsapp.hub.wait_for(
        lambda: [each for each in whatsapp.received(InboundMessage) if not each.text]
    )
    change = json.loads(pictures[0].payload)["entry"][0]["changes"][0]["value"]
    _, answer = request(f"{url}/graph/v26.0/{change['messages'][0]['image']['id']}", headers=bearer)
    of_whatsapp = request(json.loads(answer)["url"], headers=bearer)

    assert of_telegram == of_whatsapp == (200, PHOTO)


def test_reading_reports_what_was_read(open_line: Callable[[str], Line]) -> None:
    line = open_line("whatsapp")
    line.greet()
    line.send("Welcome")
    assert line.contact.unread == 1

    line.page("look")

    line.hub.wait_for(lambda: [each for each in line.received(Receipt) if each.reached is Reached.READ])
    assert (line.contact.unread, line.contact.messages[-1].tick) == (0, Tick.READ)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "application/json"}, 200),
        ({"content-type": "text/plain"}, 403),
        ({"content-type": "application/json", "host": "rebound.example"}, 403),
    ],
)
def test_only_its_own_page_may_write(
    headers: Mapping[str, str], status: int, open_line: Callable[[str], Line]
) -> None:
    line = open_line("telegram")
    chosen = {"account": line.record.id, "contact": line.contact.id, "text": "Hello"}

    answered, _ = line.post("write", chosen, headers)

    assert (answered, len(line.contact.messages)) == (status, 1 if status == 200 else 0)


@pytest.mark.parametrize(
    ("action", "content"),
    [
        ("write", {"text": "  "}),
        ("write", {"text": "Hello", "contact": "nobody"}),
        ("write", {"text": "Hello", "account": "nobody"}),
        ("faults", {"fault": "error", "value": -1}),
        ("faults", {"fault": "earthquake", "value": 1}),
        ("accounts", {"kind": "telegram", "organization": " "}),
        ("edit", {"message": "none", "text": "x"}),
    ],
)
def test_what_cannot_be_done_is_said(
    action: str, content: Mapping[str, object], open_line: Callable[[str], Line]
) -> None:
    status, answer = open_line("telegram").page(action, **content)

    assert status == 400
    assert answer["error"].endswith(".")


def test_a_token_that_is_not_the_simulators_is_not_shown(open_line: Callable[[str], Line]) -> None:
    line = open_line("telegram")
    with pytest.raises(CredentialRejected):
        KINDS["telegram"].identify(Account(uuid.uuid4(), {"bot_token": "123456:a-real-token"}))
    with pytest.raises(CredentialRejected):
        KINDS["messenger"].identify(Account(uuid.uuid4(), {"access_token": "a-real-token"}))

    assert "a-real-token" not in json.dumps(line.state()["wire"])


def test_after_a_restart_everything_goes_on(
    tmp_path: Path, hub: StubHub, hub_url: str, settings: Settings
) -> None:
    with simulating(tmp_path, hub_url) as simulator:
        point(settings, simulator)
        record = simulator.records_of("telegram")[0]
        line = Line(simulator, hub, hub_url, record)
        line.greet()
        line.send("Welcome")
        ids = {each.id for each in line.contact.messages}

    with simulating(tmp_path, hub_url) as simulator:
        point(settings, simulator)
        again = Line(simulator, hub, hub_url, simulator.records_of("telegram")[0])
        assert again.record.credentials == record.credentials
        assert [each.text for each in again.contact.messages] == ["Hello", "Welcome"]
        again.account = line.account
        again.write("Still there?")
        hub.wait_for(lambda: again.texts() == ["Hello", "Still there?"])
        again.send("Yes")
        assert len(ids | {each.id for each in again.contact.messages}) == 4

    (tmp_path / "state.json").unlink()
    with simulating(tmp_path, hub_url) as simulator:
        assert simulator.records_of("telegram")[0].credentials == record.credentials
