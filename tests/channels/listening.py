"""A webhook over HTTP for the fakes of platforms to deliver to, the hub's own above all."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict

from django.db import connection

from hub_lambdas import webhook
from hub_lambdas.http import Request, Response
from tests.fakes import server


@contextmanager
def listening(respond: Callable[[Request], Response]) -> Iterator[str]:
    """Serve what `respond` answers; yields the address."""

    def answer(given: server.Request) -> server.Answer:
        response = respond(Request(**asdict(given)))
        return server.Answer(
            response.status, response.body, {**response.headers, "content-type": response.content_type}
        )

    with server.Served(answer) as served:
        yield served.url


@contextmanager
def hub_listening() -> Iterator[str]:
    """Serve the hub's webhook, with the database that the test has; yields the address."""

    def respond(request: Request) -> Response:
        try:
            return webhook.respond(request)
        finally:
            connection.close()

    with listening(respond) as url:
        yield url
