"""The engine behind a URL, against a server that is not ours: the one that llama-cpp-python brings."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from llm_api.engine.base import (
    ChatMessage,
    ChatRequest,
    ContextLengthExceededError,
    EngineRefusedError,
    Finished,
    Piece,
    Started,
)
from llm_api.engine.remote import RemoteEngine
from llm_api.settings import find_packaged_model
from tests.llm_api.conftest import clean_environment, free_port, wait_for

pytestmark = pytest.mark.anyio

KEY = "only-for-tests"
CANNED = (
    *(ChatMessage("user", "What is the capital of Italy?"), ChatMessage("assistant", "It is Rome.")),
    *(ChatMessage("user", "And of Spain?"), ChatMessage("assistant", "It is Madrid.")),
    ChatMessage("user", "And of France?"),
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port, log = free_port(), tmp_path_factory.mktemp("server") / "log"
    options = f"--host 127.0.0.1 --port {port} --n_ctx 512 --api_key {KEY} --logits_all False"
    command = [sys.executable, "-m", "llama_cpp.server", "--model", str(find_packaged_model())]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, *options.split()], env=clean_environment(), stdout=output, stderr=output
        )
    url = f"http://127.0.0.1:{port}/v1"

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return httpx.get(f"{url}/models", headers={"Authorization": f"Bearer {KEY}"}).is_success
        except httpx.TransportError:
            return False

    try:
        wait_for(answers)
        yield url
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
async def engine(url: str) -> AsyncIterator[RemoteEngine]:
    engine = RemoteEngine(url, api_key=KEY)
    yield engine
    await engine.close()


async def test_it_answers(engine: RemoteEngine) -> None:
    assert await engine.check() is None
    started, *pieces, finished = [
        event async for event in engine.generate(ChatRequest(CANNED, max_tokens=20, stop=("\n",)))
    ]
    assert isinstance(started, Started)
    assert "".join(piece.text for piece in pieces if isinstance(piece, Piece)) == "It is Paris."
    assert isinstance(finished, Finished)
    assert finished.reason == "stop"
    assert finished.completion_tokens > 0


async def test_a_chat_that_is_too_long_is_told_apart(engine: RemoteEngine) -> None:
    too_long = ChatRequest((ChatMessage("user", "word " * 600),), max_tokens=5)
    with pytest.raises(ContextLengthExceededError):
        [event async for event in engine.generate(too_long)]


async def test_a_key_that_it_does_not_know(url: str) -> None:
    engine = RemoteEngine(url, api_key="another")
    assert await engine.check() == "the server at HUB_LLM_URL refuses HUB_LLM_API_KEY"
    with pytest.raises(EngineRefusedError):
        [event async for event in engine.generate(ChatRequest(CANNED, max_tokens=1))]
    await engine.close()
