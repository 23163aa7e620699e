"""Headless Chromium, for the tests that look at pages as people do."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

SWITCHES = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
TIMEOUT_MS = 20_000
"""For what a page is to show: far more than it takes, for the machine may be busy."""
PLAYWRIGHTS_OWN_TIMEOUT_MS = 5_000


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser that ends with the block."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.fail("chromium is missing: `make test` installs it (Debian: apt-get install chromium).")
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=SWITCHES)
        yield browser
        browser.close()
    expect.set_options(timeout=PLAYWRIGHTS_OWN_TIMEOUT_MS)  # it counts for the whole process
