"""Requests that nobody waits for any more: past their time, or called off."""

from __future__ import annotations

import json
import time

import pytest

from tests.llm_api.conftest import until
from tests.llm_api.consumer.box import Box
from tests.llm_api.fakes import FakeEngine

pytestmark = pytest.mark.anyio


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
