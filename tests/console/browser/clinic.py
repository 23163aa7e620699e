"""A clinic on the hub, and what is around the console: its contacts, their platform, the LLM and the worker.
Each does its part when a test says so, through the handlers that do it in production."""

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from console.channels.models import Channel
from console.conversations.models import Conversation
from console.organizations.models import Organization, User
from hub_lambdas import errands, inbound, outbound, replies, webhook
from hub_lambdas.queues import ERRANDS, INBOUND, LLM_REPLIES, LLM_REQUESTS, OUTBOUND
from hub_lambdas.turns import HANDOVER_MARK
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.conftest import Pigeon, http_event
from tests.hub_lambdas.test_pipeline import reply_to

WHITENING = "How much is a whitening?"
HOURS = "What are your opening hours?"
PERSON = "Can I talk to a human, please?"
"""Goes to staff at once."""
NAMES = {"ann": "Ann Berg", "ben": "Ben Okafor"}
_FACT = re.compile("Facts?: (.*)")


@dataclass(frozen=True)
class Clinic:
    """An organization with a channel, and who works there."""

    organization: Organization
    channel: Channel
    admin: User
    agent: User
    colleague: User
    """Another agent."""
    sqs: FakeSqs
    platform: Pigeon

    def write(self, contact: str, text: str) -> None:
        """A contact writes; the hub stores it and does what is due at once."""
        item = {"from": contact, "id": uuid.uuid4().hex, "kind": "text", "text": text}
        event = http_event(f"/pigeon/{self.channel.pk}", json.dumps([item]), ring="r1")
        assert webhook.handler(event, None)["statusCode"] == 200
        assert self.sqs.run(INBOUND, inbound.handler) == 0
        assert self.sqs.run(ERRANDS, errands.handler) == 0
        self.deliver()

    def deliver(self) -> None:
        """The platform takes what is on its way to contacts."""
        assert self.sqs.run(OUTBOUND, outbound.handler) == 0

    def think(self) -> None:
        """The LLM answers what it is asked, and what comes of that leaves."""
        for request in self.sqs.requests():
            self.sqs.put(LLM_REPLIES, reply_to(request, _answer(request["messages"])))
        self.sqs.queues[LLM_REQUESTS] = []
        assert self.sqs.run(LLM_REPLIES, replies.handler) == 0
        self.deliver()

    def heard(self, contact: str) -> list[str]:
        """What a contact got."""
        return [text for whom, text in self.platform.sent if whom == contact]

    def conversation(self, contact: str) -> Conversation:
        return Conversation.objects.get(contact__platform_id=contact)

    def inbox(self, contact: str) -> str:
        """The address of a contact's conversation in the inbox."""
        return f"/inbox/{self.conversation(contact).pk}/"


def _answer(messages: Sequence[Mapping[str, str]]) -> str:
    """What a model says that does as it is told: the fact that stands with the question."""
    fact = _FACT.search(messages[-1]["content"])
    return fact[1] if fact and fact[1] != "none" else HANDOVER_MARK
