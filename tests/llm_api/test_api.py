"""The HTTP side with an engine in memory."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from llm_api.api import MAX_BODY_BYTES, create_app
from llm_api.consumer import Consumer
from llm_api.engine.base import (
    ContextLengthExceededError,
    EngineError,
    EngineRefusedError,
    EngineUnavailableError,
)
from llm_api.logs import JsonLines
from llm_api.metrics import Metrics
from llm_api.slots import Slots
from tests.llm_api.conftest import until
from tests.llm_api.fakes import FakeEngine, FakeQueues

pytestmark = pytest.mark.anyio

TOKEN = "s3cret-tökén"
CHAT = {"model": "any", "messages": [{"role": "user", "content": "SECRET question"}]}


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine("Hé", "llo 🦷")


@pytest.fixture
def queues() -> FakeQueues:
    return FakeQueues()


@pytest.fixture
async def app(engine: FakeEngine, queues: FakeQueues) -> AsyncIterator[FastAPI]:
    slots, metrics = Slots(engine.slots), Metrics()
    consumer = Consumer(queues, engine, slots, metrics, backoff_seconds=0.001)
    app = create_app(engine=engine, consumer=consumer, slots=slots, metrics=metrics, token=TOKEN)
    async with app.router.lifespan_context(app):
        await until(lambda: consumer.problem() is None)
        yield app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    headers = {b"Authorization": b"Bearer " + TOKEN.encode()}
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://llm", headers=headers) as client:
        yield client


async def post(client: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    return await client.post("/v1/chat/completions", json=CHAT | fields)


@pytest.mark.parametrize("given", ["turn-17.2", "", "x" * 200, "two words"])
async def test_a_request_has_an_id_in_its_answer_and_in_the_log(
    client: httpx.AsyncClient, given: str
) -> None:
    log, lines = logging.getLogger("llm_api.api"), io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(JsonLines())
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        response = await client.post("/v1/chat/completions", json=CHAT, headers={"X-Request-Id": given})
    finally:
        log.removeHandler(handler)
        log.setLevel(logging.NOTSET)

    told = response.headers["x-request-id"]
    assert (told == given) is (given == "turn-17.2")
    assert [json.loads(line)["request_id"] for line in lines.getvalue().splitlines()] == [told]
    assert (await client.get("/healthz")).headers["x-request-id"] != told


async def test_a_completion_has_openais_shape(client: httpx.AsyncClient) -> None:
    response = await post(client)
    body = response.json()
    assert response.status_code == 200
    assert body.pop("id").startswith("chatcmpl-")
    assert body.pop("created") > 0
    assert body == {
        "object": "chat.completion",
        "model": "fake-model",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Héllo 🦷"},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 11,
            "completion_tokens": 2,
            "total_tokens": 13,
            "prompt_tokens_details": {"cached_tokens": 3},
        },
    }


async def test_a_stream_is_openais_byte_for_byte(client: httpx.AsyncClient) -> None:
    response = await post(client, stream=True, stream_options={"include_usage": True})
    first = json.loads(response.text.split("\n\n")[0].removeprefix("data: "))
    head = f'{{"id":"{first["id"]}","object":"chat.completion.chunk","created":{first["created"]},'
    head += '"model":"fake-model","choices":'

    def chunk(delta: str, reason: str = "null") -> str:
        choice = f'[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{reason}}}]'
        return f'data: {head}{choice},"usage":null}}\n\n'

    usage = '{"prompt_tokens":11,"completion_tokens":2,"total_tokens":13,'
    usage += '"prompt_tokens_details":{"cached_tokens":3}}'
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert (
        response.content
        == (
            chunk('{"role":"assistant","content":""}')
            + chunk('{"content":"Hé"}')
            + chunk('{"content":"llo 🦷"}')
            + chunk("{}", '"stop"')
            + f'data: {head}[],"usage":{usage}}}\n\n'
            + "data: [DONE]\n\n"
        ).encode()
    )


async def test_a_stream_without_usage_has_no_word_of_it(client: httpx.AsyncClient) -> None:
    response = await post(client, stream=True)
    assert "usage" not in response.text
    assert response.text.endswith("data: [DONE]\n\n")


async def test_parameters_reach_the_engine(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    parts = [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]
    await post(
        client, messages=[{"role": "user", "content": parts}], max_tokens=5, temperature=0.5, top_p=0.9,
        seed=7, stop="END", user="a customer",
    )  # fmt: skip
    [asked] = engine.requests
    assert asked.messages[0].content == "one two"
    assert (asked.max_tokens, asked.temperature, asked.top_p, asked.seed, asked.stop) == (
        5, 0.5, 0.9, 7, ("END",),
    )  # fmt: skip
    assert asked.group == "user a customer"


async def test_models_lists_the_model(client: httpx.AsyncClient) -> None:
    body = (await client.get("/v1/models")).json()
    assert [model["id"] for model in body["data"]] == ["fake-model"]


@pytest.mark.parametrize(
    "value",
    [None, b"", b"Bearer", b"Bearer ", b"Bearer wrong", b"Basic " + TOKEN.encode(), b"Bearer \xff\xfe"],
)
@pytest.mark.parametrize("path", ["/v1/models", "/v1/chat/completions"])
async def test_without_the_token_nothing_is_served(
    app: FastAPI, engine: FakeEngine, value: bytes | None, path: str
) -> None:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://llm") as client:
        headers = {} if value is None else {b"Authorization": value}
        method = "GET" if path.endswith("models") else "POST"
        response = await client.request(method, path, headers=headers, content=b"{}")
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["error"]["code"] == "invalid_api_key"
    assert engine.requests == []


@pytest.mark.parametrize(
    "content",
    [b"", b"no json", b"\xff\xfe", b"[]", b"null", b"{}", b"[" * 100_000,
     json.dumps(CHAT | {"messages": []}).encode(),
     json.dumps(CHAT | {"messages": [{"role": "SECRET", "content": "x"}]}).encode(),
     json.dumps(CHAT | {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}).encode(),
     json.dumps(CHAT | {"n": 2}).encode(), json.dumps(CHAT | {"max_tokens": 0}).encode()],
)  # fmt: skip
async def test_an_invalid_body_is_a_400_in_openais_shape(client: httpx.AsyncClient, content: bytes) -> None:
    response = await client.post("/v1/chat/completions", content=content)
    assert response.status_code == 400
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert "SECRET" not in response.text


async def test_odd_text_is_taken(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    body = json.dumps(CHAT | {"messages": [{"role": "user", "content": "a\0\ud800b"}]})
    assert (await client.post("/v1/chat/completions", content=body)).status_code == 200
    assert engine.requests[0].messages[0].content == "a\ufffdb"


async def test_a_body_over_the_limit_is_a_413(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    response = await client.post("/v1/chat/completions", content=b" " * (MAX_BODY_BYTES + 1))
    assert response.status_code == 413
    assert response.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(ContextLengthExceededError("x"), 400, "context_length_exceeded"),
     (EngineError("x"), 500, "engine_error"), (EngineUnavailableError("x"), 503, "engine_error"),
     (EngineRefusedError("x"), 502, "engine_error"),
     (ZeroDivisionError("SECRET"), 500, "engine_error")],
)  # fmt: skip
async def test_errors_of_the_engine_are_plain_responses(
    client: httpx.AsyncClient, engine: FakeEngine, error: Exception, status: int, code: str, stream: bool
) -> None:
    engine.errors = [error]
    client.headers["X-Request-Id"] = "turn-18"
    response = await post(client, stream=stream)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert response.headers["x-request-id"] == "turn-18"
    assert "SECRET" not in response.text
    assert (await post(client)).status_code == 200  # and the next request is served


async def test_a_failure_in_the_middle_of_a_stream_is_told_in_it(
    client: httpx.AsyncClient, engine: FakeEngine
) -> None:
    engine.break_off = EngineError("The model failed: try again.")
    response = await post(client, stream=True)
    last = response.text.rstrip("\n").split("\n\n")[-1]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "engine_error"
    assert "[DONE]" not in response.text


async def test_an_unknown_path_is_a_404_in_openais_shape(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/nothing")
    assert response.status_code == 404
    assert response.json()["error"]["message"] == "Not Found."


@pytest.mark.parametrize("stream", [False, True])
async def test_hanging_up_stops_the_engine(app: FastAPI, engine: FakeEngine, stream: bool) -> None:
    engine.gate.clear()
    hang_up = asyncio.Event()
    body = [{"type": "http.request", "body": json.dumps(CHAT | {"stream": stream}).encode()}]

    async def receive() -> dict[str, Any]:
        if body:
            return body.pop()
        await hang_up.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        pass

    scope = {
        "type": "http", "method": "POST", "path": "/v1/chat/completions", "query_string": b"",
        "headers": [(b"authorization", b"Bearer " + TOKEN.encode())], "asgi": {"spec_version": "2.3"},
    }  # fmt: skip
    serving = asyncio.create_task(app(scope, receive, send))
    await until(lambda: engine.running)
    hang_up.set()
    await serving
    await until(lambda: engine.cancelled == 1 and engine.running == 0)


async def test_healthz_needs_no_token_and_says_which_part_fails(
    app: FastAPI, engine: FakeEngine, queues: FakeQueues
) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://llm") as client:
        response = await client.get("/healthz")
        assert (response.status_code, response.json()) == (
            200, {"status": "ok", "engine": "ok", "consumer": "ok"},
        )  # fmt: skip
        engine.problem = "the server at HUB_LLM_URL cannot be reached"
        queues.down = True
        await until(lambda: queues.failed_receives)
        response = await client.get("/healthz")
        assert response.status_code == 503
        assert response.json() == {
            "status": "failing",
            "engine": "the server at HUB_LLM_URL cannot be reached",
            "consumer": "cannot reach the queue",
        }


async def test_metrics_count_without_a_word_of_the_messages(app: FastAPI, client: httpx.AsyncClient) -> None:
    await post(client)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://llm") as anonymous:
        text = (await anonymous.get("/metrics")).text
    assert 'hub_llm_requests_total{outcome="completed",source="http"} 1.0' in text
    assert 'hub_llm_tokens_total{kind="prompt"} 11.0' in text
    assert 'hub_llm_tokens_total{kind="completion"} 2.0' in text
    assert "hub_llm_generation_seconds_bucket" in text
    assert "process_resident_memory_bytes" in text
    assert "SECRET" not in text
    assert TOKEN not in text
