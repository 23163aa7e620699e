"""A hub without its surroundings: real Postgres, real handlers, queues in memory, and a platform that takes
everything."""

import itertools
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

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
_number = itertools.count(1)


def prepare_database() -> None:
    """All tables, in an empty database."""
    call_command("migrate", verbosity=0)


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
