"""What a box takes from the queue, and when: what it can use, and nothing that stands in others' way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from llm_api import waiting
from tests.llm_api.conftest import until
from tests.llm_api.consumer.box import Box
from tests.llm_api.fakes import FakeEngine

pytestmark = pytest.mark.anyio


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

    @pytest.fixture(autouse=True)
    def is_seen_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A flood is seen as one only after some seconds."""
        monkeypatch.setattr(waiting, "FLOOD_SHARE", 0.0)

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
