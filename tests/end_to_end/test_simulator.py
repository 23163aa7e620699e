"""The simulator's page in a browser: a contact of the demo clinic, on two platforms, with a fault each."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.end_to_end.steps import NewPage
from tests.running_stack import RunningStack

QUESTION, ADDRESS = "Where are you located?", "12 Garden Street"
ANSWER_TIMEOUT_MS = 40_000


def test_a_contact_is_answered_on_whatsapp_also_when_it_is_too_fast_for_the_platform(
    stack: RunningStack, new_page: NewPage
) -> None:
    page = open_simulator(stack, new_page, "WhatsApp")
    page.get_by_role("button", name="Ask to slow down: one send more").click()
    expect(page.get_by_text("the next send is told to wait")).to_be_visible()

    ask(page, QUESTION)

    expect(answers(page)).to_contain_text([ADDRESS], timeout=ANSWER_TIMEOUT_MS)
    expect(page.locator(".mine .ticks")).to_have_attribute("aria-label", "read")
    expect(page.get_by_text("the next send is told to wait")).to_be_hidden()
    refused = page.locator(".packet").filter(has_text="slow down")
    expect(refused.locator(".status")).to_have_text(
        ["429"]
    )  # the answer's first attempt, or the holding line's
    send = page.locator(".packet").filter(has_text=ADDRESS).first  # the newest
    expect(send.locator(".status")).to_have_text("200")
    send.locator("summary").click()
    expect(send.locator("pre").nth(1)).to_contain_text('"messaging_product": "whatsapp"')
    webhook = page.locator(".packet").filter(has_text=QUESTION)
    webhook.locator("summary").click()
    expect(webhook.locator("pre").first).to_contain_text("X-Hub-Signature-256: sha256=")


def test_a_message_that_telegram_delivers_three_times_is_answered_once_and_seen_in_the_console(
    stack: RunningStack, new_page: NewPage
) -> None:
    page = open_simulator(stack, new_page, "Telegram")
    page.get_by_role("switch", name="Deliver messages 3 times").click()
    expect(page.get_by_text("every message comes three times")).to_be_visible()

    ask(page, QUESTION)

    expect(answers(page)).to_contain_text([ADDRESS], timeout=ANSWER_TIMEOUT_MS)
    delivered = page.locator(".packet").filter(has_text=QUESTION)
    expect(delivered.locator(".status")).to_have_text(["200"] * 3)
    expect(page.locator(".packet").filter(has_text=ADDRESS)).to_have_count(1)
    expect(page.get_by_role("link", name="Proof")).to_have_attribute("href", re.compile("/bright-smile/$"))
    conversation = page.get_by_role("link", name="Conversation").get_attribute("href") or ""

    page.get_by_role("switch", name="Deliver messages 3 times").click()
    page.goto(conversation)
    page.get_by_label("Email").fill(stack.admin_email)
    page.get_by_label("Password").fill(stack.admin_password)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#result_list tbody tr")).to_have_count(1)


def open_simulator(stack: RunningStack, new_page: NewPage, platform: str) -> Page:
    page = new_page()
    page.goto(stack.simulator_url)
    page.get_by_role("radio", name=platform).click()
    expect(page.get_by_text("connected", exact=True)).to_be_visible()
    return page


def ask(page: Page, text: str) -> None:
    page.get_by_label("Message as").fill(text)
    page.get_by_label("Message as").press("Enter")


def answers(page: Page) -> Locator:
    """What the bot said, less the holding line: it comes where this machine is slow."""
    return page.locator("#messages .theirs .bubble").filter(has_not_text="One moment please")
