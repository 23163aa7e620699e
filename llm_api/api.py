"""The HTTP side: OpenAI-compatible /v1 behind a bearer token, /healthz and /metrics for machines, /stats for
people."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any, TypeVar

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from llm_api.consumer import Consumer
from llm_api.engine.base import Engine, EngineError, Event, Finished, Piece
from llm_api.logs import request_id
from llm_api.metrics import Metrics
from llm_api.openai import (
    ApiError,
    ChatCompletionRequest,
    Completion,
    parse_chat_request,
)
from llm_api.request_ids import HEADER, RequestIds
from llm_api.slots import Slots
from llm_api.stats import Stats
from llm_api.stats_page import render

log = logging.getLogger(__name__)
T = TypeVar("T")

MAX_BODY_BYTES = 1024 * 1024
PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


class ClientGoneError(Exception):
    """The client has gone before its answer began."""


def create_app(*, engine: Engine, consumer: Consumer, slots: Slots, metrics: Metrics, token: str) -> FastAPI:
    """The application; the consumer runs as long as it does."""

    stats = Stats(engine, consumer, slots, metrics)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        running = asyncio.create_task(consumer.run())
        running.add_done_callback(partial(_log_crash, "the consumer crashed"))
        sampling = asyncio.create_task(stats.run())
        sampling.add_done_callback(partial(_log_crash, "the sampling for /stats crashed"))
        yield
        sampling.cancel()
        consumer.stop_receiving()
        await running

    app = FastAPI(title="llm_api", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(RequestIds)
    app.include_router(_openai_routes(engine, slots, metrics, token))
    app.include_router(_machine_routes(engine, consumer, metrics))
    app.include_router(_people_routes(stats))
    app.exception_handler(ApiError)(_show_api_error)
    app.exception_handler(HTTPException)(_show_http_error)
    app.exception_handler(EngineError)(_show_engine_error)
    app.exception_handler(ClientGoneError)(_show_nothing)
    app.exception_handler(Exception)(_show_crash)
    return app


def _log_crash(event: str, running: asyncio.Task[None]) -> None:
    if not running.cancelled() and (error := running.exception()):
        log.critical(event, exc_info=error)


def _openai_routes(engine: Engine, slots: Slots, metrics: Metrics, token: str) -> APIRouter:
    expected = token.encode("utf-8")
    created = int(time.time())

    def require_token(request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode("latin-1"), expected):
            raise ApiError(401, "Send the bearer token of HUB_LLM_TOKEN.", code="invalid_api_key")

    routes = APIRouter(prefix="/v1", dependencies=[Depends(require_token)])

    @routes.get("/models")
    async def models() -> dict[str, Any]:
        model = {"id": engine.model, "object": "model", "created": created, "owned_by": "channels-hub"}
        return {"object": "list", "data": [model]}

    @routes.post("/chat/completions")
    async def chat_completions(request: Request) -> Response:
        asked = parse_chat_request(await _read_body(request))
        completion = Completion(engine.model, asked.include_usage)
        events = _observed(engine, slots, metrics, asked)
        if not asked.stream:
            return JSONResponse(await _unless_disconnected(request, _collect(completion, events)))
        # The first event says that the engine takes the request: until then an error is a plain response.
        await _unless_disconnected(request, _accepted(events))
        return StreamingResponse(_lines(completion, events), media_type="text/event-stream")

    return routes


def _machine_routes(engine: Engine, consumer: Consumer, metrics: Metrics) -> APIRouter:
    routes = APIRouter()

    @routes.get("/healthz")
    async def healthz() -> JSONResponse:
        problems = {"engine": await engine.check(), "consumer": consumer.problem()}
        healthy = not any(problems.values())
        parts = {part: problem or "ok" for part, problem in problems.items()}
        return JSONResponse({"status": "ok" if healthy else "failing", **parts}, 200 if healthy else 503)

    @routes.get("/metrics")
    async def read_metrics() -> Response:
        return Response(metrics.render(), media_type=CONTENT_TYPE_LATEST)

    return routes


def _people_routes(stats: Stats) -> APIRouter:
    routes = APIRouter()

    @routes.get("/stats")
    async def read_stats() -> HTMLResponse:
        headers = {"Cache-Control": "no-store", "Content-Security-Policy": PAGE_POLICY}
        return HTMLResponse(render(await stats.facts()), headers=headers)

    return routes


async def _observed(
    engine: Engine, slots: Slots, metrics: Metrics, asked: ChatCompletionRequest
) -> AsyncGenerator[Event, None]:
    started = time.time()
    with slots.hold():
        async with aclosing(metrics.observe("http", engine.generate(asked.chat()), started)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    log.info("http request answered", extra={"fields": _facts(event, started)})
                yield event


async def _accepted(events: AsyncGenerator[Event, None]) -> None:
    """Wait for the first event, Started."""
    await anext(events)


async def _collect(completion: Completion, events: AsyncGenerator[Event, None]) -> dict[str, Any]:
    pieces: list[str] = []
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Piece):
                pieces.append(event.text)
            elif isinstance(event, Finished):
                return completion.whole("".join(pieces), event)
    raise EngineError("The engine ended without an answer: try again.")


async def _lines(completion: Completion, events: AsyncGenerator[Event, None]) -> AsyncIterator[str]:
    """Server-sent events in OpenAI's order; a failure on the way is an error event, without [DONE]."""
    yield _line(completion.first_chunk())
    try:
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Piece):
                    yield _line(completion.text_chunk(event.text))
                elif isinstance(event, Finished):
                    yield _line(completion.last_chunk(event))
                    if completion.include_usage:
                        yield _line(completion.usage_chunk(event))
    except EngineError as error:
        yield _line(ApiError.of(error).body)
    else:
        yield "data: [DONE]\n\n"


def _line(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n"


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise ApiError(413, f"The body is over {MAX_BODY_BYTES} bytes.", code="invalid_request")
    return bytes(body)


async def _unless_disconnected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled when the client hangs up."""
    working = asyncio.create_task(work)
    gone = asyncio.create_task(_wait_for_disconnect(request))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGoneError
        return working.result()
    finally:
        working.cancel()
        gone.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _show_api_error(request: Request, error: ApiError) -> JSONResponse:
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
    return JSONResponse(error.body, error.status, headers)


async def _show_http_error(request: Request, error: HTTPException) -> JSONResponse:
    shown = ApiError(error.status_code, f"{error.detail}.")
    return JSONResponse(shown.body, error.status_code, error.headers)


async def _show_engine_error(request: Request, error: EngineError) -> JSONResponse:
    shown = ApiError.of(error)
    return JSONResponse(shown.body, shown.status)


async def _show_nothing(request: Request, error: Exception) -> Response:
    return Response(status_code=499)  # nobody reads it; the number is the usual one for this in logs


async def _show_crash(request: Request, error: Exception) -> JSONResponse:
    """Answers outside of all middleware."""
    body = ApiError(500, "The service failed: see its log.", code="engine_error").body
    return JSONResponse(body, 500, {HEADER: request_id.get()})


def _facts(finished: Finished, started: float) -> dict[str, Any]:
    return {
        "prompt_tokens": finished.prompt_tokens,
        "completion_tokens": finished.completion_tokens,
        "seconds": round(time.time() - started, 3),
    }
