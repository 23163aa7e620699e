"""One queue request through the engine: its reply, be it an answer or a definite refusal."""

from __future__ import annotations

import time
from typing import cast

from llm_api.contract import ErrorCode, LlmReply, LlmRequest, ReplyError
from llm_api.engine.base import Engine, EngineError, Finished, Piece, Started
from llm_api.metrics import Metrics


async def answer(engine: Engine, request: LlmRequest, sent_at: float, metrics: Metrics) -> LlmReply:
    """Run the request. Raises EngineError only where trying again may help. `sent_at` is in epoch seconds."""
    received_at = started_at = time.time()
    pieces: list[str] = []
    finished: Finished | None = None
    error: ReplyError | None = None
    try:
        async for event in metrics.observe("queue", engine.generate(request.chat()), sent_at):
            match event:
                case Started(at=at):
                    started_at = at
                case Piece(text=text):
                    pieces.append(text)
                case Finished():
                    finished = event
    except EngineError as refusal:
        if not refusal.permanent:
            raise
        error = ReplyError(code=cast(ErrorCode, refusal.code), message=str(refusal))
    if error is None and finished is None:
        raise EngineError("The engine ended without an answer: try again.")
    return LlmReply(
        id=request.id,
        status="failed" if error else "completed",
        text="" if error else "".join(pieces),
        finish_reason=finished.reason if finished else None,
        model=engine.model,
        prompt_tokens=finished.prompt_tokens if finished else 0,
        completion_tokens=finished.completion_tokens if finished else 0,
        received_at=received_at,
        started_at=started_at,
        finished_at=time.time(),
        error=error,
    )
