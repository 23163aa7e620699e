"""The consumer against queues in memory: what leaves on llm-replies and what happens to the request."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from llm_api.consumer import Consumer
from llm_api.engine.base import ContextLengthExceededError, EngineError, EngineUnavailableError
from llm_api.metrics import Metrics
from llm_api.slots import Slots
from tests.llm_api.conftest import until
from tests.llm_api.fakes import FakeEngine, FakeQueues

pytestmark = pytest.mark.anyio


class Box:
    """A consumer with its fakes."""

    def __init__(self, engine: FakeEngine, **settings: Any) -> None:
        self.engine = engine
        self.queues = FakeQueues()
        self.slots = Slots(engine.slots)
        self.metrics = Metrics()
        self.consumer = Consumer(
            self.queues,
            engine,
            self.slots,
            self.metrics,
            **({"backoff_seconds": 0.001, "look_ahead_seconds": 0.001} | settings),
        )

    def metric(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.consumer.run())
        yield task
        self.consumer.stop_receiving()
        await task


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


async def test_it_holds_no_more_than_it_may() -> None:
    box = Box(FakeEngine(slots=2), held_requests=3)
    box.engine.gate.clear()
    for number in range(5):
        box.queues.ask(f"r{number}")
    async with box.running():
        await until(lambda: sum(stored.hidden for stored in box.queues.stored.values()) == 3)
        for _ in range(20):
            await asyncio.sleep(0)
        assert box.engine.running == 2
        assert box.metric("hub_llm_waiting", priority="interactive") == 1
        assert sum(stored.hidden for stored in box.queues.stored.values()) == 3
        box.engine.gate.set()
        await until(lambda: len(box.queues.deleted) == 5)


async def test_it_takes_no_more_than_it_can_start_while_a_slot_is_free() -> None:
    """The rest is for other boxes."""
    box = Box(FakeEngine(slots=2))
    box.engine.gate.clear()
    async with box.running():
        await until(lambda: box.queues.receives)
    assert set(box.queues.receives) == {(2, True)}


async def test_a_slot_taken_by_http_is_not_offered_to_the_queue() -> None:
    box = Box(FakeEngine())
    box.slots.take()
    box.queues.ask()
    async with box.running():
        await until(lambda: box.queues.stored["m1"].hidden)
        for _ in range(20):
            await asyncio.sleep(0)
        assert box.engine.requests == []
        box.slots.release()
        await until(lambda: box.queues.deleted)


async def test_a_flood_does_not_stand_in_the_way_of_others() -> None:
    box = Box(FakeEngine(slots=2))
    box.engine.gate.clear()
    for number in range(6):
        box.queues.ask(f"flood-{number}", "flood")
    async with box.running():
        await until(lambda: box.engine.running == 2)
        box.queues.ask("calm-1", "calm")
        await until(lambda: all(stored.hidden for stored in box.queues.stored.values()))
        box.engine.gate.set()
        await until(lambda: len(box.queues.replies) == 7)
    assert [reply["id"] for reply, _ in box.queues.replies].index("calm-1") <= 2
    assert box.queues.hides == []  # none went back to the queue, nearer to its dead letters


class TestGivingWay:
    """Both slots work for a flood when somebody else comes."""

    @asynccontextmanager
    async def flooded(self) -> AsyncIterator[Box]:
        box = Box(FakeEngine(slots=2))
        box.engine.gate.clear()
        for number in range(4):
            box.queues.ask(f"flood-{number}", "flood")
        async with box.running():
            await until(lambda: box.engine.running == 2)
            box.queues.ask("calm", "calm")
            await until(lambda: box.engine.cancelled == 1 and box.engine.running == 2)
            yield box

    async def test_the_flood_gives_one_slot_back(self) -> None:
        async with self.flooded() as box:
            assert [request.group for request in box.engine.requests] == ["flood", "flood", "calm"]
            assert box.slots.taken == 2
            assert box.metric("hub_llm_stopped_total") == 1
            box.engine.gate.set()
            await until(lambda: not box.queues.stored)
        ids = [reply["id"] for reply, _ in box.queues.replies]
        assert sorted(ids) == ["calm", "flood-0", "flood-1", "flood-2", "flood-3"]
        assert box.queues.hides == []  # what was stopped did not go back to the queue

    async def test_what_was_stopped_can_be_cancelled(self) -> None:
        async with self.flooded() as box:
            box.queues.put(json.dumps({"cancel": "flood-1", "organization": "flood"}))
            await until(lambda: box.metric("hub_llm_dropped_total", reason="cancelled"))
            box.engine.gate.set()
            await until(lambda: not box.queues.stored)
        assert "flood-1" not in [reply["id"] for reply, _ in box.queues.replies]

    async def test_what_was_stopped_is_returned_when_the_box_stops(self) -> None:
        async with self.flooded() as box:
            box.consumer.stop_receiving()
            await until(lambda: len(box.queues.hides) == 3)
            box.engine.gate.set()
        assert [reply["id"] for reply, _ in box.queues.replies] == ["flood-0", "calm"]


async def test_a_busy_box_does_not_wait_at_the_queue_where_idle_ones_come_first() -> None:
    box = Box(FakeEngine(slots=2), held_requests=5)
    box.engine.gate.clear()
    box.queues.ask("r1")
    box.queues.ask("r2")
    async with box.running():
        await until(lambda: len(box.queues.receives) > 2)
        assert box.queues.receives[0] == (2, True)
        assert set(box.queues.receives[1:]) == {(3, False)}
        box.engine.gate.set()


async def test_a_busy_box_looks_for_more_now_and_then_and_when_a_slot_is_free() -> None:
    box = Box(FakeEngine(), look_ahead_seconds=3600)
    box.engine.gate.clear()
    box.queues.ask("r1")
    async with box.running():
        await until(lambda: len(box.queues.receives) == 2)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(box.queues.receives) == 2
        box.queues.ask("r2")
        box.engine.gate.set()
        await until(lambda: not box.queues.stored)
    assert [reply["id"] for reply, _ in box.queues.replies] == ["r1", "r2"]


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


async def test_test_runs_wait_for_contacts() -> None:
    box = Box(FakeEngine())
    box.engine.gate.clear()
    box.queues.ask("first")
    async with box.running():
        await until(lambda: box.engine.running)
        box.queues.ask("test", priority="test")
        box.queues.ask("contact")
        await until(lambda: all(stored.hidden for stored in box.queues.stored.values()))
        box.engine.gate.set()
        await until(lambda: len(box.queues.replies) == 3)
    assert [reply["id"] for reply, _ in box.queues.replies] == ["first", "contact", "test"]


class TestExpiry:
    async def test_what_nobody_waits_for_is_not_generated(self) -> None:
        box = Box(FakeEngine())
        box.queues.ask("r1", expires_at=time.time() - 1)
        async with box.running():
            await until(lambda: box.queues.deleted)
        [(reply, organization)] = box.queues.replies
        assert (reply["id"], reply["status"], reply["error"]["code"]) == ("r1", "failed", "expired")
        assert organization == "smile"
        assert box.engine.requests == []
        assert box.metric("hub_llm_dropped_total", reason="expired") == 1

    async def test_it_is_told_while_every_slot_is_busy(self) -> None:
        box = Box(FakeEngine())
        box.engine.gate.clear()
        box.queues.ask("r1")
        async with box.running():
            await until(lambda: box.engine.running)
            box.queues.ask("r2", expires_at=time.time() + 0.05)
            await until(lambda: box.queues.replies)
            assert box.engine.running == 1
            box.engine.gate.set()
        assert [(reply["id"], reply["status"]) for reply, _ in box.queues.replies] == [
            ("r2", "failed"), ("r1", "completed"),
        ]  # fmt: skip
        assert len(box.engine.requests) == 1

    async def test_a_model_that_never_answers_loses_its_slot(self) -> None:
        box = Box(FakeEngine())
        box.engine.gate.clear()
        box.queues.ask("r1", expires_at=time.time() + 0.05)
        async with box.running():
            await until(lambda: box.queues.deleted)
            assert box.slots.free == 1
        assert box.engine.cancelled == 1
        assert [reply["error"]["code"] for reply, _ in box.queues.replies] == ["expired"]

    async def test_without_an_end_it_goes_back_to_the_queue(self) -> None:
        box = Box(FakeEngine(), generation_seconds=0.05)
        box.engine.gate.clear()
        box.queues.ask("r1")
        async with box.running():
            await until(lambda: box.queues.hides)
        assert box.queues.hides == [("m1", "m1#1", 2)]
        assert box.queues.replies == []


class TestCancellation:
    def cancel(self, box: Box, request_id: str = "r1") -> str:
        return box.queues.put(json.dumps({"cancel": request_id, "organization": "smile"}))

    async def test_a_request_in_work_is_stopped(self) -> None:
        box = Box(FakeEngine())
        box.engine.gate.clear()
        box.queues.ask("r1")
        async with box.running():
            await until(lambda: box.engine.running)
            self.cancel(box)
            await until(lambda: not box.queues.stored)
            assert box.slots.free == 1
        assert box.engine.cancelled == 1
        assert box.queues.replies == []
        assert box.metric("hub_llm_dropped_total", reason="cancelled") == 1

    async def test_the_next_request_has_its_slot_at_once(self) -> None:
        box = Box(FakeEngine())
        box.engine.gate.clear()
        box.queues.ask("r1")
        async with box.running():
            await until(lambda: box.engine.running)
            box.queues.ask("r2")
            self.cancel(box)
            await until(lambda: len(box.engine.requests) == 2)
            assert (box.engine.running, box.slots.taken) == (1, 1)
            box.engine.gate.set()
        assert [reply["id"] for reply, _ in box.queues.replies] == ["r2"]

    async def test_one_that_comes_in_the_same_breath_is_not_even_started(self) -> None:
        box = Box(FakeEngine(slots=4))
        box.queues.ask("r1")
        self.cancel(box)
        async with box.running():
            await until(lambda: not box.queues.stored)
        assert box.engine.requests == []
        assert box.queues.replies == []

    async def test_another_organization_cannot_cancel_it(self) -> None:
        box = Box(FakeEngine())
        box.engine.gate.clear()
        box.queues.ask("r1", "other")
        async with box.running():
            await until(lambda: box.engine.running)
            cancellation = self.cancel(box)
            await until(lambda: cancellation not in box.queues.stored)
            box.engine.gate.set()
            await until(lambda: not box.queues.stored)
        assert [reply["id"] for reply, _ in box.queues.replies] == ["r1"]

    async def test_said_twice_it_is_done_once(self) -> None:
        box = Box(FakeEngine())
        box.engine.gate.clear()
        box.queues.ask("r1")
        async with box.running():
            await until(lambda: box.engine.running)
            self.cancel(box)
            self.cancel(box)
            await until(lambda: not box.queues.stored)
        assert box.metric("hub_llm_dropped_total", reason="cancelled") == 1
        assert box.consumer.problem() == "not receiving"

    async def test_while_the_reply_is_sent_it_comes_too_late(self) -> None:
        box = Box(FakeEngine())
        box.queues.reply_gate.clear()
        box.queues.ask("r1")
        async with box.running():
            await until(lambda: box.engine.requests and not box.engine.running)
            cancellation = self.cancel(box)
            await until(lambda: cancellation not in box.queues.stored)
            box.queues.reply_gate.set()
            await until(lambda: not box.queues.stored)
        assert [reply["id"] for reply, _ in box.queues.replies] == ["r1"]
        assert box.metric("hub_llm_dropped_total", reason="cancelled") == 0

    async def test_a_waiting_request_is_dropped(self) -> None:
        box = Box(FakeEngine())
        box.engine.gate.clear()
        box.queues.ask("r0")
        box.queues.ask("r1")
        async with box.running():
            await until(lambda: box.engine.running and box.queues.stored["m2"].hidden)
            self.cancel(box)
            await until(lambda: set(box.queues.stored) == {"m1"})
            box.engine.gate.set()
            await until(lambda: not box.queues.stored)
        assert [reply["id"] for reply, _ in box.queues.replies] == ["r0"]

    async def test_a_request_that_comes_after_its_cancellation_is_not_started(self) -> None:
        box = Box(FakeEngine())
        self.cancel(box)
        async with box.running():
            await until(lambda: not box.queues.stored)
            box.queues.ask("r1")
            await until(lambda: not box.queues.stored)
        assert box.engine.requests == []
        assert box.queues.replies == []

    async def test_after_the_reply_it_comes_too_late(self) -> None:
        box = Box(FakeEngine())
        box.queues.ask("r1")
        async with box.running():
            await until(lambda: not box.queues.stored)
            self.cancel(box)
            await until(lambda: not box.queues.stored)
        assert [reply["id"] for reply, _ in box.queues.replies] == ["r1"]


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


async def test_an_outage_does_not_delay_the_stop() -> None:
    box = Box(FakeEngine(), backoff_seconds=3600)
    box.queues.down = True
    async with box.running():
        await until(lambda: box.queues.failed_receives)
    assert box.queues.failed_receives == 1


async def test_a_stop_finishes_what_is_in_hand_and_takes_nothing_new() -> None:
    box = Box(FakeEngine(), drain_seconds=3600)
    box.engine.gate.clear()
    box.queues.ask("r1")
    async with box.running() as task:
        await until(lambda: box.engine.running)
        box.consumer.stop_receiving()
        assert box.consumer.problem() == "not receiving"
        box.queues.ask("r2")
        box.engine.gate.set()
        await task
    assert [reply["id"] for reply, _ in box.queues.replies] == ["r1"]
    assert not box.queues.stored["m2"].hidden


async def test_a_stop_returns_what_it_cannot_finish() -> None:
    box = Box(FakeEngine(slots=2), drain_seconds=0)
    box.engine.gate.clear()
    box.queues.ask("r1")
    box.queues.ask("r2")
    async with box.running() as task:
        await until(lambda: box.engine.running == 2)
        box.consumer.stop_receiving()
        await task
    assert box.engine.cancelled == 2
    assert box.engine.running == 0
    assert not any(stored.hidden for stored in box.queues.stored.values())
    assert box.queues.replies == []
    assert box.queues.deleted == []
    assert box.slots.taken == 0


async def test_a_message_that_arrives_while_stopping_goes_back() -> None:
    box = Box(FakeEngine())
    arrived = asyncio.Event()
    real_receive = box.queues.receive

    async def slow_receive(limit: int, *, wait: bool) -> Any:
        arrived.set()
        await asyncio.sleep(0)
        box.consumer.stop_receiving()
        return await real_receive(limit, wait=wait)

    box.queues.receive = slow_receive  # type: ignore[method-assign]
    box.queues.ask("r1")
    async with box.running() as task:
        await task
    assert arrived.is_set()
    assert box.engine.requests == []
    assert not box.queues.stored["m1"].hidden


async def test_a_heartbeat_under_way_does_not_hide_again_what_was_returned() -> None:
    box = Box(FakeEngine(), visibility_seconds=0.01, drain_seconds=3600)
    box.engine.gate.clear()
    box.queues.hide_gate.clear()
    box.queues.ask("r1")
    box.queues.ask("r2")
    async with box.running():
        await until(lambda: box.queues.stored["m2"].hidden and box.queues.hide_calls == 1)
        box.consumer.stop_receiving()
        for _ in range(20):
            await asyncio.sleep(0)
        assert box.queues.hide_calls == 1
        box.queues.hide_gate.set()
        await until(lambda: not box.queues.stored["m2"].hidden)
        box.engine.gate.set()
    assert [seconds for name, _, seconds in box.queues.hides if name == "m2"][-1] == 0


async def test_a_stop_returns_what_waits_at_once() -> None:
    """Even in the middle of a receive that takes its time, and in one call."""
    box = Box(FakeEngine(), drain_seconds=3600)
    box.engine.gate.clear()
    for number in range(3):
        box.queues.ask(f"r{number}")
    async with box.running() as task:
        await until(lambda: all(stored.hidden for stored in box.queues.stored.values()))
        box.queues.receive_gate.clear()
        received = len(box.queues.receives)
        await until(lambda: box.queues.receiving)
        box.consumer.stop_receiving()
        await until(lambda: not box.queues.stored["m3"].hidden)
        assert not box.queues.stored["m2"].hidden
        assert box.queues.stored["m1"].hidden
        assert box.queues.hide_calls == 1
        assert len(box.queues.receives) == received
        box.queues.receive_gate.set()
        box.engine.gate.set()
        await task
    assert [reply["id"] for reply, _ in box.queues.replies] == ["r0"]
