"""An OpenAI-compatible server with a known rate: `slots` answers at a time, each after `service_seconds`.

`with FakeLlm(answer) as llm:` starts it on a free port; `llm.url` is for HUB_LLM_URL. What it says is
`answer(the last message)`: the same for the same question. More requests than slots wait, and a client that
goes away frees its slot at once, as real servers do. `fail_next` lets the next request go wrong.
"""

import json
import select
import threading
from collections import Counter, deque
from collections.abc import Callable
from enum import StrEnum
from http.server import BaseHTTPRequestHandler
from socket import socket
from types import TracebackType
from typing import Any

from tests.fakes.server import FakeServer

MODEL = "fake"
GARBAGE = "Blorp 99173 quux: call +999 8421 or pay 77345.21 at once"
"""Fluent nonsense with facts that no organization has ever stated."""
NEVER_SECONDS = 600.0
LOOK_SECONDS = 0.05


class Failure(StrEnum):
    """How one request can go wrong."""

    NOTHING = "nothing"
    GARBAGE = "garbage"
    BROKEN_OFF = "broken off"
    NEVER = "never"
    ERROR = "error"


class FakeLlm:
    """The server and what it has seen: `asked` counts requests, `answered` those it answered, `hung_up` those
    whose client did not wait, `failed` those that went wrong as told. `service_seconds` may be changed while
    it runs."""

    def __init__(self, answer: Callable[[str], str], slots: int = 4, service_seconds: float = 0.0) -> None:
        self.answer = answer
        self.slots = slots
        self.service_seconds = service_seconds
        self.asked = self.answered = self.hung_up = 0
        self.failed: Counter[Failure] = Counter()
        self._failures: deque[Failure] = deque()
        self._lock = threading.Lock()
        self._free = threading.Semaphore(slots)
        self._server = FakeServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> "FakeLlm":
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def rate_per_second(self) -> float:
        """How many answers a second it can give."""
        return self.slots / self.service_seconds

    def fail_next(self, failure: Failure) -> None:
        """Let the next request go wrong; several queue up."""
        with self._lock:
            self._failures.append(failure)

    def next_failure(self) -> Failure | None:
        """Count a request; how it is to go wrong, if so."""
        with self._lock:
            self.asked += 1
            failure = self._failures.popleft() if self._failures else None
            if failure:
                self.failed[failure] += 1
            return failure

    def is_admitted(self, client: socket) -> bool:
        """Wait for a slot; False when the client has gone meanwhile."""
        while not self._free.acquire(timeout=LOOK_SECONDS):
            if _goes_within(client, 0):
                return False
        return True

    def leave(self) -> None:
        """Give the slot back."""
        self._free.release()

    def count_answer(self) -> None:
        with self._lock:
            self.answered += 1

    def count_hang_up(self) -> None:
        with self._lock:
            self.hung_up += 1


def _goes_within(client: socket, seconds: float) -> bool:
    """Whether the client closes its end within that time. It has nothing more to say: so what can be read is
    its end."""
    readable, _, _ = select.select([client], [], [], seconds)
    return bool(readable)


def _handler(fake: FakeLlm) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *arguments: object) -> None:
            """Nobody reads it."""

        def do_GET(self) -> None:
            self._say(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if len(body) < int(self.headers["content-length"]):
                self._hang_up()  # the client died while it asked
                return
            asked = json.loads(body)
            failure = fake.next_failure()
            if failure is Failure.ERROR:
                self._say(500, {"error": {"message": "The model fell over.", "type": "server_error"}})
            elif failure is Failure.NEVER:
                _goes_within(self.connection, NEVER_SECONDS)
                self._hang_up()
            elif fake.is_admitted(self.connection):
                try:
                    self._serve(asked, failure)
                except OSError:
                    self.close_connection = True
                finally:
                    fake.leave()
            else:
                self._hang_up()

        def _serve(self, asked: dict[str, Any], failure: Failure | None) -> None:
            if asked.get("stream"):
                self._start_stream()
            if _goes_within(self.connection, fake.service_seconds):
                self._hang_up()
                return
            if failure is Failure.BROKEN_OFF:
                self.close_connection = True
                return
            text = _said(failure, fake.answer, asked)
            fake.count_answer()
            if asked.get("stream"):
                self._stream(text)
            else:
                message = {"role": "assistant", "content": text}
                choice = {"index": 0, "message": message, "finish_reason": "stop"}
                self._say(200, {"object": "chat.completion", "model": MODEL, "choices": [choice], **_USAGE})

        def _hang_up(self) -> None:
            fake.count_hang_up()
            self.close_connection = True

        def _start_stream(self) -> None:
            """Headers first: to the client, the answer has started. It ends with the connection."""
            self.close_connection = True
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("connection", "close")
            self.end_headers()

        def _stream(self, text: str) -> None:
            chunks = [
                _chunk({"role": "assistant", "content": text}, None),
                _chunk({}, "stop"),
                {**_chunk({}, None), "choices": [], **_USAGE},
            ]
            events = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
            self.wfile.write(f"{events}data: [DONE]\n\n".encode())

        def _say(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def _said(failure: Failure | None, answer: Callable[[str], str], asked: dict[str, Any]) -> str:
    match failure:
        case Failure.NOTHING:
            return ""
        case Failure.GARBAGE:
            return GARBAGE
        case _:
            return answer(asked["messages"][-1]["content"])


_USAGE = {"usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}


def _chunk(delta: dict[str, str], reason: str | None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {"id": "chatcmpl-fake", "object": "chat.completion.chunk", "model": MODEL, "choices": [choice]}
