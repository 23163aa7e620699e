"""Handlers over queues in memory, with a channel kind whose platform is a list."""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from django.utils import timezone

from console.channels.models import Channel
from console.organizations.models import Organization
from hub_lambdas import channels, grounding
from hub_lambdas.channels.base import (
    SHARED,
    Account,
    ContactView,
    Echo,
    FetchedMedia,
    Field,
    Health,
    Inbound,
    InboundEdit,
    InboundMessage,
    InboundUnsend,
    Media,
    MediaGone,
    OtherEvent,
    Reached,
    Receipt,
    ReplyWindow,
    Sample,
    Sender,
    SignatureError,
)
from hub_lambdas.http import BadRequest, Request, Response
from tests.fakes.sqs import FakeSqs


class Pigeon:
    """A channel kind for tests: JSON in, `sent` out, and it fails as told."""

    name: ClassVar[str] = "pigeon"
    label: ClassVar[str] = "Carrier pigeon"
    fields: ClassVar[Sequence[Field]] = ()
    options: ClassVar[Sequence[Field]] = ()
    pages: ClassVar[Mapping[str, str]] = {}
    text_limit: ClassVar[int] = 100
    shows_typing: ClassVar[bool] = True
    reconciles: ClassVar[bool] = False
    names_contacts: ClassVar[bool] = True
    numbers_choices: ClassVar[bool] = False
    admits_anybody: ClassVar[bool] = False

    def shared_account(self) -> Account | None:
        return Account(SHARED, {"ring": "shared"})

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.references: list[int] = []
        self.choices: list[Sequence[str]] = []
        self.typing: list[str] = []
        self.stored: list[Inbound] = []
        self.faults: list[Exception] = []
        self.files: dict[str, FetchedMedia | Exception] = {}
        self.fetched: list[str] = []
        self.names: dict[str, str] = {}
        self.asked_for: list[str] = []
        self.before_send: Callable[[], None] | None = None
        self.window: ReplyWindow | None = None
        self.late: list[bool] = []

    def verify(self, request: Request, account: Account) -> None:
        if request.headers.get("x-ring") != account.credentials.get("ring"):
            raise SignatureError("wrong ring")

    def parse(self, request: Request, account: Account) -> Sequence[Inbound]:
        found: list[Inbound] = []
        for item in request.json():
            if item["kind"] == "explode":
                raise RuntimeError("the parser met a shape that it does not know")
            if item["kind"] == "feather":
                found.append(OtherEvent(item["id"], "feather", "{}"))
            elif item["kind"] == "move":
                moved = Sender(item["from"])
                found.append(OtherEvent(item["id"], "moved", "{}", moved, moved_from=item["before"]))
            elif item["kind"] == "unsend":
                found.append(InboundUnsend(Sender(item["from"]), item["id"], item["of"], "{}"))
            elif item["kind"] == "echo":
                ours, text = item.get("ours", False), item["text"]
                found.append(Echo(Sender(item["from"]), item["id"], text, ours, "{}", item.get("ref", "")))
            elif item["kind"] == "receipt":
                failure, reference = item.get("failure", ""), item.get("ref", "")
                gone = item.get("gone", False)
                receipt = Receipt(
                    item["id"], item.get("message", ""), "{}", reference, failure, contact_gone=gone
                )
                reached = Reached(item.get("reached", "delivered"))
                until = datetime.fromtimestamp(item["until"], UTC) if "until" in item else None
                sender = Sender(item["from"]) if until else None
                found.append(replace(receipt, reached=reached, until=until, sender=sender))
            elif item["kind"] == "edit":
                found.append(InboundEdit(Sender(item["from"]), item["id"], item["of"], item["text"], "{}"))
            else:
                at = timezone.now() - timedelta(seconds=item.get("age", 0))
                sender = Sender(item["from"], alias=item.get("alias", ""))
                files = tuple(Media(each) for each in item.get("files", []))
                kind, text = item["kind"], item.get("text", "")
                below = item.get("below", "")
                message = InboundMessage(sender, item["id"], kind, text, at, "{}", files)
                found.append(replace(message, below_platform_id=below))
            found[-1] = replace(found[-1], address=item.get("address", ""), parent=item.get("parent", ""))
        return found

    def acknowledge(self, request: Request, account: Account) -> Response:
        return Response()

    def refuse(self, request: Request, account: Account, error: BadRequest) -> Response:
        return Response.of_error(error)

    def after_storing(self, account: Account, inbound: Inbound) -> None:
        self.stored.append(inbound)

    def serve(self, request: Request, account: Account, subpath: str, view: ContactView) -> Response:
        return Response(404)

    def reply_window(self, account: Account, contact: str) -> ReplyWindow | None:
        return self.window

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
        if self.before_send:
            self.before_send()
        if self.faults:
            raise self.faults.pop(0)
        self.take(contact, text, reference)
        self.choices.append(choices)
        self.late.append(is_late)
        return f"pigeon-{len(self.sent)}"

    def take(self, contact: str, text: str, reference: str) -> None:
        """Bring it to the contact."""
        self.sent.append((contact, text))
        self.references.append(int(reference))

    def show_typing(self, account: Account, contact: str, message_id: str) -> None:
        self.typing.append(contact)

    def fetch_media(self, account: Account, media: Media, limit_bytes: int) -> FetchedMedia:
        self.fetched.append(media.reference)
        found = self.files.get(media.reference, MediaGone("The pigeon lost it."))
        if isinstance(found, Exception):
            raise found
        return found

    def look_up(self, account: Account, contact: str) -> Sender | None:
        self.asked_for.append(contact)
        if self.faults:
            raise self.faults.pop(0)
        return Sender(contact, self.names[contact]) if contact in self.names else None

    def split(self, text: str, choices: Sequence[str] = ()) -> Sequence[str]:
        return [text[start : start + self.text_limit] for start in range(0, len(text), self.text_limit)]

    def new_secrets(self) -> Mapping[str, str]:
        return {}

    def identify(self, account: Account) -> Health:
        return Health("pigeon")

    def register(self, account: Account, webhook_url: str) -> Health:
        return Health("pigeon")

    def check(self, account: Account, webhook_url: str) -> Health:
        return Health("pigeon")

    def unregister(self, account: Account, webhook_url: str) -> None:
        """Nothing to do."""

    def renew(self, account: Account) -> Mapping[str, Any] | None:
        return None

    def sample(self, account: Account, address: str, text: str) -> Sample:
        contact = f"test-{uuid.uuid4().hex}"
        item = {"from": contact, "id": uuid.uuid4().hex, "kind": "text", "text": text}
        headers = {"x-ring": account.credentials["ring"]}
        body = json.dumps([item]).encode()
        return Sample(contact, Request("POST", f"/pigeon/{account.channel_id}", headers=headers, body=body))


