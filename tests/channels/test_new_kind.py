"""Kind number seven: one class and one registry line, and console, functions and files serve it."""

import ast
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.test import Client

from console.channels.models import Channel
from console.conversations.models import Message, Turn
from console.organizations import organization_file, organization_import
from console.organizations.models import Organization
from hub_lambdas import channels, grounding, inbound, outbound, webhook
from hub_lambdas.channels import KINDS, payloads
from hub_lambdas.channels import text as texts
from hub_lambdas.channels.base import (
    Account,
    CredentialRejected,
    FetchedMedia,
    Field,
    Health,
    Inbound,
    InboundMessage,
    Media,
    MediaGone,
    OtherEvent,
    Sample,
    Sender,
    SendRejected,
    SignatureError,
)
from hub_lambdas.channels.client import CLIENT
from hub_lambdas.channels.defaults import Defaults
from hub_lambdas.http import Request
from tests import factories
from tests.channels.gateways import GATEWAYS
from tests.fakes import server
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.steps import wake
from tests.hub_lambdas.test_pipeline import answer

ROOT = Path(__file__).parent.parent.parent
SIGNATURE_HEADER = "x-fax-signature"


class Fax(Defaults):
    """A line, one channel each. The platform posts lists of `{"id", "from", "text"}`, signed with the line's
    key, and takes `{"to", "text"}`."""

    name: ClassVar[str] = "fax"
    label: ClassVar[str] = "Fax"
    fields: ClassVar[Sequence[Field]] = (Field("key", "Key of the line", secret=True),)
    options: ClassVar[Sequence[Field]] = (Field("cover", "Cover page", required=False, shape="switch"),)
    text_limit: ClassVar[int] = 20

    def __init__(self, url: str) -> None:
        self._url = url

    def verify(self, request: Request, account: Account) -> None:
        given = request.headers.get(SIGNATURE_HEADER, "").encode()
        if not hmac.compare_digest(given, _signature(account, request.body)):
            raise SignatureError("The signature is missing or wrong.")

    def parse(self, request: Request, account: Account) -> Sequence[Inbound]:
        return [_read(item) for item in request.json()]

    def send(
        self,
        account: Account,
        contact: str,
        text: str,
        reference: str,
        choices: Sequence[str] = (),
        *,
        is_late: bool = False,
    ) -> str:
        return payloads.text(self._call(account, "POST", {"to": contact, "text": text}), "id")

    def split(self, text: str, choices: Sequence[str] = ()) -> Sequence[str]:
        return texts.split(text, self.text_limit)

    def fetch_media(self, account: Account, media: Media, limit_bytes: int) -> FetchedMedia:
        raise MediaGone("A fax has no files.")

    def identify(self, account: Account) -> Health:
        return Health(payloads.text(self._call(account, "GET"), "line"))

    def register(self, account: Account, webhook_url: str) -> Health:
        return self.identify(account)

    def check(self, account: Account, webhook_url: str) -> Health:
        return self.identify(account)

    def sample(self, account: Account, address: str, text: str) -> Sample:
        contact = secrets.token_hex(8)
        body = json.dumps([{"id": secrets.token_hex(8), "from": contact, "text": text}]).encode()
        headers = {SIGNATURE_HEADER: _signature(account, body).decode()}
        return Sample(contact, Request("POST", f"/fax/{account.channel_id}", headers=headers, body=body))

    def _call(self, account: Account, method: str, content: object = None) -> Any:
        headers = {"authorization": account.credentials["key"]}
        found = CLIENT.call("Fax", method, self._url, content=content, headers=headers)
        if found.status == 401:
            raise CredentialRejected("The fax line does not accept the key: enter the right one.")
        if found.status != 200:
            raise SendRejected("The fax line does not take this.")
        return found.content


def _signature(account: Account, body: bytes) -> bytes:
    return hmac.new(account.credentials["key"].encode(), body, hashlib.sha256).hexdigest().encode()


def _read(item: Any) -> Inbound:
    payload, id_ = json.dumps(item), payloads.text(item, "id")
    if not payloads.text(item, "text"):
        return OtherEvent(id_ or payloads.digest(payload.encode()), "blank", payload)
    sender = Sender(payloads.text(item, "from"))
    return InboundMessage(sender, id_, "text", payloads.text(item, "text"), None, payload)


class FakeFax:
    """The platform: knows one key, and keeps what it took."""

    def __init__(self) -> None:
        self.key = "right"
        self.taken: list[tuple[str, str]] = []

    def respond(self, request: server.Request) -> server.Answer:
        if request.headers["authorization"] != self.key:
            return server.Answer.of_json({}, 401)
        if request.method == "GET":
            return server.Answer.of_json({"line": "Line 7"})
        content = json.loads(request.body)
        self.taken.append((content["to"], content["text"]))
        return server.Answer.of_json({"id": f"page-{len(self.taken)}"})


