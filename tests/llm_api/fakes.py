"""An engine and queues that live in memory and do what a test tells them."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from llm_api.engine.base import ChatRequest, Engine, Event, Finished, Piece, Started
from llm_api.queues import QueueError, QueueMessage, Refusal


class FakeEngine(Engine):
    """Answers with `pieces`, once `gate` is open; raises `errors` first, one per request."""

    model = "fake-model"

    def __init__(self, *pieces: str, slots: int = 1) -> None:
        self.slots = slots
        self.pieces = pieces or ("Hel", "lo")
        self.gate = asyncio.Event()
        self.gate.set()
        self.errors: list[Exception] = []
        self.break_off: Exception | None = None
        self.requests: list[ChatRequest] = []
        self.running = 0
        self.cancelled = 0
        self.problem: str | None = None

    async def generate(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        self.requests.append(request)
        self.running += 1
        try:
            if self.errors:
                raise self.errors.pop(0)
            yield Started(time.time())
            await self.gate.wait()
            for piece in self.pieces:
                yield Piece(piece)
            if self.break_off:
                raise self.break_off
            yield Finished("stop", prompt_tokens=11, completion_tokens=len(self.pieces), cached_tokens=3)
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise
        finally:
            self.running -= 1

    async def check(self) -> str | None:
        return self.problem

    async def close(self) -> None:
        pass


MAX_RECEIVES = 5


@dataclass
class Stored:
    message: QueueMessage
    hidden: bool = False


class FakeQueues:
    """One request queue and one reply queue; a hidden message reappears when told to, not by time."""

    def __init__(self) -> None:
        self.stored: dict[str, Stored] = {}
        self.dead: list[str] = []
        self.replies: list[tuple[dict[str, Any], str]] = []
        self.hides: list[tuple[str, str, int]] = []
        self.hide_calls = 0
        self.refused: set[str] = set()
        self.deleted: list[str] = []
        self.receives: list[tuple[int, bool]] = []
        self.log: list[str] = []
        self.reply_gate = asyncio.Event()
        self.reply_gate.set()
        self.receive_gate = asyncio.Event()
        self.receive_gate.set()
        self.hide_gate = asyncio.Event()
        self.hide_gate.set()
        self.receiving = False
        self.down = False
        self.replies_down = False
        self.failed_receives = 0
        self._numbers = itertools.count(1)

    def put(self, body: str) -> str:
        name = f"m{next(self._numbers)}"
        self.stored[name] = Stored(QueueMessage(name, "", body, sent_at=time.time(), receive_count=0))
        return name

    def ask(self, request_id: str = "r1", organization: str = "smile", **fields: Any) -> str:
        body = {
            "id": request_id,
            "organization": organization,
            "messages": [{"role": "user", "content": "SECRET question"}],
            "max_tokens": 20,
            "temperature": 0.0,
        }
        return self.put(json.dumps(body | fields))

    def redeliver(self, name: str) -> None:
        """What SQS does when a visibility timeout runs out."""
        self.stored[name].hidden = False

    async def receive(self, limit: int, *, wait: bool) -> list[QueueMessage]:
        await asyncio.sleep(0)
        self.receiving = True
        await self.receive_gate.wait()
        self.receiving = False
        if self.down:
            self.failed_receives += 1
            raise QueueError("EndpointConnectionError")
        self.receives.append((limit, wait))
        received: list[QueueMessage] = []
        for name, stored in list(self.stored.items()):
            if not stored.hidden and len(received) < limit:
                count = stored.message.receive_count + 1
                if count > MAX_RECEIVES:
                    self.dead.append(name)
                    del self.stored[name]
                    continue
                stored.message = replace(stored.message, receipt=f"{name}#{count}", receive_count=count)
                stored.hidden = True
                received.append(stored.message)
        return received

    async def hide(self, messages: Sequence[QueueMessage], seconds: int) -> list[Refusal]:
        self.hide_calls += 1
        await self.hide_gate.wait()
        refused = [(message, "ReceiptHandleIsInvalid") for message in messages if message.id in self.refused]
        for message in messages:
            self.hides.append((message.id, message.receipt, seconds))
            if message.id in self.stored and message.id not in self.refused:
                self.stored[message.id].hidden = seconds > 0
        return refused

    async def delete(self, message: QueueMessage) -> None:
        self.log.append(f"delete {message.id}")
        self.deleted.append(message.receipt)
        self.stored.pop(message.id, None)

    async def reply(self, body: str, organization: str) -> None:
        await self.reply_gate.wait()
        if self.replies_down:
            raise QueueError("ServiceUnavailable")
        self.log.append("reply")
        self.replies.append((json.loads(body), organization))

    async def close(self) -> None:
        pass
