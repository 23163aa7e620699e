"""The service as a process of its own, with the real model and a local SQS."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from llm_api.engine.model import has_gpu
from llm_api.settings import find_packaged_model
from tests.llm_api.conftest import clean_environment, free_port, make_client, wait_for

TOKEN = "t0ken"
ENDLESS = "Count to one million: 1, 2, 3, 4, 5, 6,"
START = "import sys, pathlib; from llm_api.__main__ import main; sys.exit(main(pathlib.Path('.')))"


class Service:
    """llm_api on a port and a queue prefix of its own, in a folder without any .env."""

    def __init__(self, folder: Path, sqs_url: str, **settings: str) -> None:
        self.sqs = make_client(sqs_url)
        self.prefix = f"{folder.name}-"
        self.queues = {name: self._create(name) for name in ("llm-requests", "llm-replies")}
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        environment = clean_environment(
            HUB_LLM_TOKEN=TOKEN, HUB_LLM_PORT=str(self.port), HUB_QUEUE_PREFIX=self.prefix,
            AWS_ENDPOINT_URL=sqs_url, HUB_LLM_POLL_SECONDS="1", **settings,
        )  # fmt: skip
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", START], env=environment, cwd=folder, stdout=log, stderr=log
            )

    def wait_healthy(self) -> None:
        def healthy() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            try:
                return httpx.get(f"{self.url}/healthz").status_code == 200
            except httpx.TransportError:
                return False

        wait_for(healthy)

    def ask(self, request_id: str, text: str, **fields: Any) -> None:
        body = {"id": request_id, "organization": "smile", "messages": [{"role": "user", "content": text}]}
        self.send(body | fields)

    def cancel(self, request_id: str) -> None:
        self.send({"cancel": request_id, "organization": "smile"})

    def send(self, body: dict[str, Any]) -> None:
        queue = self.queues["llm-requests"]
        self.sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(body), MessageGroupId="smile")

    def receive(self, name: str) -> list[Any]:
        response = self.sqs.receive_message(
            QueueUrl=self.queues[name], WaitTimeSeconds=1, MaxNumberOfMessages=10,
            MessageSystemAttributeNames=["All"],
        )  # fmt: skip
        return list(response.get("Messages", []))

    def metric(self, line: str) -> float:
        found = re.search(rf"^{re.escape(line)} (\S+)$", httpx.get(f"{self.url}/metrics").text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def _create(self, name: str) -> str:
        return str(self.sqs.create_queue(QueueName=self.prefix + name)["QueueUrl"])


@pytest.fixture
def start(tmp_path: Path, sqs_url: str) -> Iterator[Callable[..., Service]]:
    started: list[Service] = []

    def start_service(**settings: str) -> Service:
        started.append(Service(tmp_path, sqs_url, **settings))
        started[-1].wait_healthy()
        return started[-1]

    yield start_service
    for service in started:
        service.sqs.close()
        if service.process.poll() is None:
            service.process.kill()
            service.process.wait()


def test_a_question_on_the_queue_is_answered_on_the_other(start: Callable[..., Service]) -> None:
    service = start()
    service.ask("r1", "SECRET: what is the capital of France?", max_tokens=8)
    [message] = wait_for(lambda: service.receive("llm-replies"))
    reply = json.loads(message["Body"])
    assert (reply["id"], reply["status"], reply["error"]) == ("r1", "completed", None)
    assert reply["text"]
    assert reply["completion_tokens"] <= 8
    assert reply["prompt_tokens"] > 8
    assert reply["received_at"] <= reply["started_at"] <= reply["finished_at"]
    assert message["Attributes"]["MessageGroupId"] == "smile"

    headers = {"Authorization": f"Bearer {TOKEN}"}
    chat = {"messages": [{"role": "user", "content": "SECRET hi"}], "max_tokens": 4, "stream": True}
    answer = httpx.post(f"{service.url}/v1/chat/completions", json=chat, headers=headers, timeout=60)
    assert answer.text.endswith("data: [DONE]\n\n")
    assert httpx.get(f"{service.url}/v1/models").status_code == 401
    assert service.metric("hub_llm_engine_written_tokens_total") > 4
    assert service.metric("hub_llm_engine_running") == 0

    assert service.stop() == 0
    assert service.receive("llm-requests") == []
    lines = [json.loads(line) for line in service.log.read_text().splitlines()]
    assert "request answered" in [line["event"] for line in lines]
    assert "SECRET" not in service.log.read_text()
    assert reply["text"] not in service.log.read_text()


def test_a_cancelled_story_makes_way_for_the_next_question(start: Callable[..., Service]) -> None:
    service = start(HUB_LLM_SLOTS="1")
    service.ask("story", ENDLESS, max_tokens=4000)
    wait_for(lambda: service.metric('hub_llm_in_flight{source="queue"}') == 1)
    service.ask("expired", "Anybody there?", expires_at=1.0)
    service.ask("cancelled", "Never mind")
    service.ask("question", "Hello!", max_tokens=4)
    wait_for(lambda: service.metric('hub_llm_waiting{priority="interactive"}') == 2)
    service.cancel("cancelled")
    service.cancel("story")
    replies: dict[str, str] = {}

    def all_told() -> bool:
        for message in service.receive("llm-replies"):
            reply = json.loads(message["Body"])
            replies[reply["id"]] = (reply["error"] or {"code": reply["status"]})["code"]
        return len(replies) >= 2

    wait_for(all_told)
    assert replies == {"expired": "expired", "question": "completed"}
    assert service.metric('hub_llm_dropped_total{reason="cancelled"}') == 2
    assert service.metric('hub_llm_dropped_total{reason="expired"}') == 1
    assert service.stop() == 0
    assert service.receive("llm-requests") == []
    assert service.receive("llm-replies") == []


def test_sigterm_in_the_middle_of_an_answer_returns_the_request(start: Callable[..., Service]) -> None:
    service = start(HUB_LLM_DRAIN_SECONDS="0", HUB_LLM_VISIBILITY_SECONDS="600")
    service.ask("r1", ENDLESS, max_tokens=4000)
    wait_for(lambda: service.metric('hub_llm_in_flight{source="queue"}') == 1)
    assert service.stop() == 0
    [message] = wait_for(lambda: service.receive("llm-requests"))  # hidden for 600 s had it not been returned
    assert json.loads(message["Body"])["id"] == "r1"
    assert service.receive("llm-replies") == []


def test_sigterm_lets_an_answer_be_finished(start: Callable[..., Service]) -> None:
    service = start(HUB_LLM_DRAIN_SECONDS="60")
    service.ask("r1", "Tell me a story", max_tokens=60)
    wait_for(lambda: service.metric('hub_llm_in_flight{source="queue"}') == 1)
    assert service.stop() == 0
    [message] = service.receive("llm-replies")
    assert json.loads(message["Body"])["status"] == "completed"
    assert service.receive("llm-requests") == []


def run_briefly(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = clean_environment(**settings)
    return subprocess.run(
        [sys.executable, "-c", START], env=environment, cwd=folder, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip


def truncated_model(folder: Path) -> Path:
    path = folder / "broken.gguf"
    path.write_bytes(find_packaged_model().read_bytes()[:1_000_000])
    return path


@pytest.mark.parametrize("fault", ["token", "url", "model", "broken", "port", "gpu"])
def test_what_keeps_it_from_starting_is_said_in_one_sentence(tmp_path: Path, fault: str) -> None:
    if fault == "gpu" and has_gpu():
        pytest.skip("there is a GPU")
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        faults = {
            "token": ({"HUB_LLM_TOKEN": ""}, "HUB_LLM_TOKEN is not set"),
            "url": ({"HUB_LLM_URL": "ftp://x"}, "HUB_LLM_URL is wrong"),
            "model": ({"HUB_LLM_MODEL": "/nowhere.gguf"}, "The model file /nowhere.gguf cannot be read"),
            "broken": ({"HUB_LLM_MODEL": str(truncated_model(tmp_path))}, "cannot be loaded"),
            "port": ({"HUB_LLM_PORT": str(busy.getsockname()[1])}, "set HUB_LLM_PORT"),
            "gpu": ({"HUB_LLM_GPU": "true"}, "HUB_LLM_GPU is true, and llama.cpp finds no GPU"),
        }
        settings, words = faults[fault]
        sound = {"HUB_LLM_TOKEN": TOKEN, "HUB_LLM_PORT": str(free_port())}
        ended = run_briefly(tmp_path, **(sound | settings))
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert words in ended.stderr
    assert ended.stdout == ""