@pytest.fixture
def pigeon(monkeypatch: pytest.MonkeyPatch) -> Pigeon:
    kind = Pigeon()
    monkeypatch.setitem(channels.KINDS, kind.name, kind)
    return kind


def object_to_977(answer: str, sources: object) -> str:
    """In place of the grounding check, which has tests of its own: here the LLM may say anything else."""
    return "It names 977." if "977" in answer else ""


@pytest.fixture
def channel(transactional_db: None, pigeon: Pigeon, monkeypatch: pytest.MonkeyPatch) -> Channel:
    """A pigeon channel of an organization that answers without a burst window."""
    monkeypatch.setattr(grounding, "objection", object_to_977)
    organization = Organization.objects.create(slug="loft", name="The Loft", burst_window_seconds=0)
    return Channel.objects.create(
        organization=organization,
        kind="pigeon",
        name="Loft",
        credentials={"ring": "r1"},
        checked_at=timezone.now(),
    )


@pytest.fixture
def write(sqs: FakeSqs, channel: Channel) -> Callable[..., dict[str, Any]]:
    """Post a message as the platform would; returns the webhook's answer."""
    from hub_lambdas import webhook

    def post(
        text: str = "hello",
        *,
        message_id: str | None = None,
        kind: str = "text",
        contact: str = "ann",
        **more: Any,
    ) -> dict[str, Any]:
        item = {"from": contact, "id": message_id or uuid.uuid4().hex, "kind": kind, "text": text, **more}
        return webhook.handler(http_event(f"/pigeon/{channel.pk}", json.dumps([item]), ring="r1"), None)

    return post


def http_event(path: str, body: str = "", *, method: str = "POST", ring: str = "") -> dict[str, Any]:
    """An API Gateway v2 event."""
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"X-Ring": ring, "content-type": "application/json"},
        "requestContext": {"http": {"method": method, "path": path, "sourceIp": "127.0.0.1"}},
        "body": body,
        "isBase64Encoded": False,
    }
