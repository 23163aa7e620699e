"""What people do with a page, and see on it."""

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests import factories

SIDEWAYS = ".inbox-actions, .inbox-tabs, .proof-scroll, .workshop-tabs"
_TOO_WIDE = """(sideways) => [...document.querySelectorAll("#main, #main *")]
    .filter((each) => each.checkVisibility() && !each.closest(sideways))
    .filter((each) => each.getBoundingClientRect().right > screen.width + 1)
    .map((each) => each.outerHTML.slice(0, 120))"""

Visit = Callable[..., Page]
"""`visit(user, path)` opens a page; see the fixture."""


def wait(page: Page, seconds: float) -> None:
    """Let time pass for a page: whatever it does by itself within `seconds` has begun."""
    page.clock.run_for(int(seconds * 1000))


def sign_in(page: Page, email: str, password: str = factories.PASSWORD) -> None:
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def section(page: Page, name: str) -> Locator:
    """A link of the sidebar. Its icon's name stands in front of its own, how many wait behind it."""
    return page.locator("#nav-sidebar").get_by_role("link", name=re.compile(rf"\b{name}\b"))


def fits(page: Page) -> None:
    """Nothing is wider than the screen but what is made to be scrolled sideways."""
    found = page.evaluate(_TOO_WIDE, SIDEWAYS)
    assert not found, "\n".join([page.url, *found])


# --- the inbox ----------------------------------------------------------------------------------------------


def row(page: Page, contact: str) -> Locator:
    """A conversation in the list."""
    return page.locator(".inbox-row").filter(has_text=contact)


def bubble(page: Page, text: str) -> Locator:
    """A message of the open conversation."""
    return page.locator(".hub-bubble").filter(has_text=text)


def reply(page: Page) -> Locator:
    """Where a reply is written."""
    return page.get_by_role("textbox", name="Reply")


def note(page: Page) -> Locator:
    """Where a note is written."""
    return page.get_by_role("textbox", name="Note")


def said(page: Page, text: str) -> None:
    """The page says what was done."""
    expect(page.get_by_role("status").filter(has_text=text)).to_be_visible()
