"""One system for the whole folder, with the real model, and a platform for it to talk to.

They end with the folder's last test (scope "package"), so that they take no time from the tests behind it.
"""

import itertools
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from infra.local.platforms import simulator_url
from tests.end_to_end.studio import Studio
from tests.fakes import platform
from tests.fakes.repository import Repository
from tests.fakes.server import Answer, Request
from tests.fakes.telegram import FakeTelegram
from tests.running_stack import RunningStack, free_ports

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SWITCHES = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
BROWSER_TIMEOUT_MS = 20_000
PLAYWRIGHTS_OWN_TIMEOUT_MS = 5_000


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
    if CHROMIUM is None:
        pytest.fail("chromium is missing: `make test` installs it (Debian: apt-get install chromium).")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[[], Page]]:
    """Makes pages, each of another visitor; an error of a script on any of them fails the test."""
    errors: list[str] = []
    contexts = []

    def make() -> Page:
        context = browser.new_context(accept_downloads=True)
        contexts.append(context)
        context.set_default_timeout(BROWSER_TIMEOUT_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        return page

    expect.set_options(timeout=BROWSER_TIMEOUT_MS)
    yield make
    expect.set_options(timeout=PLAYWRIGHTS_OWN_TIMEOUT_MS)  # it counts for the whole process
    for context in contexts:
        context.close()
    assert not errors
