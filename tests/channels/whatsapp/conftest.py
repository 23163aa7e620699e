"""A connected number whose platform is the fake."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pytest_django import Settings

from hub_lambdas.channels.base import Account, ChannelError, Inbound
from hub_lambdas.channels.whatsapp import WhatsApp
from hub_lambdas.http import Request, Response
from tests.channels.listening import listening
from tests.fakes.contact_view import FakeContactView
from tests.fakes.whatsapp import FakeWhatsApp, Person

KIND = WhatsApp()
TOKEN, NUMBER, WABA = "EAAB-token-that-nobody-may-see", "1122334455667", "5467539754836534"
ANN = Person("4915112345678", "DE.13491208655302741918", "Ann")
BOB = Person("4915187654321", name="Bob")


@pytest.fixture
def platform(settings: Settings) -> Iterator[FakeWhatsApp]:
    """The fake Cloud API with the hub's app and an organization's own, of which there is a token."""
    with FakeWhatsApp() as fake:
        settings.GRAPH_API_URL = fake.url
        settings.META_APP_ID, settings.META_APP_SECRET = "100", "hub-secret"
        settings.META_VERIFY_TOKEN = "hub-verify-token"
        fake.add_app("100", "hub-secret")
        fake.add_app("200", "own-secret")
        fake.add_token(TOKEN, "200")
        fake.add_number(NUMBER, WABA)
        yield fake


@pytest.fixture
def own() -> Account:
    """A channel with an app of its own."""
    credentials = {"access_token": TOKEN, "phone_number_id": NUMBER, "waba_id": WABA}
    more = {"app_secret": "own-secret", "verify_token": "made-by-the-hub"}
    return Account(uuid.UUID(int=1), {**credentials, **more})


@pytest.fixture
def shared(platform: FakeWhatsApp) -> Account:
    """A channel that the hub's app speaks for."""
    platform.add_token("of-the-hub", "100")
    credentials = {"access_token": "of-the-hub", "phone_number_id": NUMBER, "waba_id": WABA}
    return Account(uuid.UUID(int=2), {**credentials, "verify_token": "made-by-the-hub"})


def send(account: Account, text: str = "hello", contact: str = ANN.phone) -> str:
    return KIND.send(account, contact, text, "77")


@contextmanager
def hub(account: Account, shared: Account | None = None) -> Iterator[tuple[str, list[Inbound]]]:
    """A hub of one channel: its address, and what it took in. At the address above it the hub's own app."""
    taken: list[Inbound] = []

    def respond(request: Request) -> Response:
        meant = shared if request.path == "/whatsapp" and shared else account
        if request.method == "GET":
            return KIND.serve(request, meant, "", FakeContactView())
        try:
            KIND.verify(request, meant)
            taken.extend(KIND.parse(request, meant))
        except ChannelError:
            return Response(401)
        return Response()

    with listening(respond) as url:
        yield f"{url}/whatsapp/one", taken
