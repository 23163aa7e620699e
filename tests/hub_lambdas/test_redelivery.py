"""A queue does not take what follows from a record: the record comes again, and the contact need not wait for
the sweep."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from console.conversations.models import Message
from console.organizations.models import Organization
from hub_lambdas import inbound, replies, wakeups
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.conftest import Pigeon
from tests.hub_lambdas.steps import Write, age, ask, send
from tests.hub_lambdas.test_pipeline import answer, outcomes

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def away(sqs: FakeSqs, queue: str) -> Iterator[None]:
    sqs.broken.add(queue)
    yield
    sqs.broken.clear()


def test_a_question_reaches_the_llm(sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
    write("hello")
    with away(sqs, "llm-requests"):
        assert sqs.run("dm-inbound.fifo", inbound.handler) == 1
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    answer(sqs, "Certainly.")
    send(sqs)
    assert pigeon.sent == [("ann", "Certainly.")]


def test_an_answer_reaches_its_contact(sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
    ask(sqs, write)
    [request] = sqs.requests()
    sqs.put("llm-replies", {"id": request["id"], "status": "completed", "text": "Certainly. " * 12})
    with away(sqs, "dm-outbound.fifo"):
        assert sqs.run("llm-replies", replies.handler) == 1
    assert sqs.run("llm-replies", replies.handler) == 0
    send(sqs)
    assert len(pigeon.sent) == 2, "of two parts"
    assert outcomes() == [("answered", "")]


@pytest.mark.parametrize(
    ("seconds", "purpose"), [(5, Message.Purpose.HOLDING), (61, Message.Purpose.FALLBACK)], ids=str
)
def test_a_contact_who_waits_is_told(
    sqs: FakeSqs, write: Write, pigeon: Pigeon, seconds: float, purpose: str
) -> None:
    ask(sqs, write)
    send(sqs)
    age(seconds)
    sqs.release("wakeups")
    with away(sqs, "dm-outbound.fifo"):
        assert sqs.run("wakeups", wakeups.handler) == 1
    assert sqs.run("wakeups", wakeups.handler) == 0
    send(sqs)
    [message] = Message.objects.filter(direction="out")
    assert (message.purpose, message.state) == (purpose, "sent")
    assert len(pigeon.sent) == 1


def test_a_turn_is_looked_at_when_its_burst_window_ends(sqs: FakeSqs, write: Write) -> None:
    Organization.objects.update(burst_window_seconds=20)
    write("hello")
    with away(sqs, "wakeups"):
        assert sqs.run("dm-inbound.fifo", inbound.handler) == 1
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    assert len(sqs.delayed["wakeups"]) == 1


def test_what_was_taken_is_not_sent_twice(sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
    ask(sqs, write)
    [request] = sqs.requests()
    sqs.put("llm-replies", {"id": request["id"], "status": "completed", "text": "Certainly."})
    assert sqs.run("llm-replies", replies.handler, times=3) == 0
    send(sqs)
    assert pigeon.sent == [("ann", "Certainly.")]
