"""The queue consumer: holds requests, answers the one that is due in each free slot, then lets go of it.

It holds more than it can answer at once, so that it can choose (`waiting`) and hear of cancellations while
all slots are busy. Every step may happen twice (SQS delivers at least once), so a request is known by its id:
one in hand is not started again, and one answered lately gets the same reply again.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import OrderedDict
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from llm_api.answers import answer
from llm_api.contract import (
    Addressee,
    Cancellation,
    LlmReply,
    LlmRequest,
    MalformedRequestError,
    ReplyError,
    parse_request,
)
from llm_api.engine.base import Engine, EngineUnavailableError
from llm_api.heartbeat import keep_hidden
from llm_api.logs import name_error
from llm_api.metrics import ConsumerError, Metrics
from llm_api.queues import QueueError, QueueMessage, Queues
from llm_api.slots import Slots
from llm_api.waiting import Waiting

log = logging.getLogger(__name__)
T = TypeVar("T")

KEPT_REPLIES = 1000
KEPT_CANCELLATIONS = 10_000
MAX_BACKOFF_SECONDS = 30.0
EXPIRED = ReplyError(code="expired", message="Nobody waits for this answer any more.")
MAX_GENERATION_SECONDS = 300.0
"""An engine that is silent for so long does not answer any more: the request goes back to the queue."""


@dataclass
class Held:
    """A request in hand and its latest delivery, whose receipt is the one that counts. `work` once it is
    being answered."""

    request: LlmRequest
    message: QueueMessage
    work: asyncio.Task[None] | None = None
    settled: bool = False


class Consumer:
    """Runs until `stop_receiving`; then finishes what it holds in `drain_seconds` and returns the rest."""

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
        backoff_seconds: float = 0.5,
    ) -> None:
        self._queues = queues
        self._engine = engine
        self._slots = slots
        self._metrics = metrics
        self._held_requests = max(held_requests, slots.total)
        self._visibility_seconds = visibility_seconds
        self._drain_seconds = drain_seconds
        self._backoff_seconds = backoff_seconds
        self._held: dict[str, Held] = {}
        self._waiting: Waiting[Held] = Waiting(slots.total)
        metrics.watch_waiting(lambda: len(self._waiting))
        self._cancelled: OrderedDict[str, None] = OrderedDict()
        self._some_waiting = asyncio.Event()
        self._some_room = asyncio.Event()
        self._kept: OrderedDict[str, LlmReply] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._stopped_at = 0.0
        self._running = False
        self._failed_receives = 0

    def problem(self) -> str | None:
        """Why no request is being received, as a short phrase; None when all is well."""
        if not self._running or self._stopping.is_set():
            return "not receiving"
        return "cannot reach the queue" if self._failed_receives else None

    def stop_receiving(self) -> None:
        """Start to stop; `run` returns when everything in hand is finished or returned."""
        if not self._stopping.is_set():
            self._stopped_at = time.monotonic()
            self._stopping.set()

    async def run(self) -> None:
        self._running = True
        helpers = [asyncio.create_task(self._answer_in_turn()), asyncio.create_task(self._keep_hidden())]
        try:
            while not self._stopping.is_set():
                limit = await self._unless_stopped(self._wait_for_room())
                for message in await self._receive(limit) if limit else []:
                    self._take(message)
            await self._drain()
        finally:
            self._running = False
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)

    async def _wait_for_room(self) -> int:
        """How many requests to receive now: as many as can start at once, so that other boxes get theirs, or
        with all slots busy as many as there is room for."""
        while len(self._held) >= self._held_requests:
            self._some_room.clear()
            await self._some_room.wait()
        room = self._held_requests - len(self._held)
        return min(room, max(self._slots.free - len(self._waiting), 0) or room)

    async def _answer_in_turn(self) -> None:
        """Start whatever is due next whenever a slot is free."""
        while True:
            await self._some_waiting.wait()
            await self._slots.wait_free()
            self._drop_expired()
            held = None if self._stopping.is_set() else self._waiting.pick(time.time())
            if held is None:
                self._some_waiting.clear()
            else:
                self._begin(held)

    def _keep_hidden(self) -> Coroutine[Any, Any, None]:
        def note(message: QueueMessage, reason: str) -> None:
            self._note("heartbeat", "heartbeat failed", message, error=reason)

        def messages() -> list[QueueMessage]:
            return [held.message for held in self._held.values()]

        return keep_hidden(self._queues, messages, self._visibility_seconds, note)

    async def _receive(self, limit: int) -> list[QueueMessage]:
        try:
            messages = await self._queues.receive(limit)
        except QueueError as error:
            await self._back_off(error)
            return []
        if self._failed_receives:
            log.info("queue reached again", extra={"fields": {"failed_receives": self._failed_receives}})
            self._failed_receives = 0
        return messages

    async def _back_off(self, error: QueueError) -> None:
        """Log once per outage and wait longer after each try, with jitter so that boxes spread out."""
        self._metrics.count_consumer_error("receive")
        if not self._failed_receives:
            log.warning("cannot reach the queue, trying on", extra={"fields": {"error": str(error)}})
        seconds = min(MAX_BACKOFF_SECONDS, self._backoff_seconds * 2 ** min(self._failed_receives, 10))
        self._failed_receives += 1
        jitter = random.uniform(0.5, 1.0)  # noqa: S311  no secret
        await self._unless_stopped(asyncio.sleep(seconds * jitter))

    def _take(self, message: QueueMessage) -> None:
        """Decide what to do with a delivery; without waiting, so that its slot is taken at once."""
        if self._stopping.is_set():
            self._start(self._return(message))
            return
        try:
            request = parse_request(message.body)
        except MalformedRequestError as error:
            # Returned, not deleted: after maxReceiveCount deliveries it is in the dead-letter queue.
            self._note("malformed", "malformed, left to the dead-letter queue", message, reason=str(error))
            self._start(self._return(message))
            return
        if isinstance(request, Cancellation):
            self._cancel(request, message)
        elif not isinstance(request, LlmRequest):
            self._start(self._refuse(message, *request))
        elif held := self._held.get(request.id):
            self._take_duplicate(held, message)
        elif reply := self._kept.get(request.id):
            self._start(self._settle(message, request.organization, reply))
        elif request.id in self._cancelled:
            self._drop(message)
        else:
            self._take_new(Held(request, message))

    def _take_new(self, held: Held) -> None:
        self._held[held.request.id] = held
        self._waiting.add(held.request.id, held, held.request.terms)
        self._some_waiting.set()

    def _begin(self, held: Held) -> None:
        self._slots.take()
        held.work = self._start(self._answer(held))

        def let_go(task: asyncio.Task[None]) -> None:
            self._slots.release()
            self._waiting.finish(held.request.organization)
            self._forget(held)
            self._some_waiting.set()

        held.work.add_done_callback(let_go)

    def _forget(self, held: Held) -> None:
        del self._held[held.request.id]
        self._some_room.set()

    def _drop_expired(self) -> None:
        """Nobody waits for these any more: they are answered so, without the engine."""
        for held in self._waiting.drop_expired(time.time()):
            self._forget(held)
            self._metrics.count_dropped("expired")
            addressee = Addressee(id=held.request.id, organization=held.request.organization)
            self._start(self._refuse(held.message, addressee, EXPIRED))

    def _cancel(self, cancellation: Cancellation, message: QueueMessage) -> None:
        """Stop a request that is in hand, and do not start one that is still to come."""
        self._cancelled[cancellation.id] = None
        while len(self._cancelled) > KEPT_CANCELLATIONS:
            self._cancelled.popitem(last=False)
        self._start(self._delete(message))
        held = self._held.get(cancellation.id)
        if held is None or held.settled:
            return
        if held.work is not None:
            held.work.cancel()
        else:
            self._waiting.remove(cancellation.id)
            self._forget(held)
        self._drop(held.message)

    def _drop(self, message: QueueMessage) -> None:
        self._metrics.count_dropped("cancelled")
        self._start(self._delete(message))

    def _take_duplicate(self, held: Held, message: QueueMessage) -> None:
        if held.message.id == message.id:
            # The same message again, because a heartbeat came too late: deleting it would leave the request
            # without a message should this process die. The newer receipt is the valid one.
            held.message = message
        else:
            self._start(self._delete(message))

    async def _answer(self, held: Held) -> None:
        try:
            reply = await self._generate(held)
        except Exception as error:  # whatever it was, the request must not be lost with it
            self._note("engine", "engine failed, request returned", held.message, error=name_error(error))
            pause = _retry_seconds(held.message) if isinstance(error, EngineUnavailableError) else 0
            await self._return(held.message, pause)
        else:
            held.settled = True  # from here on a cancellation comes too late
            self._keep(reply)
            await self._settle(held.message, held.request.organization, reply)
        held.settled = True

    async def _generate(self, held: Held) -> LlmReply:
        """The reply, or a refusal when the request expires meanwhile."""
        expires_at = held.request.expires_at
        seconds = MAX_GENERATION_SECONDS if expires_at is None else expires_at - time.time()
        try:
            async with asyncio.timeout(min(seconds, MAX_GENERATION_SECONDS)) as limit:
                return await answer(self._engine, held.request, held.message.sent_at, self._metrics)
        except TimeoutError:
            if not limit.expired():
                raise
        if expires_at is None or time.time() < expires_at:
            raise EngineUnavailableError("The engine did not answer in time: try again.")
        self._metrics.count_dropped("expired")
        return self._refusal(held.request.id, EXPIRED)

    def _refusal(self, request_id: str, error: ReplyError) -> LlmReply:
        now = time.time()
        return LlmReply(
            id=request_id,
            status="failed",
            model=self._engine.model,
            error=error,
            received_at=now,
            started_at=now,
            finished_at=now,
        )

    async def _refuse(self, message: QueueMessage, addressee: Addressee, error: ReplyError) -> None:
        await self._settle(message, addressee.organization, self._refusal(addressee.id, error))

    async def _settle(self, message: QueueMessage, organization: str, reply: LlmReply) -> None:
        """Send the reply, then delete the request: a crash in between repeats the reply, never loses it."""
        try:
            await self._queues.reply(reply.to_json(), organization)
        except QueueError as error:
            self._note("reply", "reply not sent, request returned", message, error=str(error))
            await self._return(message, _retry_seconds(message))
            return
        log.info("request answered", extra={"fields": _facts(reply)})
        await self._delete(message)

    async def _delete(self, message: QueueMessage) -> None:
        try:
            await self._queues.delete(message)
        except QueueError as error:
            self._note("delete", "request not deleted, it will come again", message, error=str(error))

    async def _return(self, message: QueueMessage, pause_seconds: int = 0) -> None:
        try:
            await self._queues.hide(message, pause_seconds)
        except QueueError as error:
            self._note("release", "request not returned, it reappears by itself", message, error=str(error))

    async def _drain(self) -> None:
        for held in self._waiting.clear():
            self._forget(held)
            self._start(self._return(held.message))
        left = self._stopped_at + self._drain_seconds - time.monotonic()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=max(0.0, left))
        unfinished = [held for held in self._held.values() if not held.settled]
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(self._return(held.message) for held in unfinished))
        log.info("consumer stopped", extra={"fields": {"returned": len(unfinished)}})

    def _keep(self, reply: LlmReply) -> None:
        self._kept[reply.id] = reply
        while len(self._kept) > KEPT_REPLIES:
            self._kept.popitem(last=False)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T | None:
        """The result of `work`, or None as soon as the consumer is told to stop."""
        task = asyncio.create_task(work)
        stop = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if task.done():
            return task.result()
        task.cancel()
        return None

    def _note(self, operation: ConsumerError, event: str, message: QueueMessage, **fields: str) -> None:
        self._metrics.count_consumer_error(operation)
        facts = {"message_id": message.id, "receive_count": message.receive_count}
        log.warning(event, extra={"fields": facts | fields})


def _retry_seconds(message: QueueMessage) -> int:
    return int(min(MAX_BACKOFF_SECONDS, 2 ** min(message.receive_count, 10)))


def _facts(reply: LlmReply) -> dict[str, Any]:
    return {
        "request_id": reply.id,
        "status": reply.status,
        "error": reply.error and reply.error.code,
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "seconds": round(reply.finished_at - reply.started_at, 3),
    }
