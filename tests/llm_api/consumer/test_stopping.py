"""A box that stops finishes or returns what it has, and takes nothing new."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.llm_api.conftest import until
from tests.llm_api.consumer.box import Box
from tests.llm_api.fakes import FakeEngine

pytestmark = pytest.mark.anyio


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
