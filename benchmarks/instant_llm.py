"""An OpenAI-compatible server that answers at once: what is left of a reply's time is the pipeline's own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

MODEL = "instant"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._send({"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if asked.get("stream"):
            chunks = [
                _chunk({"role": "assistant", "content": "Hello."}, None),
                _chunk({}, "stop"),
                {**_chunk({}, None), "choices": [], "usage": _USAGE},
            ]
            body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
            self._send_body(body.encode(), "text/event-stream")
        else:
            message = {"role": "assistant", "content": "Hello."}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            self._send({"object": "chat.completion", "model": MODEL, "choices": [choice], "usage": _USAGE})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in http.server
        """Nobody reads it."""

    def _send(self, content: dict[str, Any]) -> None:
        self._send_body(json.dumps(content).encode(), "application/json")

    def _send_body(self, body: bytes, content_type: str) -> None:
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


_USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


def _chunk(delta: dict[str, str], reason: str | None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {"id": "chatcmpl-instant", "object": "chat.completion.chunk", "model": MODEL, "choices": [choice]}


@contextmanager
def instant_llm() -> Iterator[str]:
    """Runs the server on a free port of the loopback; gives the address for HUB_LLM_URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
