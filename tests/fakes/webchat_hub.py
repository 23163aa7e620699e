"""A hub for the chat page alone: serves it, takes its messages into a ledger in memory, and fails as told."""

import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from hub_lambdas.channels.base import Account, InboundMessage, SignatureError
from hub_lambdas.channels.webchat import WebChat
from hub_lambdas.http import BadRequest, Request, Response
from tests.fakes.contact_view import FakeContactView

CHANNEL = uuid.UUID(int=7)


class FakeWebChatHub:
    """`page` is the chat's address, `stored` what the ledger took, in order."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.account = Account(CHANNEL, {}, options)
        self.view = FakeContactView()
        self.is_down = False
        self.loses_answers = False
        self.refusal = ""
        self.stored: list[InboundMessage] = []
        self._kind = WebChat()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.page = f"{self.url}/webchat/{CHANNEL}"

    def __enter__(self) -> "FakeWebChatHub":
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, text: str, *choices: str) -> None:
        """Write to whoever wrote last."""
        self.view.answer(self.stored[-1].sender.platform_id, text, choices)

    def respond(self, request: Request) -> Response | None:
        """The response; None for a connection that breaks."""
        if request.path == "/site":
            script = f'<script src="{self.page}/embed.js" async></script>'
            return Response(200, f"<!doctype html><title>Clinic</title><h1>Clinic</h1>{script}", "text/html")
        subpath = request.path.removeprefix(f"/webchat/{CHANNEL}").strip("/")
        try:
            if request.method == "POST":
                return self._take(request)
            if self.is_down and subpath == "messages":
                return Response(503)
            return self._kind.serve(request, self.account, subpath, self.view)
        except BadRequest as error:
            return Response.of_json({"error": str(error)}, error.status)
        except SignatureError as error:
            return Response.of_json({"error": str(error)}, 401)

    def _take(self, request: Request) -> Response | None:
        if self.is_down:
            return Response(503)
        if self.refusal:
            raise BadRequest(413, self.refusal)
        self._kind.verify(request, self.account)
        for message in self._kind.parse(request, self.account):
            assert isinstance(message, InboundMessage)
            if self.view.store(message):
                self.stored.append(message)
        return None if self.loses_answers else self._kind.acknowledge(request, self.account)


def _handler(hub: FakeWebChatHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            """Nothing."""

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            query = dict(parse_qsl(address.query))
            response = hub.respond(Request(self.command, address.path, query, headers, body))
            if response is None:
                return
            self.send_response(response.status)
            self.send_header("content-type", response.content_type)
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(response.body.encode())

        do_POST = do_GET  # noqa: N815 - the base class looks it up by that name

    return Handler
