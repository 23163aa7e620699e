"""The engine behind a URL, against a server in memory that speaks OpenAI's protocol."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from llm_api.engine.base import (
    ChatMessage,
    ChatRequest,
    ContextLengthExceededError,
    EngineError,
    EngineRefusedError,
    EngineUnavailableError,
    Event,
    Finished,
    InvalidRequestError,
    Piece,
    Started,
)
from llm_api.engine.remote import RemoteEngine

pytestmark = pytest.mark.anyio

GARBAGE: list[Any] = [
    [], 5, None, {"choices": "x"}, {"choices": [5]}, {"choices": 5}, {"choices": [{"delta": "x"}]},
    {"choices": [{"delta": {"content": ["SECRET"]}}]}, {"choices": [{"finish_reason": {"SECRET": 1}}]},
]  # fmt: skip
ASK = ChatRequest((ChatMessage("user", "SECRET hi\0"),), max_tokens=9, stop=("END",))
Handler = Callable[[httpx.Request], httpx.Response]


def engine_with(handler: Handler, model_name: str | None = "m") -> RemoteEngine:
    transport = httpx.MockTransport(handler)
    return RemoteEngine("http://llm/v1/", api_key="key", model_name=model_name, transport=transport)


def stream(*chunks: Any) -> httpx.Response:
    lines = [chunk if isinstance(chunk, str) else f"data: {json.dumps(chunk)}" for chunk in chunks]
    return httpx.Response(200, text="\n\n".join(lines) + "\n\n")


def delta(text: str | None = None, reason: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text} if text else {}, "finish_reason": reason}]}


async def run(engine: RemoteEngine) -> list[Event]:
    return [event async for event in engine.generate(ASK)]


async def test_it_streams_pieces_and_reports_usage() -> None:
    asked: list[httpx.Request] = []

    def serve(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        usage = {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}
        return stream(
            ": comment", delta("Hel"), delta("lo 🦷"), delta(reason="length"),
            {"choices": [], "usage": usage}, "data: [DONE]",
        )  # fmt: skip

    started, *rest = await run(engine_with(serve))
    assert isinstance(started, Started)
    assert rest == [Piece("Hel"), Piece("lo 🦷"), Finished("length", 5, 2, 4)]
    [request] = asked
    assert str(request.url) == "http://llm/v1/chat/completions"
    assert request.headers["authorization"] == "Bearer key"
    assert json.loads(request.content) == {
        "model": "m", "messages": [{"role": "user", "content": "SECRET hi"}], "temperature": 0.0,
        "top_p": 1.0, "max_tokens": 9, "stop": ["END"], "stream": True,
        "stream_options": {"include_usage": True},
    }  # fmt: skip


async def test_without_a_name_it_takes_the_first_model_of_the_server() -> None:
    def serve(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/models":
            return httpx.Response(200, json={"data": [{"id": "first"}, {"id": "second"}]})
        assert json.loads(request.content)["model"] == "first"
        return stream(delta("x", "stop"))

    engine = engine_with(serve, model_name=None)
    assert (await run(engine))[-1] == Finished("stop", 0, 1)
    assert engine.model == "first"


@pytest.mark.parametrize(
    ("response", "kind"),
    [(httpx.Response(400, json={"error": {"code": "context_length_exceeded"}}), ContextLengthExceededError),
     (httpx.Response(400, json={"error": {"type": "exceed_context_size_error"}}), ContextLengthExceededError),
     (httpx.Response(400, text="maximum context length is 10"), ContextLengthExceededError),
     (httpx.Response(400, text="SECRET"), InvalidRequestError),
     (httpx.Response(401, text="SECRET"), EngineRefusedError),
     (httpx.Response(404), EngineRefusedError), (httpx.Response(429), EngineUnavailableError),
     (httpx.Response(500, text="SECRET"), EngineUnavailableError),
     (stream(delta("Hel")), EngineUnavailableError),
     (stream(delta("x"), {"error": {"code": 500}}), EngineUnavailableError),
     (stream("data: {broken"), EngineUnavailableError), (stream(), EngineUnavailableError),
     (httpx.Response(200, text="<html>SECRET</html>"), EngineUnavailableError),
     (httpx.Response(200, content=b"\xff\xfe\0garbage"), EngineUnavailableError),
     (stream("data: " + "[" * 100_000), EngineUnavailableError),
     *[(stream(chunk, delta(reason="stop")), EngineUnavailableError) for chunk in GARBAGE]],
)  # fmt: skip
async def test_failures_become_errors_that_quote_nothing(
    response: httpx.Response, kind: type[EngineError]
) -> None:
    with pytest.raises(kind) as caught:
        await run(engine_with(lambda request: response))
    assert type(caught.value) is kind
    assert "SECRET" not in str(caught.value)


async def test_odd_numbers_of_tokens_are_no_reason_to_fail() -> None:
    usage = {"prompt_tokens": "many", "completion_tokens": -4, "prompt_tokens_details": 7}
    response = stream(delta("x", "stop"), {"choices": None, "usage": usage})
    assert (await run(engine_with(lambda request: response)))[-1] == Finished("stop", 0, 1, 0)


async def test_text_that_is_no_unicode_is_cleaned() -> None:
    response = stream(delta("a\0\ud800b", "stop"))
    assert Piece("a\ufffdb") in await run(engine_with(lambda request: response))


async def test_a_server_that_cannot_be_reached_is_unavailable() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    engine = engine_with(refuse)
    with pytest.raises(EngineUnavailableError):
        await run(engine)
    assert await engine.check() == "the server at HUB_LLM_URL cannot be reached"


@pytest.mark.parametrize(
    ("status", "problem"),
    [(200, None), (404, None), (401, "the server at HUB_LLM_URL refuses HUB_LLM_API_KEY"),
     (503, "the server at HUB_LLM_URL is failing")],
)  # fmt: skip
async def test_check_tells_what_the_server_says(status: int, problem: str | None) -> None:
    assert await engine_with(lambda request: httpx.Response(status)).check() == problem
