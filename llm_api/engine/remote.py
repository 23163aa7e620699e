"""The engine behind a URL: any server that speaks OpenAI's chat completions."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from typing import Any

import httpx

from llm_api.engine.base import (
    ChatRequest,
    ContextLengthExceededError,
    Engine,
    EngineError,
    EngineRefusedError,
    EngineUnavailableError,
    Event,
    Finished,
    InvalidRequestError,
    Piece,
    Started,
)
from llm_api.engine.text import clean_text

TIMEOUTS = httpx.Timeout(60.0, connect=5.0)
CHECK_TIMEOUT_SECONDS = 2.0
_GARBAGE = "The server at HUB_LLM_URL failed in its answer: try again."
_BROKEN_OFF = "The server at HUB_LLM_URL broke off its answer: try again."
CONTEXT_WORDS = ("context_length", "context length", "context_size", "context size")  # by kind of server


class _SilenceError(EngineUnavailableError):
    """A stream ended before anything was in it."""


class RemoteEngine(Engine):
    """Streams from `url`/chat/completions. Without `model_name` it takes the server's first model."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        model_name: str | None = None,
        slots: int = 4,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.model = model_name or ""
        self.slots = slots
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.AsyncClient(
            base_url=url.rstrip("/"), headers=headers, timeout=TIMEOUTS, transport=transport
        )

    async def generate(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        try:
            body = _body(request, self.model or await self._first_model())
            async with self._client.stream("POST", "/chat/completions", json=body) as response:
                if response.is_error:
                    await response.aread()
                    raise _refusal(response)
                yield Started(time.time())
                async for event in _events(response):
                    yield event
        except _SilenceError:
            raise await self._reason_for_silence(body) from None
        except httpx.HTTPError as error:
            raise EngineUnavailableError(
                f"The server at HUB_LLM_URL did not answer ({type(error).__name__}): check that it runs."
            ) from error

    async def _reason_for_silence(self, body: dict[str, Any]) -> EngineError:
        """What a server refuses when it has begun its stream already, as llama_cpp.server a chat that is too
        long, it tells only where no stream is asked for."""
        whole = {name: value for name, value in body.items() if name != "stream_options"}
        for _ in range(2):  # the connection may have gone with the stream
            with suppress(httpx.HTTPError):
                response = await self._client.post(
                    "/chat/completions", json=whole | {"stream": False, "max_tokens": 1}
                )
                return _refusal(response) if response.is_error else EngineUnavailableError(_BROKEN_OFF)
        return EngineUnavailableError(_BROKEN_OFF)

    async def check(self) -> str | None:
        try:
            response = await self._client.get("/models", timeout=CHECK_TIMEOUT_SECONDS)
        except httpx.HTTPError:
            return "the server at HUB_LLM_URL cannot be reached"
        if response.status_code in (401, 403):
            return "the server at HUB_LLM_URL refuses HUB_LLM_API_KEY"
        return "the server at HUB_LLM_URL is failing" if response.is_server_error else None

    async def close(self) -> None:
        await self._client.aclose()

    async def _first_model(self) -> str:
        response = await self._client.get("/models")
        if response.is_error:
            raise _refusal(response)
        try:
            self.model = str(response.json()["data"][0]["id"])
        except (ValueError, LookupError, TypeError, RecursionError):
            message = "The server at HUB_LLM_URL lists no model: set HUB_LLM_MODEL_NAME."
            raise EngineRefusedError(message) from None
        return self.model


def _body(request: ChatRequest, model: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": m.role, "content": clean_text(m.content)} for m in request.messages],
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    optional = {"max_tokens": request.max_tokens, "seed": request.seed, "stop": list(request.stop) or None}
    return body | {name: value for name, value in optional.items() if value is not None}


async def _events(response: httpx.Response) -> AsyncIterator[Event]:
    reason: str | None = None
    pieces = chunks = 0
    usage: dict[str, Any] = {}
    async for chunk in _chunks(response):
        chunks += 1
        usage = chunk.get("usage") or usage
        for text, finish_reason in _choices(chunk):
            if text:
                pieces += 1
                yield Piece(clean_text(text))
            reason = finish_reason or reason
    if reason is None:
        raise (EngineUnavailableError if chunks else _SilenceError)(_BROKEN_OFF)
    yield Finished(
        "length" if reason == "length" else "stop",
        prompt_tokens=_count(usage, "prompt_tokens") or 0,
        completion_tokens=_count(usage, "completion_tokens") or pieces,
        cached_tokens=_count(usage, "prompt_tokens_details", "cached_tokens") or 0,
    )


def _choices(chunk: dict[str, Any]) -> list[tuple[str, str | None]]:
    """The text and the finish reason of each choice. Raises EngineUnavailableError when they are none."""
    try:
        choices = [
            ((choice.get("delta") or {}).get("content") or "", choice.get("finish_reason"))
            for choice in chunk.get("choices") or []
        ]
    except (AttributeError, TypeError):
        raise EngineUnavailableError(_GARBAGE) from None
    if not all(isinstance(text, str) and isinstance(reason, str | None) for text, reason in choices):
        raise EngineUnavailableError(_GARBAGE)
    return choices


def _count(usage: Any, *path: str) -> int | None:
    """A number of tokens, where the server tells one: it is for the metrics, and no reason to fail."""
    for name in path:
        usage = usage.get(name) if isinstance(usage, dict) else None
    return usage if isinstance(usage, int) and usage >= 0 else None


async def _chunks(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    async for line in response.aiter_lines():
        data = line.removeprefix("data:").strip()
        if not line.startswith("data:") or data == "[DONE]":
            continue
        try:
            chunk = json.loads(data)
        except (ValueError, RecursionError):
            chunk = None
        if not isinstance(chunk, dict) or chunk.get("error"):
            raise EngineUnavailableError(_GARBAGE)
        yield chunk


def _refusal(response: httpx.Response) -> EngineError:
    """Map an error response; the server's own words stay out, since they may quote the messages."""
    status = response.status_code
    if status in (400, 413, 422):
        told = response.text.lower()
        if any(words in told for words in CONTEXT_WORDS):
            return ContextLengthExceededError("The messages exceed the context of the model at HUB_LLM_URL.")
        return InvalidRequestError(f"The server at HUB_LLM_URL does not take this request (HTTP {status}).")
    if status in (408, 425, 429) or status >= 500:
        return EngineUnavailableError(f"The server at HUB_LLM_URL is overloaded or failing (HTTP {status}).")
    return EngineRefusedError(
        f"The server at HUB_LLM_URL refuses us (HTTP {status}): "
        "check the URL, HUB_LLM_API_KEY and HUB_LLM_MODEL_NAME."
    )
