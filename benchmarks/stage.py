"""A hub without its surroundings: real Postgres, real handlers, queues in memory, and a platform that takes
everything."""

import hashlib
import hmac
import itertools
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

import hub_lambdas.runtime  # noqa: F401 - starts Django before any model is imported
from console.channels.models import Channel
from console.conversations.models import Message
from console.organizations.models import Organization
from console.prompts.models import CannedPrompt, PromptVersion
from hub_lambdas import dead_letters, errands, inbound, outbound, queues, replies, sweep, wakeups, webhook
from tests.fakes.sqs import FakeSqs

Call = tuple[str, Callable[[], Any]]
BATCH = 10
WEBHOOKS = 40
_number = itertools.count(1)


def _whatsapp_entry(address: str) -> dict[str, Any]:
    message = {"from": "49170", "id": f"wamid.{next(_number)}", "type": "text", "text": {"body": "Hello?"}}
    value = {"metadata": {"phone_number_id": address}, "messages": [{**message, "timestamp": "1764000000"}]}
    return {"id": "1", "changes": [{"field": "messages", "value": value}]}


def _messaging_entry(address: str) -> dict[str, Any]:
    message = {"mid": f"m_{next(_number)}", "text": "Hello?"}
    item = {"sender": {"id": "7"}, "recipient": {"id": address}, "timestamp": 1764000000000}
    return {"id": address, "time": 1764000000000, "messaging": [{**item, "message": message}]}


META_ENTRIES: dict[str, Callable[[str], dict[str, Any]]] = {
    "whatsapp": _whatsapp_entry,
    "messenger": _messaging_entry,
    "instagram": _messaging_entry,
}
_OBJECTS = {"whatsapp": "whatsapp_business_account", "messenger": "page", "instagram": "instagram"}


def _signed(kind: str, make: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """A webhook of the hub's own app as API Gateway hands it over."""
    settings.META_APP_SECRET, settings.META_VERIFY_TOKEN = "secret", "token"
    entries = [make(f"{1000 + number}") for number in range(BATCH)]
    body = json.dumps({"object": _OBJECTS[kind], "entry": entries})
    signature = hmac.new(b"secret", body.encode(), hashlib.sha256).hexdigest()
    return {
        "version": "2.0",
        "rawPath": f"/{kind}",
        "headers": {"x-hub-signature-256": f"sha256={signature}", "content-type": "application/json"},
        "requestContext": {"http": {"method": "POST", "sourceIp": "127.0.0.1"}},
        "body": body,
        "isBase64Encoded": False,
    }


def prepare_database() -> None:
    """All tables, in an empty database."""
    call_command("migrate", verbosity=0)


def _post(event: dict[str, Any]) -> None:
    answer = webhook.handler(event, None)
    if answer["statusCode"] != 200:
        raise RuntimeError(f"the webhook answered {answer}")


class Stage:
    """One organization with a web chat channel and a dozen canned prompts."""

    def __init__(self) -> None:
        prepare_database()
        self.sqs = FakeSqs()
        queues.client = lambda: self.sqs  # type: ignore[assignment]
        queues.url.cache_clear()
        organization = Organization.objects.create(slug="stage", name="Stage", burst_window_seconds=1)
        PromptVersion(organization=organization, instructions="You answer briefly.").publish()
        for number in range(12):
            CannedPrompt.objects.create(
                organization=organization,
                question=f"How much is treatment {number}?",
                answer=f"It is {number} €.",
            )
        self.channel = Channel.objects.create(organization=organization, kind="webchat", name="Chat")

    def journey(self, contact: str) -> Iterator[Call]:
        """The calls that take one message from the webhook to the platform, by handler, in order."""
        yield "webhook", lambda: webhook.handler(self._posted(contact), None)
        yield "inbound", lambda: self._run("dm-inbound.fifo", inbound.handler)
        self._let_the_burst_window_pass()
        yield "wakeups", lambda: self._run("wakeups", wakeups.handler)
        self._reply()
        yield "replies", lambda: self._run("llm-replies", replies.handler)
        yield "outbound", lambda: self._run("dm-outbound.fifo", outbound.handler)
        self.sqs.put("errands", {"contact": 1})
        yield "errands", lambda: self._run("errands", errands.handler)
        self.sqs.put("wakeups-dead", {"turn": 1})
        yield "dead_letters", lambda: self._run("wakeups-dead", dead_letters.handler)
        yield "sweep", lambda: sweep.handler({}, None)

    def batched(self) -> Iterator[Call]:
        """For each kind of Meta's a webhook of the hub's own app with BATCH entries, each for a channel of an
        organization of its own."""
        organizations = [
            Organization.objects.create(slug=f"meta-{number}", name="Meta") for number in range(BATCH)
        ]
        for name, make in META_ENTRIES.items():
            for number, organization in enumerate(organizations):
                address = f"{1000 + number}"
                Channel.objects.create(organization=organization, kind=name, name=name, address=address)
            for _ in range(WEBHOOKS):
                yield f"{name} x{BATCH}", partial(_post, _signed(name, make))

    def _run(self, queue: str, handler: Callable[[dict[str, Any], object], dict[str, Any]]) -> None:
        failed = self.sqs.run(queue, handler)
        if failed:
            raise RuntimeError(f"{failed} records of {queue} failed")

    def _let_the_burst_window_pass(self) -> None:
        Message.objects.filter(direction="in").update(received_at=timezone.now() - timedelta(seconds=2))
        self.sqs.release("wakeups")

    def _reply(self) -> None:
        asked = (body for body in self.sqs.bodies("llm-requests") if body.get("wants_reply", True))
        for request in asked:
            self.sqs.put("llm-replies", {"id": request["id"], "status": "completed", "text": "It is 7 €."})
        self.sqs.queues["llm-requests"] = []

    def _posted(self, contact: str) -> dict[str, Any]:
        return {
            "version": "2.0",
            "rawPath": f"/webchat/{self.channel.pk}",
            "headers": {"authorization": f"Bearer {contact:x<43}", "content-type": "application/json"},
            # Each from elsewhere: a web chat takes so many new contacts of one address only.
            "requestContext": {"http": {"method": "POST", "sourceIp": f"2001:db8:0:{next(_number):x}::1"}},
            "body": json.dumps({"id": f"message-{contact}", "text": "How much is treatment 7?"}),
            "isBase64Encoded": False,
        }
