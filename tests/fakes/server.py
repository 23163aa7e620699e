"""The HTTP server under the fakes that speak as platforms and models do."""

import json
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit


class FakeServer(ThreadingHTTPServer):
    """On the loopback, a thread per connection. A client that dies is no news: tests kill them."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@dataclass(frozen=True)
class Request:
    """One request. Header names are lower-case; `raw_query` is the query as it was sent."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    raw_query: str = ""

    @property
    def content(self) -> Any:
        """The body, as JSON or a form; None where there is none."""
        if "json" in self.headers.get("content-type", "") or self.body[:1] in (b"{", b"["):
            return json.loads(self.body or b"null")
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True)) if self.body else None

    @property
    def parameters(self) -> dict[str, Any]:
        """Those of the query and of the body."""
        return {**self.query, **(self.content or {})}


@dataclass(frozen=True)
class Answer:
    """What comes back."""

    status: int
    body: str | bytes = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_json(cls, content: object, status: int = 200) -> "Answer":
        return cls(status, json.dumps(content), {"content-type": "application/json"})

    def json(self) -> Any:
        return json.loads(self.body)


class Served:
    """Serves what `respond` answers, at its `url`: on `port`, or a free one. An answer of None breaks the
    connection."""

    def __init__(self, respond: Callable[[Request], Answer | None], port: int = 0) -> None:
        self._server = FakeServer(("127.0.0.1", port), _handler(respond))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(respond: Callable[[Request], Answer | None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            """Nothing: the address may hold a token."""

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length") or 0))
            query = dict(parse_qsl(address.query, keep_blank_values=True))
            answer = respond(Request(self.command, address.path, query, headers, body, address.query))
            if answer is None:
                self.close_connection = True
            else:
                self._say(answer)

        def _say(self, answer: Answer) -> None:
            content = answer.body.encode() if isinstance(answer.body, str) else answer.body
            self.send_response(answer.status)
            for name, value in {**answer.headers, "content-length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_DELETE = do_GET  # noqa: N815 - the base class looks them up by these names

    return Handler
