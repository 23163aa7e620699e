"""A request that cannot be read, computed or replied to, and a queue that does not answer."""

from __future__ import annotations

import json
import logging

import pytest

from llm_api.engine.base import ContextLengthExceededError, EngineError, EngineUnavailableError
from tests.llm_api.conftest import until
from tests.llm_api.consumer.box import Box
from tests.llm_api.fakes import FakeEngine

pytestmark = pytest.mark.anyio


async def test_a_reply_that_cannot_be_sent_returns_the_request_and_is_not_made_twice() -> None:
    box = Box(FakeEngine())
    box.queues.replies_down = True
    box.queues.ask("r1")
    async with box.running():
        await until(lambda: box.queues.hides)
        assert box.queues.hides == [("m1", "m1#1", 2)]
        assert not box.queues.deleted
        box.queues.replies_down = False
        box.queues.redeliver("m1")
        await until(lambda: box.queues.deleted)
    assert len(box.queues.replies) == len(box.engine.requests) == 1


async def test_a_malformed_body_is_left_to_the_dead_letter_queue(caplog: pytest.LogCaptureFixture) -> None:
    box = Box(FakeEngine())
    box.queues.put(json.dumps({"messages": [{"role": "user", "content": "SECRET"}]}))
    box.queues.put("SECRET no json")
    with caplog.at_level(logging.INFO):
        async with box.running():
            await until(lambda: box.queues.dead == ["m1", "m2"])
    assert box.queues.deleted == []
    assert box.queues.replies == []
    assert "left to the dead-letter queue" in caplog.text
    assert "SECRET" not in str([record.__dict__ for record in caplog.records])


async def test_an_invalid_request_with_an_id_gets_a_failed_reply() -> None:
    box = Box(FakeEngine())
    box.queues.ask("r1", messages=[])
    async with box.running():
        await until(lambda: box.queues.deleted)
    [(reply, _)] = box.queues.replies
    assert (reply["status"], reply["error"]["code"]) == ("failed", "invalid_request")
    assert box.engine.requests == []


async def test_a_too_long_request_fails_and_is_not_retried() -> None:
    box = Box(FakeEngine())
    box.engine.errors = [ContextLengthExceededError("too long")]
    box.queues.ask("r1")
    async with box.running():
        await until(lambda: box.queues.deleted)
    [(reply, _)] = box.queues.replies
    assert reply["status"] == "failed"
    assert reply["text"] == ""
    assert reply["finish_reason"] is None
    assert reply["error"] == {"code": "context_length_exceeded", "message": "too long"}
    assert len(box.engine.requests) == 1
    assert box.metric("hub_llm_requests_total", source="queue", outcome="refused") == 1


@pytest.mark.parametrize(
    ("error", "pause"),
    [(EngineError("x"), 0), (ZeroDivisionError("SECRET"), 0), (EngineUnavailableError("x"), 2)],
)
async def test_a_crash_of_the_engine_returns_the_request(
    error: Exception, pause: int, caplog: pytest.LogCaptureFixture
) -> None:
    box = Box(FakeEngine())
    box.engine.errors = [error]
    box.queues.ask("r1")
    with caplog.at_level(logging.INFO):
        async with box.running():
            await until(lambda: box.queues.hides)
            if pause:
                box.queues.redeliver("m1")
            await until(lambda: box.queues.deleted)
    assert box.queues.hides == [("m1", "m1#1", pause)]
    assert [reply["status"] for reply, _ in box.queues.replies] == ["completed"]
    assert "SECRET" not in str([record.__dict__ for record in caplog.records])
    assert box.metric("hub_llm_consumer_errors_total", operation="engine") == 1


async def test_an_outage_of_the_queue_is_outlived_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    box = Box(FakeEngine())
    box.queues.down = True
    with caplog.at_level(logging.INFO):
        async with box.running():
            await until(lambda: box.queues.failed_receives >= 4)
            assert box.consumer.problem() == "cannot reach the queue"
            box.queues.down = False
            box.queues.ask()
            await until(lambda: box.queues.deleted)
            assert box.consumer.problem() is None
    events = [record.getMessage() for record in caplog.records]
    assert events.count("cannot reach the queue, trying on") == 1
    assert events.count("queue reached again") == 1
