"""Receipts in every order, before and after the call that sent the message returns."""

import itertools
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from console.channels.models import Channel
from console.conversations.models import Conversation, Message
from hub_lambdas import intake, sending
from hub_lambdas.channels.base import Reached, Receipt, Sender, SendUnknown
from tests import factories
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.conftest import Pigeon

pytestmark = pytest.mark.django_db(transaction=True)

RANKS = [each.value for each in Reached]
FAILURE = "It could not be delivered."
Report = tuple[str, str]
"""("sent", "delivered", "read" or "failed"; how it names the message: "id", "ref" or "until")"""
SETS: list[list[Report]] = [
    [("delivered", "id"), ("read", "until"), ("sent", "ref")],
    [("sent", "id"), ("failed", "id"), ("read", "until")],
    [("sent", "id"), ("failed", "ref"), ("delivered", "id")],
]


@pytest.fixture(autouse=True)
def reconciles(monkeypatch: pytest.MonkeyPatch, sqs: FakeSqs) -> None:
    monkeypatch.setattr(Pigeon, "reconciles", True)


def stories() -> Iterator[tuple[Sequence[Report], int]]:
    """All orders of some reports, and how many of them come before the call returns."""
    for reports in SETS:
        for order in itertools.permutations(reports):
            for early in range(len(order) + 1):
                yield order, early


class Outbound:
    """A reply of staff that is on its way, to a contact of its own."""

    def __init__(self, channel: Channel, pigeon: Pigeon) -> None:
        conversation = factories.make_conversation(channel, owner=Conversation.Owner.STAFF)
        pending = {"state": Message.State.PENDING, "purpose": Message.Purpose.STAFF}
        self.message = factories.make_outbound(conversation, **pending)
        self.contact = Sender(conversation.contact.platform_id)
        self.platform_id = f"pigeon-{len(pigeon.sent) + 1}"

    def report(self, reports: Sequence[Report], seconds: float = 5) -> None:
        """Let the platform say all that. What it says of a time is of so many seconds from now."""
        now = timezone.now()
        for what, how in reports:
            receipt = Receipt(uuid.uuid4().hex, self.platform_id, "{}", sender=self.contact)
            if how == "until":
                receipt = replace(receipt, message_platform_id="", until=now + timedelta(seconds=seconds))
            if how == "ref":
                receipt = replace(receipt, reference=str(self.message.pk), sender=None)
            if what == "failed":
                receipt = replace(receipt, failure=FAILURE)
            else:
                receipt = replace(receipt, reached=Reached(what))
            intake.store(self.message.channel_id, now, receipt)

    @property
    def state(self) -> tuple[str, str, str]:
        self.message.refresh_from_db()
        return self.message.state, self.message.reached, self.message.error


def test_the_end_is_the_same_whatever_the_order(channel: Channel, pigeon: Pigeon) -> None:
    for order, early in stories():
        outbound = Outbound(channel, pigeon)
        before, after = order[:early], order[early:]
        pigeon.before_send = lambda known=outbound, reports=before: known.report(reports)
        sending.deliver(outbound.message.pk)
        outbound.report(after)
        state, reached, error = outbound.state
        said = [what for what, _ in order]
        if "failed" in said:
            assert (state, error) == ("failed", FAILURE), (order, early)
        else:
            assert (state, reached) == ("sent", max(said, key=RANKS.index)), (order, early)


def test_a_mark_from_before_says_nothing_of_it(channel: Channel, pigeon: Pigeon) -> None:
    outbound = Outbound(channel, pigeon)
    pigeon.before_send = lambda: outbound.report([("read", "until")], seconds=-5)
    sending.deliver(outbound.message.pk)
    assert outbound.state == ("sent", "", "")


def test_a_reported_failure_outlives_the_silence_of_the_call(channel: Channel, pigeon: Pigeon) -> None:
    outbound = Outbound(channel, pigeon)
    pigeon.before_send = lambda: outbound.report([("failed", "ref")])
    pigeon.faults = [SendUnknown("no answer")]
    sending.deliver(outbound.message.pk)
    assert outbound.state == ("failed", "", FAILURE)
