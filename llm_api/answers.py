"""One queue request through the engine: its reply, be it an answer or a definite refusal."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import cast

from llm_api.contract import ErrorCode, LlmReply, LlmRequest, ReplyError
from llm_api.engine.base import (
    Engine,
    EngineError,
    EngineRefusedError,
    EngineUnavailableError,
    Finished,
    Piece,
    Started,
)
from llm_api.logs import request_id
from llm_api.metrics import Metrics

EXPIRED = ReplyError(code="expired", message="Nobody waits for this answer any more.")
MAX_ANSWER_CHARACTERS = 40_000
"""No chat message is so long: a model that writes on for ever is stopped, and a reply fits SQS."""


async def answer(
    engine: Engine,
    request: LlmRequest,
    metrics: Metrics,
    *,
    sent_at: float,
    received_at: float,
    max_seconds: float,
) -> LlmReply:
    """Run the request until it expires, as a task of its own. Raises EngineError only where trying again may
    help, as after `max_seconds` without the end of an answer. `sent_at` and `received_at` are in epoch
    seconds."""
    request_id.set(request.id)
    left = max_seconds if request.expires_at is None else request.expires_at - time.time()
    began_at = time.time()
    try:
        async with asyncio.timeout(min(left, max_seconds)) as limit:
            return await _generate(engine, request, metrics, sent_at, received_at)
    except TimeoutError:
        if not limit.expired():  # then it is the engine's own
            raise
    if left > max_seconds or request.expires_at is None:
        raise EngineUnavailableError(f"The engine did not answer within {max_seconds:g} s: try again.")
    metrics.count_dropped("expired")
    return refusal(request.id, engine.model, EXPIRED, received_at=received_at, started_at=began_at)


def refusal(
    request_id: str, model: str, error: ReplyError, *, received_at: float, started_at: float | None = None
) -> LlmReply:
    """The reply to a request that has no answer."""
    now = time.time()
    return LlmReply(
        id=request_id,
        status="failed",
        model=model,
        error=error,
        received_at=received_at,
        started_at=now if started_at is None else started_at,
        finished_at=now,
    )


async def _generate(
    engine: Engine, request: LlmRequest, metrics: Metrics, sent_at: float, received_at: float
) -> LlmReply:
    started_at = time.time()
    text = ""
    finished: Finished | None = None
    try:
        async with aclosing(metrics.observe("queue", engine.generate(request.chat()), sent_at)) as events:
            async for event in events:
                match event:
                    case Started(at=at):
                        started_at = at
                    case Piece(text=piece):
                        text = _extended(text, piece)
                    case Finished():
                        finished = event
    except EngineError as error:
        if not error.permanent:
            raise
        told = ReplyError(code=cast(ErrorCode, error.code), message=str(error))
        return refusal(request.id, engine.model, told, received_at=received_at, started_at=started_at)
    if finished is None:
        raise EngineError("The engine ended without an answer: try again.")
    return LlmReply(
        id=request.id,
        status="completed",
        text=text,
        finish_reason=finished.reason,
        model=engine.model,
        prompt_tokens=finished.prompt_tokens,
        completion_tokens=finished.completion_tokens,
        dropped_messages=finished.dropped_messages,
        context_tokens=engine.context,
        received_at=received_at,
        started_at=started_at,
        finished_at=time.time(),
    )


def _extended(text: str, piece: str) -> str:
    if len(text) + len(piece) > MAX_ANSWER_CHARACTERS:
        raise EngineRefusedError(
            f"The model wrote more than {MAX_ANSWER_CHARACTERS} characters: lower max_tokens."
        )
    return text + piece
