"""A webhook over HTTP for the fakes of platforms to deliver to."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict

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
