"""One system for the whole folder, with the real model, and a platform for it to talk to.

They end with the folder's last test (scope "package"), so that they take no time from the tests behind it.
"""

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.end_to_end.studio import Studio
from tests.fakes.telegram import FakeTelegram
from tests.running_stack import RunningStack

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SWITCHES = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
BROWSER_TIMEOUT_MS = 20_000
PLAYWRIGHTS_OWN_TIMEOUT_MS = 5_000


@pytest.fixture(scope="package")
def telegram() -> Iterator[FakeTelegram]:
    with FakeTelegram() as telegram:
        yield telegram


@pytest.fixture(scope="package")
def stack(telegram: FakeTelegram) -> Iterator[RunningStack]:
    settings = {"HUB_TELEGRAM_API_URL": telegram.url, "HUB_LLM_VISIBILITY_SECONDS": "10"}
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
