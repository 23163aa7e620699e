"""Whoever changes a conversation's ledger waits for whoever else does: handlers run at the same time, and
each decides on what no other is about to change."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from console.conversations.models import Conversation, Message
from hub_lambdas import actions, inbound, outbound, queues, replies, staff, wakeups
from tests.fakes.sqs import FakeSqs, Handler
from tests.hub_lambdas.conftest import Pigeon
from tests.hub_lambdas.steps import Write, ask
from tests.hub_lambdas.test_pipeline import answer

pytestmark = pytest.mark.django_db(transaction=True)

HANDLERS: dict[str, Handler] = {
    queues.INBOUND: inbound.handler,
    queues.WAKEUPS: wakeups.handler,
    queues.LLM_REPLIES: replies.handler,
    queues.OUTBOUND: outbound.handler,
}


@pytest.fixture(autouse=True)
def impatient(transactional_db: None) -> Iterator[None]:
    """Who has to wait gives up at once."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '20ms'")
        yield
        cursor.execute("RESET lock_timeout")


@contextmanager
def somebody_at_work() -> Iterator[None]:
    """Another handler, that has the conversation and is not done with it."""
    other = connection.copy()
    other.set_autocommit(False)
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT FROM conversations_conversation FOR UPDATE")
        yield
    finally:
        other.rollback()
        other.close()


@pytest.mark.parametrize("queue", HANDLERS)
def test_a_handler_waits_for_another(sqs: FakeSqs, write: Write, pigeon: Pigeon, queue: str) -> None:
    ask(sqs, write)
    sqs.release(queues.WAKEUPS)
    if queue in (queues.INBOUND, queues.WAKEUPS):
        write("and another thing")
    else:
        request = sqs.requests()[0]["id"]
        sqs.put(queues.LLM_REPLIES, {"id": request, "status": "completed", "text": "Certainly."})
    if queue == queues.OUTBOUND:
        assert sqs.run(queues.LLM_REPLIES, replies.handler) == 0
    before = list(Message.objects.values_list("pk", "state"))
    with somebody_at_work():
        assert sqs.run(queue, HANDLERS[queue]) == 1
    assert list(Message.objects.values_list("pk", "state")) == before
    assert pigeon.sent == []
    assert sqs.run(queue, HANDLERS[queue]) == 0


def test_a_message_joins_no_turn_that_is_being_answered(sqs: FakeSqs, write: Write) -> None:
    """Which turn still gathers is read when nobody else can change it any more."""
    ask(sqs, write)
    write("and another thing")
    with CaptureQueriesContext(connection) as captured:
        assert sqs.run(queues.INBOUND, inbound.handler) == 0
    statements = [each["sql"] for each in captured.captured_queries]
    locks = [number for number, sql in enumerate(statements) if sql.endswith("FOR UPDATE")]
    reads = [number for number, sql in enumerate(statements) if 'FROM "conversations_turn"' in sql]
    assert locks
    assert reads
    assert locks[0] < reads[0]


def test_what_the_platform_said_is_written_down_under_the_lock_too(
    sqs: FakeSqs, write: Write, pigeon: Pigeon
) -> None:
    ask(sqs, write)
    answer(sqs)
    with pytest.MonkeyPatch.context() as patch:
        at_work = somebody_at_work()
        patch.setattr(pigeon, "before_send", at_work.__enter__)
        assert sqs.run(queues.OUTBOUND, outbound.handler) == 1
        at_work.__exit__(None, None, None)
    assert Message.objects.get(direction="out").state == Message.State.SENDING


def test_staff_wait_as_well(sqs: FakeSqs, write: Write) -> None:
    ask(sqs, write)
    with somebody_at_work(), pytest.raises(Exception, match="lock timeout"):
        staff.take_over(Conversation.objects.get().pk, None)


def test_there_is_no_lock_without_a_transaction(sqs: FakeSqs, write: Write) -> None:
    ask(sqs, write)
    with pytest.raises(transaction.TransactionManagementError):
        actions.lock_conversation(Conversation.objects.get().pk)