@pytest.fixture
def platform(transactional_db: None, sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeFax]:
    """The platform, and the one line by which the hub knows the kind."""
    fake = FakeFax()
    monkeypatch.setattr(grounding, "objection", lambda answer, sources: "")
    with server.Served(fake.respond) as served:
        monkeypatch.setitem(channels.KINDS, "fax", Fax(served.url))
        yield fake


@pytest.fixture
def admin(platform: FakeFax) -> Client:
    """The browser of an admin of an organization."""
    client = Client()
    client.force_login(factories.make_member(factories.make_organization(burst_window_seconds=0)))
    return client


def connect(admin: Client, key: str = "right", path: str = "add/?kind=fax") -> Channel:
    entered = {"organization": Organization.objects.get().pk, "name": "Front desk", "credential_key": key}
    entered |= {"bot": "answers", "tells_contacts": "on"}
    response = admin.post(f"/channels/channel/{path}", {**entered, "option_cover": "on"})
    assert response.status_code == 302
    return Channel.objects.get()


def deliver(channel: Channel, text: str, gateway: str = "function URL", key: str = "right") -> int:
    """Post a message as the platform does; returns the status that it sees."""
    request = KINDS["fax"].sample(Account(channel.pk, {"key": key}), "", text).request
    return int(webhook.handler(GATEWAYS[gateway](request, True), None)["statusCode"])


def test_an_admin_connects_it(admin: Client) -> None:
    assert "Key of the line" in admin.get("/channels/channel/add/").content.decode()
    channel = connect(admin)
    assert (channel.account, channel.status, channel.status_reason) == ("Line 7", "active", "")
    assert (channel.credentials, channel.options) == ({"key": "right"}, {"cover": True})


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_its_messages_are_answered(admin: Client, platform: FakeFax, sqs: FakeSqs, gateway: str) -> None:
    channel = connect(admin)
    assert deliver(channel, "Are you open?", gateway) == 200
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    answer(sqs, "We are open. Come by any time.")
    assert sqs.run("dm-outbound.fifo", outbound.handler, times=2) == 0
    contact = Message.objects.get(direction="in").conversation.contact.platform_id
    assert platform.taken == [(contact, "We are open. "), (contact, "Come by any time.")]
    sent = Message.objects.filter(direction="out").order_by("pk").values_list("state", "platform_id")
    assert list(sent) == [("sent", "page-1"), ("sent", "page-2")]
    assert Turn.objects.get().state == "answered"


def test_nobody_else_is_believed(admin: Client, sqs: FakeSqs) -> None:
    assert deliver(connect(admin), "Are you open?", key="another") == 401
    assert sqs.bodies("dm-inbound.fifo") == []


def test_a_broken_key_pauses_it_and_the_repair_sends_what_was_held(
    admin: Client, platform: FakeFax, sqs: FakeSqs
) -> None:
    channel = connect(admin)
    deliver(channel, "Are you open?")
    sqs.run("dm-inbound.fifo", inbound.handler)
    platform.key = "newer"
    answer(sqs, "Yes.")
    sqs.run("dm-outbound.fifo", outbound.handler)
    channel.refresh_from_db()
    assert channel.is_held
    assert channel.status_reason == "The fax line does not accept the key: enter the right one."

    connect(admin, "newer", f"{channel.pk}/change/")

    wake(sqs)
    sqs.run("dm-outbound.fifo", outbound.handler)
    assert [text for _, text in platform.taken] == ["Yes."]


def test_it_stands_in_an_organizations_file(platform: FakeFax) -> None:
    text = """
        slug: desk
        name: Desk
        channels:
          - {kind: fax, name: Front desk, options: {cover: true}, credentials: {key: {env: KEY}}}
    """
    organization_import.apply(organization_file.parse("desk.yaml", text), {"KEY": "right"})
    channel = Channel.objects.get()
    assert (channel.credentials, channel.options) == ({"key": "right"}, {"cover": True})
    assert "kind: fax" in organization_file.dump(channel.organization)


def test_nothing_outside_the_kinds_names_one() -> None:
    """Neither in code nor in the templates: what is right for one kind stands in its file."""
    names, kinds = {*KINDS}, ROOT / "hub_lambdas" / "channels"
    found: list[str] = []
    for package in ("console", "hub_lambdas", "infra", "llm_api"):
        files = (file for file in (ROOT / package).rglob("*.py") if kinds not in file.parents)
        found += [f"{file}: {name}" for file in files for name in _texts(file) & names]
    for template in (ROOT / "console" / "templates").rglob("*.html"):
        found += [str(template) for name in names if name in template.read_text()]
    assert found == []


def _texts(file: Path) -> set[object]:
    """The texts that stand alone in a program."""
    nodes = ast.walk(ast.parse(file.read_text()))
    return {node.value for node in nodes if isinstance(node, ast.Constant)}


def test_each_kind_has_one_registry_line_and_its_page_of_the_docs() -> None:
    registry = (ROOT / "hub_lambdas" / "channels" / "__init__.py").read_text()
    for name, kind in KINDS.items():
        assert registry.count(f"import {type(kind).__name__}\n") == 1
        assert (ROOT / "docs" / "channels" / f"{name}.md").is_file()
