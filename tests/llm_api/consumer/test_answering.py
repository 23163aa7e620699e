"""A request from the queue to its reply, with queues in memory: what leaves, and when it is deleted."""

from __future__ import annotations

import time

import pytest

from tests.llm_api.conftest import until
from tests.llm_api.consumer.box import Box
from tests.llm_api.fakes import FakeEngine

pytestmark = pytest.mark.anyio


async def test_a_request_is_answered_and_only_then_deleted() -> None:
    box = Box(FakeEngine("Hel", "lo"))
    box.queues.ask("r1", "smile")
    async with box.running():
        await until(lambda: box.queues.deleted)
    assert box.queues.log == ["reply", "delete m1"]
    [(reply, organization)] = box.queues.replies
    assert organization == "smile"
    assert reply["received_at"] <= reply["started_at"] <= reply["finished_at"]
    del reply["received_at"], reply["started_at"], reply["finished_at"]
    assert reply == {
        "id": "r1", "status": "completed", "text": "Hello", "finish_reason": "stop", "model": "fake-model",
        "prompt_tokens": 11, "completion_tokens": 2, "context_tokens": None, "dropped_messages": 0,
        "error": None,
    }  # fmt: skip
    assert box.metric("hub_llm_requests_total", source="queue", outcome="completed") == 1
    assert box.metric("hub_llm_queue_wait_seconds_count", source="queue") == 1
    assert box.metric("hub_llm_in_flight", source="queue") == 0


async def test_a_prompt_that_is_only_to_be_read_has_no_reply() -> None:
    engine = FakeEngine("Hel", "lo")
    engine.keeps_prompts = True
    box = Box(engine)
    box.queues.ask("r1", "smile", wants_reply=False)
    async with box.running():
        await until(lambda: box.queues.deleted)
    assert box.queues.log == ["delete m1"]
    assert len(engine.requests) == 1


async def test_nothing_is_read_ahead_where_that_gains_nothing() -> None:
    box = Box(FakeEngine("Hel", "lo"))
    box.queues.ask("r1", "smile", wants_reply=False)
    async with box.running():
        await until(lambda: box.queues.deleted)
    assert box.queues.log == ["delete m1"]
    assert box.engine.requests == []


async def test_a_slot_is_free_again_while_the_reply_is_being_sent() -> None:
    box = Box(FakeEngine())
    box.queues.reply_gate.clear()
    box.queues.ask("r1")
    box.queues.ask("r2")
    async with box.running():
        await until(lambda: len(box.engine.requests) == 2)
        assert box.queues.replies == []
        box.queues.reply_gate.set()
        await until(lambda: not box.queues.stored)


async def test_a_reply_tells_when_the_box_took_the_request() -> None:
    box = Box(FakeEngine())
    box.engine.gate.clear()
    box.queues.ask("r1")
    box.queues.ask("r2")
    async with box.running():
        await until(lambda: box.queues.stored["m2"].hidden)
        taken_before = time.time()
        box.engine.gate.set()
        await until(lambda: not box.queues.stored)
    [_, (reply, _)] = box.queues.replies
    assert reply["id"] == "r2"
    assert reply["received_at"] <= taken_before <= reply["started_at"]


async def test_a_duplicate_of_a_request_in_work_is_dropped() -> None:
    box = Box(FakeEngine(slots=2))
    box.engine.gate.clear()
    box.queues.ask("r1")
    box.queues.ask("r1")
    async with box.running():
        await until(lambda: box.queues.deleted)
        assert box.queues.deleted == ["m2#1"]
        box.engine.gate.set()
        await until(lambda: len(box.queues.deleted) == 2)
    assert len(box.engine.requests) == len(box.queues.replies) == 1


async def test_the_same_message_again_is_not_deleted_under_its_twin() -> None:
    box = Box(FakeEngine(slots=2))
    box.engine.gate.clear()
    box.queues.ask("r1")
    async with box.running():
        await until(lambda: box.engine.running)
        box.queues.redeliver("m1")
        await until(lambda: box.queues.stored["m1"].message.receive_count == 2)
        assert "m1" in box.queues.stored
        box.engine.gate.set()
        await until(lambda: box.queues.deleted)
    assert box.queues.deleted == ["m1#2"]  # by the receipt that is still valid
    assert len(box.engine.requests) == len(box.queues.replies) == 1


async def test_a_request_answered_before_gets_the_kept_reply_again() -> None:
    box = Box(FakeEngine())
    box.queues.ask("r1")
    async with box.running():
        await until(lambda: box.queues.deleted)
        box.queues.ask("r1")
        await until(lambda: len(box.queues.deleted) == 2)
    first, second = box.queues.replies
    assert first == second
    assert len(box.engine.requests) == 1


async def test_the_heartbeat_keeps_the_request_hidden() -> None:
    box = Box(FakeEngine(), visibility_seconds=2)
    box.engine.gate.clear()
    box.queues.ask()
    async with box.running():
        await until(lambda: len(box.queues.hides) == 2)
        assert box.queues.hides == [("m1", "m1#1", 2)] * 2
        box.engine.gate.set()
        await until(lambda: box.queues.deleted)
    assert len(box.queues.replies) == 1


async def test_one_call_keeps_all_hidden_and_one_refusal_is_one_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    box = Box(FakeEngine(), visibility_seconds=1)
    box.engine.gate.clear()
    for number in range(3):
        box.queues.ask(f"r{number}")
    async with box.running():
        await until(lambda: all(stored.hidden for stored in box.queues.stored.values()))
        box.queues.refused = {"m2"}
        await until(lambda: box.queues.hides)
        assert [name for name, _, _ in box.queues.hides] == ["m1", "m2", "m3"]
        assert box.queues.hide_calls == 1
        box.queues.refused = set()
        box.engine.gate.set()
        await until(lambda: not box.queues.stored)
    assert len(box.queues.replies) == 3
    assert box.metric("hub_llm_consumer_errors_total", operation="heartbeat") == 1
    [record] = [record for record in caplog.records if record.getMessage() == "heartbeat failed"]
    assert record.fields["message_id"] == "m2"  # type: ignore[attr-defined]
