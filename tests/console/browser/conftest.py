"""The console in a browser: pages of a server in this process, over a database of each test's own."""

import threading
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from django.core.signals import request_finished, request_started
from django.db import connections
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page
from pytest_django.live_server_helper import LiveServer

from console.channels.models import Channel
from console.inbox.models import Label
from console.organizations.models import User
from hub_lambdas import channels
from tests import factories
from tests.chromium import TIMEOUT_MS, chromium
from tests.console.browser.clinic import HOURS, NAMES, WHITENING, Clinic
from tests.console.browser.steps import Visit
from tests.console.conftest import cookies, signed_in, with_factor
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.conftest import Pigeon

WIDE: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
LAST_REQUEST_SECONDS = 30


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Its driver has an event loop in this thread, where Django refuses to speak to a database: somebody
    might be kept waiting. Nobody is."""
    with pytest.MonkeyPatch.context() as patch, chromium() as browser:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "yes")
        yield browser
        connections.close_all()  # those of the loop, which nobody else finds


@pytest.fixture
def server(live_server: LiveServer) -> Iterator[LiveServer]:
    """The console. It is done with what pages asked for by themselves before the database is emptied."""
    count, changed = 0, threading.Condition()

    def note(step: int) -> None:
        nonlocal count
        with changed:
            count += step
            changed.notify_all()

    def begin(**_: Any) -> None:
        note(1)

    def end(**_: Any) -> None:
        note(-1)

    request_started.connect(begin)
    request_finished.connect(end)
    yield live_server
    with changed:
        assert changed.wait_for(lambda: not count, LAST_REQUEST_SECONDS)
    request_started.disconnect(begin)
    request_finished.disconnect(end)


@pytest.fixture
def visit(browser: Browser, server: LiveServer) -> Iterator[Visit]:
    """Opens pages, each in a browser of its own. An error of a script on any of them fails the test."""
    errors: list[str] = []
    contexts: list[BrowserContext] = []

    def open_page(
        user: User | None,
        path: str = "/",
        *,
        scheme: Literal["light", "dark"] = "light",
        is_phone: bool = False,
    ) -> Page:
        """`user`: who is signed in there, ops with a second factor; None: nobody. Time passes on the page as
        everywhere, and faster where a test lets it (`steps.wait`)."""
        context = browser.new_context(
            base_url=server.url,
            color_scheme=scheme,
            locale="en",
            reduced_motion="reduce",
            **(PHONE if is_phone else WIDE),
        )
        contexts.append(context)
        context.set_default_timeout(TIMEOUT_MS)
        context.clock.install()
        client = with_factor(user) if user and user.is_ops else signed_in(user)
        context.add_cookies(cookies(client, server.url))
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not errors


@pytest.fixture
def clinic(db: None, sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch) -> Clinic:
    """A clinic with a published prompt, to which nobody has written yet."""
    platform = Pigeon()
    platform.names = dict(NAMES)
    monkeypatch.setattr(Pigeon, "names_contacts", False)  # it is asked for them
    monkeypatch.setitem(channels.KINDS, platform.name, platform)
    organization = factories.make_organization(
        "bright-smile", name="Bright Smile Dental", burst_window_seconds=0
    )
    channel = Channel.objects.create(
        organization=organization,
        kind=platform.name,
        name="Pigeons",
        credentials={"ring": "r1"},
        checked_at=timezone.now(),
    )
    factories.make_prompt(organization, "You are the assistant of a dental clinic.")
    answer = "Dear {{contact.name|patient}}, a whitening costs 240 €."
    factories.make_canned_prompt(organization, WHITENING, answer=answer)
    factories.make_canned_prompt(organization, HOURS, answer="We are open from 8:00 to 18:00.")
    Label.objects.create(organization=organization, name="Billing")
    return Clinic(
        organization=organization,
        channel=channel,
        admin=factories.make_member(organization, "admin", email="kim@example.com", name="Kim Osei"),
        agent=factories.make_member(organization, "agent", email="sam@example.com", name="Sam Rivera"),
        colleague=factories.make_member(organization, "agent", email="lea@example.com", name="Lea Novak"),
        sqs=sqs,
        platform=platform,
    )
