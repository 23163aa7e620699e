"""All fake platforms side by side, for one hub."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Self

from tests.fakes.pages import FakePages
from tests.fakes.platform import FakePlatform
from tests.fakes.server import Answer, Request, Served
from tests.fakes.slack import FakeSlack
from tests.fakes.telegram import FakeTelegram
from tests.fakes.twilio import FakeTwilio
from tests.fakes.whatsapp import FakeWhatsApp


class FakeGraph(Served):
    """graph.facebook.com: where WhatsApp and pages are called at one address, and know the same apps."""

    def __init__(self, whatsapp: FakeWhatsApp, pages: FakePages, port: int = 0) -> None:
        super().__init__(self.respond, port)
        pages.apps = whatsapp.apps
        self._whatsapp, self._pages = whatsapp, pages

    def respond(self, request: Request) -> Answer | None:
        call = self._whatsapp.call_of(request)
        tokens = {call.token, call.parameters.get("input_token")}
        if tokens & self._pages.owners.keys():
            return self._pages.respond(replace(request, path=f"/facebook{request.path}"))
        return self._whatsapp.respond(request)


class FakePlatforms:
    """`with FakePlatforms() as all:` serves every platform: each on a port of its own, at and after `port`
    where one is given. `of` finds the platform of a channel kind; `hub_settings` are the environment of a hub
    that talks to all of them."""

    def __init__(self, port: int = 0) -> None:
        ports = [port and port + number for number in range(6)]
        whatsapp, pages = FakeWhatsApp(ports[1]), FakePages(ports[2])
        self.graph = FakeGraph(whatsapp, pages, ports[4])
        telegram, twilio, slack = FakeTelegram(ports[0]), FakeTwilio(ports[3]), FakeSlack(ports[5])
        self.all: tuple[FakePlatform, ...] = (telegram, whatsapp, pages, twilio, slack)
        self.of: Mapping[str, FakePlatform] = {kind: each for each in self.all for kind in each.kinds}
        self._stack = ExitStack()

    @property
    def hub_settings(self) -> Mapping[str, str]:
        found = {name: value for each in self.all for name, value in each.hub_settings.items()}
        return {**found, "HUB_GRAPH_API_URL": self.graph.url}

    def __enter__(self) -> Self:
        for served in (*self.all, self.graph):
            self._stack.enter_context(served)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
