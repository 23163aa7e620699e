"""What a run takes for poison is poison to those who get it, and ends as the run expects."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from console.channels.models import Channel
from console.conversations.models import DeadLetter
from hub_lambdas import dead_letters, errands, inbound, outbound, replies, wakeups
from hub_lambdas.record import MAX_RECEIVES
from llm_api.contract import MalformedRequestError, parse_request
from tests import factories
from tests.chaos.poison import CONSOLE_JOBS, End, records
from tests.fakes.sqs import FakeSqs

pytestmark = pytest.mark.django_db(transaction=True)
HANDLERS: Mapping[str, Callable[[Any, object], dict[str, Any]]] = {
    "dm-inbound.fifo": inbound.handler,
    "dm-outbound.fifo": outbound.handler,
    "wakeups": wakeups.handler,
    "errands": errands.handler,
    "llm-replies": replies.handler,
    # llm_api leaves what it cannot read to its queue, which makes it a dead letter.
    "llm-requests": dead_letters.handler,
}


@pytest.fixture
def channel() -> Channel:
    return factories.make_channel(factories.make_organization())


@pytest.mark.parametrize("queue", HANDLERS)
def test_each_record_ends_as_expected(queue: str, sqs: FakeSqs, channel: Channel) -> None:
    put = [each for each in records(str(channel.pk)) if each.queue == queue]
    for each in put:
        sqs.send_message(QueueUrl=queue, MessageBody=each.body, MessageGroupId=each.mark)
    for _ in range(MAX_RECEIVES):
        sqs.run(queue, HANDLERS[queue])

    buried = {letter.body: letter.organization for letter in DeadLetter.objects.all()}
    ends = {each.body: each.end for each in put}
    assert set(buried) == {body for body, end in ends.items() if end is not End.NOTHING}
    told = {body for body, organization in buried.items() if organization == channel.organization}
    assert told == {body for body, end in ends.items() if end is End.TOLD}
    assert not sqs.queues[queue]


def test_llm_api_can_read_none_of_its_own(channel: Channel) -> None:
    bodies = [each.body for each in records(str(channel.pk)) if each.queue == "llm-requests"]

    assert bodies
    for body in bodies:
        with pytest.raises(MalformedRequestError):
            parse_request(body)


def test_every_queue_gets_some(channel: Channel) -> None:
    assert {each.queue for each in records(str(channel.pk))} == {*HANDLERS, CONSOLE_JOBS}
