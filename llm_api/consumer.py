"""The queue consumer: holds requests, answers the one that is due in each free slot, then lets go of it.

It holds more than it can answer at once, so that it can choose (`waiting`) and hear of cancellations while
all slots are busy. Every step may happen twice (SQS delivers at least once), so a request is known by its id:
one in hand is not started again, and one answered lately gets the same reply again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from typing import Any

from llm_api.answers import EXPIRED, answer, refusal
from llm_api.contract import (
    Addressee,
    Cancellation,
    LlmReply,
    LlmRequest,
    MalformedRequestError,
    ReplyError,
    parse_request,
)
from llm_api.deliveries import Deliveries, retry_seconds
from llm_api.engine.base import Engine, EngineUnavailableError
from llm_api.failures import Failures
from llm_api.heartbeat import Heartbeat
from llm_api.logs import name_error
from llm_api.metrics import Metrics
from llm_api.queues import QueueMessage, Queues
from llm_api.receiver import Receiver
from llm_api.recent import Recent
from llm_api.slots import Slots
from llm_api.waiting import Waiting

log = logging.getLogger(__name__)

KEPT_REPLIES = 1000
KEPT_CANCELLATIONS = 10_000
MAX_GENERATION_SECONDS = 300.0
"""An engine that has not finished after so long never will: the request goes back to the queue."""
LOOK_AHEAD_SECONDS = 0.2
"""How often a busy box looks for more, since somebody may come whom a flood gives way to. It does not wait at
the queue, where idle boxes come first."""


@dataclass(eq=False)
class Held:
    """A request in hand and its latest delivery, whose receipt is the one that counts. `generation` is there
    once it has been started; `received_at` is in epoch seconds."""

    request: LlmRequest
    message: QueueMessage
    received_at: float
    generation: asyncio.Task[LlmReply] | None = None

    @property
    def is_generated(self) -> bool:
        """Whether the engine works on it just now."""
        return self.generation is not None and not self.generation.done()


class Consumer:
    """Runs until `stop_receiving`; then finishes what is in work in `drain_seconds` and returns the rest."""

    def __init__(
        self,
        queues: Queues,
        engine: Engine,
        slots: Slots,
        metrics: Metrics,
        *,
        held_requests: int = 32,
        visibility_seconds: float = 30,
        drain_seconds: float = 25,
        generation_seconds: float = MAX_GENERATION_SECONDS,
        look_ahead_seconds: float = LOOK_AHEAD_SECONDS,
        backoff_seconds: float = 0.5,
    ) -> None:
        self._engine = engine
        self._slots = slots
        self._metrics = metrics
        self._held_requests = max(held_requests, slots.total)
        self._drain_seconds = drain_seconds
        self._generation_seconds = generation_seconds
        self._look_ahead_seconds = look_ahead_seconds
        self._failures = Failures(metrics)
        self._heartbeat = Heartbeat(queues, self._failures, visibility_seconds)
        self._deliveries = Deliveries(queues, self._heartbeat, self._failures)
        self._stopping = asyncio.Event()
        self._receiver = Receiver(queues, metrics, self._stopping, backoff_seconds)
        self._held: dict[str, Held] = {}
        self._waiting: Waiting[Held] = Waiting(slots.total)
        self._kept: Recent[str, LlmReply] = Recent(KEPT_REPLIES)
        self._cancelled: Recent[tuple[str, str], float] = Recent(KEPT_CANCELLATIONS)
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped_at = 0.0
        self._running = False
        metrics.watch_waiting(self._waiting.count)
        metrics.watch_slots(slots)
        slots.when_released(self._use_slot)

    def problem(self) -> str | None:
        """Why no request is being received, as a short phrase; None when all is well."""
        if not self._running or self._stopping.is_set():
            return "not receiving"
        return "cannot reach the queue" if self._receiver.is_failing else None

    def stop_receiving(self) -> None:
        """Start to stop: what waits is returned at once, for other boxes; `run` returns when all else is
        finished or returned."""
        if self._stopping.is_set():
            return
        self._stopped_at = time.monotonic()
        self._stopping.set()
        self._changed.set()
        self._give_back(self._waiting.clear())

    async def run(self) -> None:
        self._running = True
        beating = asyncio.create_task(self._heartbeat.run())
        try:
            while not self._stopping.is_set():
                await self._receive()
            await self._drain()
        finally:
            beating.cancel()
            self._running = False

    async def _receive(self) -> None:
        """Take what the queue has: with free slots, as much as can start at once, since the rest is for other
        boxes; with none, as much as there is room for."""
        self._changed.clear()
        self._start_due()
        room = self._held_requests - len(self._held)
        startable = min(room, self._slots.free)
        if room:
            for message in await self._receiver.receive(startable or room, wait=startable > 0):
                self._take(message)
            self._start_due()
        if not startable:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), self._look_ahead_seconds)

    def _take(self, message: QueueMessage) -> None:
        """Decide what to do with a delivery."""
        if self._stopping.is_set():
            self._start(self._deliveries.give_back([message]))
            return
        try:
            parsed = parse_request(message.body)
        except MalformedRequestError as error:
            # Returned, not deleted: after maxReceiveCount deliveries it is in the dead-letter queue.
            event = "malformed, left to the dead-letter queue"
            self._failures.note("malformed", event, message, reason=str(error))
            self._start(self._deliveries.give_back([message]))
            return
        if isinstance(parsed, LlmRequest):
            self._take_request(parsed, message)
        elif isinstance(parsed, Cancellation):
            self._cancel(parsed)
            self._start(self._deliveries.delete(message))
        else:
            self._refuse(message, *parsed)

    def _take_request(self, request: LlmRequest, message: QueueMessage) -> None:
        if held := self._held.get(request.id):
            self._take_duplicate(held, message)
        elif reply := self._kept.get(request.id):
            self._start(self._deliveries.settle(message, request.organization, reply))
        elif (request.organization, request.id) in self._cancelled:
            self._drop(message)
        elif not request.wants_reply and not self._engine.keeps_prompts:
            self._start(self._deliveries.delete(message))  # another's server may take money for it
        else:
            held = Held(request, message, received_at=time.time())
            self._held[request.id] = held
            self._heartbeat.keep(message)
            self._waiting.add(request.id, held, request.terms)

    def _take_duplicate(self, held: Held, message: QueueMessage) -> None:
        if held.message.id == message.id:
            # The same message again, because a heartbeat came too late: deleting it would leave the request
            # without a message should this process die. The newer receipt is the valid one.
            held.message = message
            self._heartbeat.keep(message)
        else:
            self._start(self._deliveries.delete(message))

    def _refuse(self, message: QueueMessage, addressee: Addressee, error: ReplyError) -> None:
        reply = refusal(addressee.id, self._engine.model, error, received_at=time.time())
        self._start(self._deliveries.settle(message, addressee.organization, reply))

    def _cancel(self, cancellation: Cancellation) -> None:
        """Stop a request that is in hand, and do not start one that is still to come."""
        self._cancelled.keep((cancellation.organization, cancellation.id), time.time())
        held = self._held.get(cancellation.id)
        if held is None or held.request.organization != cancellation.organization:
            return
        if held.is_generated:
            assert held.generation is not None
            held.generation.cancel()
        elif self._waiting.remove(cancellation.id) is None:
            return  # its reply is on the way
        self._let_go(held)
        self._drop(held.message)

    def _drop(self, message: QueueMessage) -> None:
        self._metrics.count_dropped("cancelled")
        self._start(self._deliveries.delete(message))

    def _use_slot(self) -> None:
        """Called by whoever releases one, perhaps an HTTP request, whose id is not for the log of others."""
        self._changed.set()
        Context().run(self._start_due)

    def _start_due(self) -> None:
        """Give every slot that is free or is given back the request that is due; what has expired is answered
        without the engine."""
        if self._stopping.is_set():
            return
        now = time.time()
        for held in self._waiting.drop_expired(now):
            self._metrics.count_dropped("expired")
            reply = refusal(held.request.id, self._engine.model, EXPIRED, received_at=held.received_at)
            self._start(self._settle(held, reply))
        while self._slots.free and (due := self._waiting.pick(now)):
            self._generate(due)
        while (stopped := self._waiting.find_way_giver(now)) and stopped.is_generated:
            due = self._waiting.pick(now)
            assert due is not None
            self._stop(stopped, now)
            self._generate(due)

    def _stop(self, held: Held, now: float) -> None:
        """Let a request that is being answered wait again. Its slot counts as taken until the engine has let
        go of it, a moment later."""
        assert held.generation is not None
        generation, held.generation = held.generation, None
        generation.cancel()
        self._waiting.wait_again(held.request.id, now)
        self._metrics.count_stopped()

    def _generate(self, held: Held) -> None:
        self._slots.take()
        held.generation = asyncio.create_task(
            answer(
                self._engine,
                held.request,
                self._metrics,
                sent_at=held.message.sent_at,
                received_at=held.received_at,
                max_seconds=self._generation_seconds,
            )
        )
        held.generation.add_done_callback(partial(self._finish, held))

    def _finish(self, held: Held, generation: asyncio.Task[LlmReply]) -> None:
        """Called when a generation has ended, in whatever way."""
        error = None if generation.cancelled() else generation.exception()
        is_stopped = held.generation is not generation
        if not is_stopped:
            self._waiting.finish(held.request.id, time.time())
        self._slots.release()
        if is_stopped or generation.cancelled() or self._held.get(held.request.id) is not held:
            return  # who stopped or cancelled it has seen to its message
        if error is None:
            self._start(self._settle(held, generation.result()))
            return
        event = "engine failed, request returned"  # whatever it was: the request must not be lost with it
        self._failures.note(
            "engine", event, held.message, request_id=held.request.id, error=name_error(error)
        )
        pause = retry_seconds(held.message) if isinstance(error, EngineUnavailableError) else 0
        self._give_back([held], pause)

    async def _settle(self, held: Held, reply: LlmReply) -> None:
        try:
            if held.request.wants_reply:
                self._kept.keep(reply.id, reply)
                await self._deliveries.settle(held.message, held.request.organization, reply)
            else:
                await self._deliveries.delete(held.message)
        finally:
            self._let_go(held)

    def _give_back(self, requests: list[Held], pause_seconds: int = 0) -> None:
        for held in requests:
            self._let_go(held)  # first, so that one that comes again at once is a new one
        if requests:
            self._start(self._deliveries.give_back([held.message for held in requests], pause_seconds))

    def _let_go(self, held: Held) -> None:
        del self._held[held.request.id]
        self._heartbeat.drop(held.message)
        self._changed.set()

    async def _drain(self) -> None:
        generations = [held.generation for held in self._held.values() if held.generation]
        left = self._stopped_at + self._drain_seconds - time.monotonic()
        if generations:
            await asyncio.wait(generations, timeout=max(0.0, left))
        unfinished = [held for held in self._held.values() if held.is_generated]
        self._give_back(unfinished)
        for generation in generations:
            generation.cancel()
        await asyncio.gather(*generations, return_exceptions=True)
        while self._tasks:
            await asyncio.wait(self._tasks)
        log.info("consumer stopped", extra={"fields": {"returned": len(unfinished)}})

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
