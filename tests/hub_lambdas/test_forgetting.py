"""What somebody took back stands on no dead letter either."""

import json
from typing import Any

import pytest

from console.channels.models import Channel
from console.conversations.models import DeadLetter, Message
from hub_lambdas import dead_letters, inbound, queues
from tests.console.conftest import make_letter
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.steps import Write

pytestmark = pytest.mark.django_db(transaction=True)


def queued(sqs: FakeSqs) -> dict[str, Any]:
    """The record that a handler would fail on."""
    [record] = sqs.queues.pop("dm-inbound.fifo")
    return {**record, "eventSourceARN": record["eventSourceARN"].replace(".fifo", "-dead.fifo")}


def take_back(sqs: FakeSqs, write: Write, message_id: str) -> None:
    write(kind="unsend", of=message_id)
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0


@pytest.mark.parametrize("more", [{}, {"kind": "edit", "of": "a", "message_id": "e"}, {"kind": "echo"}])
def test_a_dead_message_edit_or_echo_loses_its_text(
    sqs: FakeSqs, write: Write, channel: Channel, more: dict[str, Any]
) -> None:
    write("my secret", **{"message_id": "a", **more})
    letter = make_letter(channel.organization, queue=queues.INBOUND, body=queued(sqs)["body"])
    write("my other secret", message_id="b")
    other = make_letter(channel.organization, queue=queues.INBOUND, body=queued(sqs)["body"])
    rubbish = make_letter(None, queue=queues.INBOUND, body=json.dumps({"channel": str(channel.pk), "a": "a"}))
    take_back(sqs, write, "a")
    for each in (letter, other, rubbish):
        each.refresh_from_db()
    assert "secret" not in letter.body
    assert "my other secret" in other.body
    assert json.loads(rubbish.body)["a"] == "a"
    queues.replay(letter.queue, letter.body)
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    stored = Message.objects.values_list("kind", "text")
    assert [*stored] in ([("unsent", "")], [])


def test_one_that_dies_after_it_was_taken_back_is_empty_too(
    sqs: FakeSqs, write: Write, channel: Channel
) -> None:
    write("my secret", message_id="a")
    record = queued(sqs)
    take_back(sqs, write, "a")
    assert dead_letters.handler({"Records": [record]}, None) == {"batchItemFailures": []}
    assert "secret" not in DeadLetter.objects.get().body


def test_a_dead_question_to_the_llm_loses_it_too(sqs: FakeSqs, write: Write, channel: Channel) -> None:
    write("my secret", message_id="a")
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    [request] = sqs.requests()
    turn = Message.objects.get(platform_id="a").turn
    letter = make_letter(channel.organization, queue=queues.LLM_REQUESTS, body=json.dumps(request), turn=turn)
    assert "my secret" in letter.body
    take_back(sqs, write, "a")
    letter.refresh_from_db()
    assert "my secret" not in letter.body
