"""The chat page in a browser: what a visitor sees, and that nothing they write is lost or doubled."""

from collections.abc import Iterator

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from tests.chromium import chromium
from tests.fakes.webchat_hub import FakeWebChatHub

OPTIONS = {"title": "Bright Smile", "greeting": "Hello!", "suggestions": ["When are you open?"]}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def hub() -> Iterator[FakeWebChatHub]:
    with FakeWebChatHub(dict(OPTIONS)) as hub:
        yield hub


@pytest.fixture
def page(browser: Browser, hub: FakeWebChatHub) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(hub.page)
    yield page
    context.close()
    assert not errors


def write(page: Page, text: str) -> None:
    page.get_by_label("Your message").fill(text)
    page.get_by_label("Your message").press("Enter")


def mine(page: Page) -> list[str]:
    return [each.removeprefix("You: ") for each in page.locator(".mine .bubble").all_text_contents()]


def test_an_answer_arrives_and_survives_a_reload(page: Page, hub: FakeWebChatHub) -> None:
    write(page, "How much is a whitening?")
    expect(page.locator(".mine.stored")).to_have_count(1)
    hub.view.due.add(hub.stored[0].sender.platform_id)
    expect(page.locator("#typing")).to_be_visible()
    hub.answer("It costs 249 euros.")
    hub.view.due.clear()
    expect(page.locator("#messages .theirs")).to_contain_text("It costs 249 euros.")
    expect(page.locator("#typing")).to_be_hidden()
    page.reload()
    expect(page.locator("#messages .theirs")).to_contain_text("It costs 249 euros.")
    assert mine(page) == ["How much is a whitening?"]


def test_a_suggestion_is_sent_with_a_click(page: Page, hub: FakeWebChatHub) -> None:
    page.get_by_role("button", name="When are you open?").click()
    expect(page.locator(".mine.stored")).to_have_count(1)
    assert [message.text for message in hub.stored] == ["When are you open?"]
    expect(page.locator("#suggestions")).to_be_hidden()


def test_choices_stand_below_the_last_answer_until_one_is_chosen(page: Page, hub: FakeWebChatHub) -> None:
    write(page, "Hello")
    expect(page.locator(".mine.stored")).to_have_count(1)
    hub.answer("How can we help?", "Opening hours", "Prices <b>")
    offered = page.get_by_role("group", name="Choose an answer")
    expect(offered.get_by_role("button")).to_have_text(["Opening hours", "Prices <b>"])
    page.reload()
    offered.get_by_role("button", name="Prices").press("Enter")
    expect(offered).to_be_hidden()
    expect(page.locator(".mine.stored")).to_have_count(2)
    assert [(message.kind, message.text) for message in hub.stored] == [
        ("text", "Hello"),
        ("button", "Prices <b>"),
    ]
    (offering,) = hub.view.messages(hub.stored[0].sender.platform_id, 0)[1:2]
    assert hub.stored[1].below_reference == str(offering.id)
    hub.answer("From 45 euros.")
    expect(page.locator("#messages .theirs")).to_have_count(2)
    expect(offered).to_be_hidden()


def test_markup_is_shown_as_text_and_only_web_addresses_are_links(page: Page, hub: FakeWebChatHub) -> None:
    text = "<img src=x onerror=alert(1)> {{ 7*7 }} https://clinic.example/a_(b). javascript:alert(1)"
    write(page, text)
    expect(page.locator(".mine.stored")).to_have_count(1)
    assert mine(page) == [text]
    links = page.locator(".mine a")
    assert [link.get_attribute("href") for link in links.all()] == ["https://clinic.example/a_(b)"]
    assert page.locator(".mine img").count() == 0


def test_shift_enter_starts_a_line_and_blank_texts_stay(page: Page, hub: FakeWebChatHub) -> None:
    write(page, "   ")
    page.get_by_label("Your message").fill("one")
    page.get_by_label("Your message").press("Shift+Enter")
    page.keyboard.type("two")
    page.keyboard.press("Enter")
    expect(page.locator(".mine.stored")).to_have_count(1)
    assert [message.text for message in hub.stored] == ["one\ntwo"]


def test_what_is_written_in_an_outage_is_sent_once_and_in_order(page: Page, hub: FakeWebChatHub) -> None:
    hub.is_down = True
    write(page, "first")
    write(page, "second")
    expect(page.get_by_text("Not sent yet")).to_have_count(1)
    expect(page.get_by_text("No connection")).to_be_visible(timeout=10_000)
    hub.is_down = False
    expect(page.locator(".mine.stored")).to_have_count(2, timeout=15_000)
    assert [message.text for message in hub.stored] == ["first", "second"]
    assert mine(page) == ["first", "second"]


