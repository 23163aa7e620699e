"""One system for the whole folder, with the real model, and a platform for it to talk to.

They end with the folder's last test (scope "package"), so that they take no time from the tests behind it.
"""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, StorageState

from infra.local.platforms import simulator_url
from tests.chromium import TIMEOUT_MS, chromium
from tests.end_to_end.steps import NewPage, sign_in
from tests.end_to_end.studio import Studio
from tests.fakes import platform
from tests.fakes.repository import Repository
from tests.fakes.server import Answer, Request
from tests.fakes.telegram import FakeTelegram
from tests.running_stack import RunningStack, free_ports


class SharedTelegram(FakeTelegram):
    """The bots of these tests, at the address that the hub has for Telegram: calls for any other bot go on to
    the simulator of `make run`, which has the demo's."""

    simulator_url = ""

    def respond(self, request: Request) -> Answer | None:
        own = replace(request, path=request.path.removeprefix("/telegram"))
        if self.call_of(own).token in self.bots:
            return super().respond(own)
        url, content_type = f"{self.simulator_url}{request.path}", request.headers.get("content-type", "")
        return Answer(*platform.request(url, request.body, {"content-type": content_type}))


@pytest.fixture(scope="package")
def telegram() -> Iterator[SharedTelegram]:
    with SharedTelegram() as telegram:
        yield telegram


@pytest.fixture(scope="package")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """What the stack deploys from, onto a stage that is a file."""
    return Repository(tmp_path_factory.mktemp("releases"))


@pytest.fixture(scope="package")
def stack(telegram: SharedTelegram, repository: Repository) -> Iterator[RunningStack]:
    port = free_ports(1)[0]
    telegram.simulator_url = simulator_url(port)
    settings = {
        "HUB_PLATFORMS": "simulator",
        "HUB_SIMULATOR_PORT": str(port),
        "HUB_TELEGRAM_API_URL": f"{telegram.url}/telegram",
        "HUB_LLM_VISIBILITY_SECONDS": "10",
        "HUB_DEPLOY_REPOSITORY": str(repository.root),
        "HUB_DEPLOY_STAGES": "trial",
        "HUB_DEPLOYER": str(repository.installed),
    }
    with RunningStack(**settings) as stack:
        yield stack


@pytest.fixture(scope="package")
def studios() -> Iterator[int]:
    """Numbers for the studios of the run."""
    return itertools.count(1)


@pytest.fixture
def studio(stack: RunningStack, telegram: FakeTelegram, studios: Iterator[int], tmp_path: Path) -> Studio:
    """An organization of this test alone, loaded as its staff would load it."""
    return Studio.load(stack, telegram, next(studios), tmp_path)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def new_page(browser: Browser) -> Iterator[NewPage]:
    """Makes pages, each of another visitor, with the options of a browser's context. An error of a script on
    any of them fails the test."""
    errors: list[str] = []
    contexts = []

    def make(**options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(TIMEOUT_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        return page

    yield make
    for context in contexts:
        context.close()
    assert not errors


@pytest.fixture(scope="module")
def admin(browser: Browser, stack: RunningStack) -> StorageState:
    """What the browser of the demo clinic's admin keeps, who signs in once."""
    context = browser.new_context()
    sign_in(context.new_page(), stack)
    kept = context.storage_state()
    context.close()
    return kept


@pytest.fixture
def console(new_page: NewPage, admin: StorageState, stack: RunningStack) -> Page:
    """The admin's first page."""
    page = new_page(storage_state=admin)
    page.goto(stack.console_url)
    return page
