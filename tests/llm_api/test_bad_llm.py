"""A consumer before an LLM server that misbehaves on the wire: every request is tried again or told of."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from llm_api.consumer import Consumer
from llm_api.engine.remote import RemoteEngine
from llm_api.metrics import Metrics
from llm_api.slots import Slots
from tests.llm_api.conftest import until
from tests.llm_api.fakes import FakeQueues

pytestmark = pytest.mark.anyio

Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
CHUNKED = STREAM + b"transfer-encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(text: str, reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": reason}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def says(data: bytes) -> Behaviour:
    """Sends `data` and hangs up."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return behave


def with_length(body: bytes) -> Behaviour:
    return says(STREAM + b"content-length: %d\r\n\r\n" % len(body) + body)


def then_silent(data: bytes) -> Behaviour:
    """Sends `data` and nothing more, for ever."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await asyncio.Event().wait()

    return behave


async def writes_for_ever(writer: asyncio.StreamWriter) -> None:
    writer.write(CHUNKED)
    while True:
        writer.write(chunk(event("and " * 1000)))
        await writer.drain()


async def drips(writer: asyncio.StreamWriter) -> None:
    """Never silent for long, so that no read times out, and never done."""
    writer.write(CHUNKED)
    while True:
        writer.write(chunk(b": still here\n\n"))
        await writer.drain()
        await asyncio.sleep(0.01)


WELL = with_length(event("Hello", "stop"))
GARBAGE = {
    "nothing": says(b""),
    "no HTTP": says(b"\x00\xff garbage\r\n\r\n"),
    "half a header": says(b"HTTP/1.1 200 OK\r\ncontent-"),
    "an empty stream": with_length(b""),
    "only the end": with_length(b"data: [DONE]\n\n"),
    "HTML": with_length(b"<html><body>502 SECRET</body></html>"),
    "broken JSON": with_length(b'data: {"choices": [\n\n'),
    "no unicode": with_length(b"data: \xff\xfe\n\n"),
    "a gzip that is none": says(STREAM + b"content-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope"),
    "cut in an event": says(CHUNKED + chunk(event("Hel")) + b"40\r\ndat"),
    "cut between events": says(CHUNKED + chunk(event("Hel"))),
    "ended before the end": with_length(event("Hel")),
    "a server error": says(b"HTTP/1.1 500 Oh\r\ncontent-length: 6\r\n\r\nSECRET"),
}
NOTHING_IN_IT = ("an empty stream", "only the end", "HTML")  # the server is asked once more, for its reason
SILENCE = {
    "accepts and is silent": then_silent(b""),
    "is silent after the headers": then_silent(CHUNKED),
    "is silent in the middle": then_silent(CHUNKED + chunk(event("He"))),
    "drips": drips,
}


class Llm:
    """A server that behaves as told, one connection after the other; without orders it answers well."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self.orders = list(behaviours)
        self.asked = 0
        self.open = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
        self.asked += 1
        self.open += 1
        behaving = asyncio.ensure_future((self.orders.pop(0) if self.orders else WELL)(writer))
        hung_up = asyncio.ensure_future(reader.read())
        await asyncio.wait({behaving, hung_up}, return_when=asyncio.FIRST_COMPLETED)
        for task in (behaving, hung_up):
            task.cancel()
        await asyncio.gather(behaving, hung_up, return_exceptions=True)
        self.open -= 1
        writer.close()


class Box:
    """A consumer with the real engine for a URL."""

    def __init__(self, engine: RemoteEngine) -> None:
        self.queues = FakeQueues()
        self.slots = Slots(engine.slots)
        self.consumer = Consumer(
            self.queues, engine, self.slots, Metrics(), backoff_seconds=0.001, look_ahead_seconds=0.001
        )


@asynccontextmanager
async def box_before(llm: Llm) -> AsyncIterator[Box]:
    async with llm.running() as url:
        engine = RemoteEngine(url, model_name="m", slots=1)
        box = Box(engine)
        running = asyncio.create_task(box.consumer.run())
        try:
            yield box
            assert not running.done()
        finally:
            box.consumer.stop_receiving()
            await running
            await engine.close()


@pytest.mark.parametrize("kind", GARBAGE)
async def test_garbage_is_tried_again_after_a_pause(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    llm = Llm(GARBAGE[kind])
    async with box_before(llm) as box:
        name = box.queues.ask("r1")
        await until(lambda: box.queues.hides)
        assert box.queues.hides == [(name, f"{name}#1", 2)]
        assert box.queues.replies == []
        assert box.slots.free == 1
        box.queues.redeliver(name)
        await until(lambda: box.queues.replies)
    [(reply, _)] = box.queues.replies
    assert (reply["status"], reply["text"]) == ("completed", "Hello")
    assert llm.asked == (3 if kind in NOTHING_IN_IT else 2)
    assert "SECRET" not in str([record.__dict__ for record in caplog.records])


@pytest.mark.parametrize("kind", SILENCE)
async def test_silence_ends_when_the_request_expires(kind: str) -> None:
    llm = Llm(SILENCE[kind])
    async with box_before(llm) as box:
        box.queues.ask("r1", expires_at=time.time() + 0.3)
        box.queues.ask("r2")
        await until(lambda: len(box.queues.replies) == 2)
        await until(lambda: llm.open == 0)
    replies = {reply["id"]: reply for reply, _ in box.queues.replies}
    assert (replies["r1"]["status"], replies["r1"]["error"]["code"]) == ("failed", "expired")
    assert replies["r2"]["status"] == "completed"
    assert box.queues.stored == {}


async def test_a_cancelled_request_hangs_up_on_the_server() -> None:
    llm = Llm(SILENCE["is silent in the middle"])
    async with box_before(llm) as box:
        box.queues.ask("r1")
        await until(lambda: llm.open)
        box.queues.put(json.dumps({"cancel": "r1", "organization": "smile"}))
        await until(lambda: llm.open == 0 and not box.queues.stored)
        assert box.slots.free == 1
    assert box.queues.replies == []


async def test_an_answer_without_end_is_a_definite_failure() -> None:
    llm = Llm(writes_for_ever)
    async with box_before(llm) as box:
        box.queues.ask("r1")
        await until(lambda: box.queues.replies)
        await until(lambda: llm.open == 0)
    [(reply, _)] = box.queues.replies
    assert (reply["status"], reply["error"]["code"], reply["text"]) == ("failed", "engine_error", "")
    assert "characters" in reply["error"]["message"]
