"""A hub for the chat page alone: serves it, takes its messages into a ledger in memory, and fails as told."""

import uuid
from dataclasses import asdict
from typing import Any

from hub_lambdas.channels.base import Account, InboundMessage, SignatureError
from hub_lambdas.channels.webchat import WebChat
from hub_lambdas.http import BadRequest, Request, Response
from tests.fakes import server
from tests.fakes.contact_view import FakeContactView
from tests.fakes.server import Served

CHANNEL = uuid.UUID(int=7)


class FakeWebChatHub(Served):
    """`page` is the chat's address, `stored` what the ledger took, in order."""

    def __init__(self, options: dict[str, Any]) -> None:
        super().__init__(self._answer)
        self.account = Account(CHANNEL, {}, options)
        self.view = FakeContactView()
        self.is_down = False
        self.loses_answers = False
        self.refusal = ""
        self.retry_after_seconds = 0
        self.stored: list[InboundMessage] = []
        self._kind = WebChat()
        self.page = f"{self.url}/webchat/{CHANNEL}"

    def answer(self, text: str, *choices: str) -> None:
        """Write to whoever wrote last."""
        self.view.answer(self.stored[-1].sender.platform_id, text, choices)

    def _answer(self, given: server.Request) -> server.Answer | None:
        response = self.respond(Request(**asdict(given)))
        if response is None:
            return None
        headers = {**response.headers, "content-type": response.content_type}
        return server.Answer(response.status, response.body, headers)

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
            return self._kind.refuse(request, self.account, error)
        except SignatureError as error:
            return Response.of_json({"error": str(error)}, 401)

    def _take(self, request: Request) -> Response | None:
        if self.is_down:
            return Response(503)
        if self.refusal:
            raise BadRequest(413, self.refusal)
        if self.retry_after_seconds:
            headers = {"retry-after": str(self.retry_after_seconds)}
            raise BadRequest(429, "Many have written.", headers)
        self._kind.verify(request, self.account)
        for message in self._kind.parse(request, self.account):
            assert isinstance(message, InboundMessage)
            if self.view.store(message):
                self.stored.append(message)
        return None if self.loses_answers else self._kind.acknowledge(request, self.account)