def test_what_is_not_sent_yet_survives_a_reload_and_tells_how_old_it_is(
    page: Page, hub: FakeWebChatHub
) -> None:
    hub.is_down = True
    write(page, "still here")
    expect(page.get_by_text("Not sent yet")).to_be_visible()
    an_hour_ago = "(kept) => JSON.stringify({ ...JSON.parse(kept), at: Date.now() - 3600000 })"
    name = "Object.keys(localStorage).find((name) => name.includes(':out:'))"
    page.evaluate(f"localStorage.setItem({name}, ({an_hour_ago})(localStorage.getItem({name})))")
    page.reload()
    expect(page.locator(".mine")).to_contain_text("still here")
    hub.is_down = False
    expect(page.locator(".mine.stored")).to_have_count(1, timeout=15_000)
    assert [message.text for message in hub.stored] == ["still here"]
    written_at = hub.stored[0].platform_at
    assert written_at is not None
    assert 3600 <= (timezone.now() - written_at).total_seconds() < 3700


def test_a_lost_acknowledgement_doubles_nothing(page: Page, hub: FakeWebChatHub) -> None:
    hub.loses_answers = True
    write(page, "once")
    expect(page.locator(".mine.stored")).to_have_count(1, timeout=15_000)
    hub.loses_answers = False
    page.reload()
    expect(page.locator(".mine.stored")).to_have_count(1)
    assert mine(page) == ["once"]
    assert [message.text for message in hub.stored] == ["once"]


def test_a_refusal_is_told_and_the_text_comes_back(page: Page, hub: FakeWebChatHub) -> None:
    hub.refusal = "That is too much."
    write(page, "a long story")
    expect(page.get_by_text("Not sent: That is too much.")).to_be_visible()
    page.get_by_role("button", name="Change it").click()
    expect(page.get_by_label("Your message")).to_have_value("a long story")
    assert mine(page) == []


def test_who_is_held_back_reads_why_and_it_is_sent_later(page: Page, hub: FakeWebChatHub) -> None:
    hub.retry_after_seconds = 3600
    write(page, "first")
    expect(page.get_by_text("Not sent yet. Many have written. It is sent then.")).to_be_visible()
    write(page, "second")
    expect(page.get_by_text("Not sent yet")).to_have_count(2)
    hub.retry_after_seconds = 0
    write(page, "third")
    expect(page.locator(".mine.stored")).to_have_count(3)
    assert [message.text for message in hub.stored] == ["first", "second", "third"]


def test_a_text_above_the_limit_cannot_be_sent(page: Page, hub: FakeWebChatHub) -> None:
    page.get_by_label("Your message").fill("😀" * 10_000)
    expect(page.get_by_role("button", name="Send")).to_be_enabled()
    page.get_by_label("Your message").fill("😀" * 10_001)
    expect(page.get_by_role("button", name="Send")).to_be_disabled()
    expect(page.get_by_text("this one has 10,001")).to_be_visible()


def test_another_visitor_sees_nothing_of_it(page: Page, hub: FakeWebChatHub, browser: Browser) -> None:
    write(page, "my secret")
    expect(page.locator(".mine.stored")).to_have_count(1)
    context = browser.new_context()
    other = context.new_page()
    other.goto(hub.page)
    expect(other.get_by_role("button", name="When are you open?")).to_be_visible()
    assert mine(other) == []
    context.close()


def test_the_script_opens_the_chat_on_an_allowed_site(page: Page, hub: FakeWebChatHub) -> None:
    site = hub.url.replace("127.0.0.1", "localhost")
    hub.account.options["allowed_origins"] = [site]  # type: ignore[index]  # the fake's own dictionary
    page.goto(f"{site}/site")
    button = page.get_by_role("button", name="Open Bright Smile")
    button.click()
    frame = page.frame_locator("iframe")
    expect(frame.get_by_label("Your message")).to_be_focused()
    frame.get_by_role("button", name="When are you open?").click()
    expect(frame.locator(".mine.stored")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("iframe")).to_be_hidden()
    expect(button).to_be_focused()
    hub.answer("From 8 to 18.")
    expect(page.locator("button.news")).to_be_visible(timeout=15_000)


def test_another_site_cannot_show_the_chat(page: Page, hub: FakeWebChatHub) -> None:
    page.goto(f"{hub.url.replace('127.0.0.1', 'localhost')}/site")
    with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
        page.get_by_role("button", name="Open Bright Smile").click()
