"""What people do in the console of the running system."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.running_stack import RunningStack

NewPage = Callable[..., Page]


def sign_in(page: Page, stack: RunningStack, email: str = "") -> None:
    page.goto(stack.console_url)
    page.get_by_label("Email").fill(email or stack.admin_email)
    page.get_by_label("Password").fill(stack.admin_password)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Today")).to_be_visible()


def open_section(page: Page, name: str) -> None:
    page.get_by_role("navigation").get_by_role("link", name=name).click()
