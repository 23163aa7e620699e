"""An agent in the inbox, as docs/inbox.md has it: at a desk, on a phone, and beside a colleague."""

import re
from datetime import timedelta

from django.utils import timezone
from playwright.sync_api import Page, expect

from tests import factories
from tests.console.browser.clinic import PERSON, WHITENING, Clinic
from tests.console.browser.steps import Visit, bubble, fits, note, reply, row, said, section, wait

ANSWER = "Dear Ann Berg, a whitening costs 240 €."
NEWS_WITHIN_SECONDS = 3


def test_who_waits_is_taken_over_answered_with_a_quick_reply_and_closed(clinic: Clinic, visit: Visit) -> None:
    clinic.write("ann", PERSON)
    page = visit(clinic.agent, "/")
    expect(section(page, "Inbox")).to_contain_text("1")
    section(page, "Inbox").click()
    expect(page.get_by_role("link", name="Unassigned")).to_contain_text("1")
    row(page, "Ann Berg").click()
    page.get_by_role("button", name="Take over").click()
    said(page, "You answer this conversation now; the bot keeps out of it.")
    expect(page.get_by_text("You answer", exact=True)).to_be_visible()

    page.get_by_text("Quick reply", exact=True).click()
    page.get_by_label("Find a canned prompt").fill("costs whit")
    page.get_by_label("Find a canned prompt").press("Enter")
    expect(reply(page)).to_have_value(ANSWER)
    page.get_by_role("button", name="Send").click()
    expect(bubble(page, ANSWER)).to_contain_text("Sam Rivera")
    clinic.deliver()
    assert clinic.heard("ann")[-1] == ANSWER
    wait(page, NEWS_WITHIN_SECONDS)
    expect(bubble(page, ANSWER)).to_contain_text("Sent")

    page.get_by_role("button", name="Close").click()
    closed = "The conversation with Ann Berg is closed. If they write again, the bot answers."
    said(page, closed)
    wait(page, 2)
    said(page, closed)  # the end of what was said before is not its end
    expect(page.locator(".inbox-row")).to_have_count(0)
    clinic.write("ann", WHITENING)
    clinic.think()
    assert clinic.heard("ann").count(ANSWER) == 2


def test_what_comes_is_there_within_3_s_and_nobody_is_interrupted(clinic: Clinic, visit: Visit) -> None:
    clinic.write("ann", PERSON)
    page = visit(clinic.agent, clinic.inbox("ann"))
    reply(page).fill("Hello Ann, I")
    search = page.get_by_label("Search messages and contacts")
    clinic.write("ann", "It hurts a lot.")
    wait(page, NEWS_WITHIN_SECONDS)
    expect(bubble(page, "It hurts a lot.")).to_be_visible()
    expect(row(page, "Ann Berg")).to_contain_text("It hurts a lot.")
    expect(reply(page)).to_be_focused()
    expect(reply(page)).to_have_value("Hello Ann, I")

    search.fill("Ber")
    clinic.write("ben", PERSON)
    with page.expect_response(re.compile("/news/")):
        wait(page, NEWS_WITHIN_SECONDS)
    expect(row(page, "Ben Okafor")).to_have_count(0)  # the list waits while somebody types into it
    expect(search).to_have_value("Ber")
    search.press("Escape")
    wait(page, NEWS_WITHIN_SECONDS)
    expect(row(page, "Ben Okafor")).to_be_visible()


def test_every_key_that_the_overview_lists(clinic: Clinic, visit: Visit) -> None:
    clinic.write("ann", PERSON)
    clinic.write("ben", PERSON)
    page = visit(clinic.agent, "/inbox/")
    keys, shown = page.keyboard, page.locator("#inbox-head strong")
    keys.press("?")
    listed = ["j", "k", "r", "n", "Ctrl", "Enter", "Esc", "t", "e", "/", "?"]
    expect(page.locator("#keys kbd")).to_have_text(listed)
    keys.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()

    for key, contact in (("j", "Ann Berg"), ("j", "Ben Okafor"), ("j", "Ben Okafor"), ("k", "Ann Berg")):
        keys.press(key)
        expect(shown).to_have_text(contact)
    keys.press("t")
    expect(page.get_by_text("You answer", exact=True)).to_be_visible()

    keys.press("n")
    expect(note(page)).to_be_focused()
    keys.type("Call her at nine.")
    keys.press("Control+Enter")
    expect(page.locator(".inbox-note")).to_contain_text("Call her at nine.")

    keys.press("r")
    expect(reply(page)).to_be_focused()
    keys.type("We call you, Ann")
    keys.press("Escape")
    expect(reply(page)).not_to_be_focused()
    keys.press("r")
    keys.type(".")
    keys.press("Control+Enter")
    expect(bubble(page, "We call you, Ann.")).to_be_visible()
    expect(reply(page)).to_be_focused()  # for the next words
    expect(reply(page)).to_have_value("")

    keys.press("Escape")
    keys.press("e")
    said(page, "The conversation with Ann Berg is closed.")
    keys.press("/")
    expect(page.get_by_label("Search messages and contacts")).to_be_focused()
    keys.type("human")
    keys.press("Enter")
    expect(page.locator(".inbox-row")).to_have_count(2)


def test_a_search_opens_the_conversation_at_the_message(clinic: Clinic, visit: Visit) -> None:
    clinic.write("ben", PERSON)
    clinic.write("ann", "Could the crown be ready on Sunday?")
    clinic.think()
    later = timezone.now() + timedelta(minutes=1)
    for number in range(20):
        factories.make_answered_turn(clinic.conversation("ann"), f"Question {number}", at=later)

    page = visit(clinic.agent, "/inbox/?queue=mine")
    page.get_by_label("Search messages and contacts").fill("sund crow")
    page.get_by_label("Search messages and contacts").press("Enter")
    expect(page.locator(".inbox-row")).to_have_count(1)
    row(page, "Ann Berg").click()

    found = bubble(page, "Could the crown be ready on Sunday?")
    expect(found).to_be_in_viewport()
    expect(found.locator("mark")).to_have_text(["crow", "Sund"])


def test_labels_notes_and_a_colleague_who_goes_on_with_it(clinic: Clinic, visit: Visit) -> None:
    clinic.write("ann", PERSON)
    clinic.write("ben", PERSON)
    heard = clinic.heard("ann")
    page = visit(clinic.agent, clinic.inbox("ann"))
    page.get_by_label("Put a label on it, or take it off").select_option(label="Billing")
    expect(page.locator("#inbox-head .hub-label")).to_have_text("Billing")
    page.get_by_label("Label", exact=True).select_option(label="Billing")
    expect(page.locator(".inbox-row")).to_have_count(1)
    row(page, "Ann Berg").click()

    page.get_by_text("Note", exact=True).click()
    note(page).fill("She paid twice.")
    page.get_by_role("button", name="Add note").click()
    expect(page.locator(".inbox-note")).to_contain_text("Note by Sam Rivera")
    page.get_by_label("Assign to").select_option(label="Lea Novak")
    said(page, "Lea Novak answers this conversation now.")
    assert clinic.heard("ann") == heard, "nobody outside hears of it"

    page = visit(clinic.colleague, "/inbox/?queue=mine")
    expect(row(page, "Ann Berg")).to_contain_text("Billing")
    row(page, "Ann Berg").click()
    expect(page.locator(".inbox-note")).to_contain_text("She paid twice.")
    page.get_by_label("Put a label on it, or take it off").select_option(label="✓ Billing")
    expect(page.locator("#inbox-head .hub-label")).to_have_count(0)


def test_the_llm_suggests_an_answer_that_only_a_member_sends(clinic: Clinic, visit: Visit) -> None:
    clinic.write("ann", PERSON)
    clinic.write("ann", WHITENING)
    heard = clinic.heard("ann")
    page = visit(clinic.agent, clinic.inbox("ann"))
    suggest = page.get_by_role("button", name="Suggest")
    suggest.click()
    said(page, "The LLM is asked…")
    clinic.think()
    wait(page, 1)
    expect(reply(page)).to_have_value(ANSWER)
    said(page, "Suggested by the LLM: read it before you send it.")

    reply(page).fill("Let me see.")
    suggest.click()
    said(page, "The LLM is asked…")
    clinic.think()
    wait(page, 1)
    mine = page.get_by_role("button", name="Use it in place of my text")
    expect(mine).to_be_visible()
    expect(reply(page)).to_have_value("Let me see.")
    mine.click()
    expect(reply(page)).to_have_value(ANSWER)
    assert clinic.heard("ann") == heard
    page.get_by_role("button", name="Send").click()
    expect(bubble(page, ANSWER)).to_be_visible()
    clinic.deliver()
    assert clinic.heard("ann") == [*heard, ANSWER]


def test_who_waits_goes_back_to_the_bot_only_after_a_question(clinic: Clinic, visit: Visit) -> None:
    clinic.write("ann", PERSON)
    page = visit(clinic.agent, clinic.inbox("ann"))
    page.get_by_role("button", name="To the bot").click()
    expect(page.get_by_text("Ann Berg waits for an answer by staff.")).to_be_visible()
    page.get_by_role("button", name="To the bot").click()
    said(page, "The bot answers the next message.")
    expect(page.get_by_text("Bot answers", exact=True)).to_be_visible()
    clinic.write("ann", WHITENING)
    clinic.think()
    wait(page, NEWS_WITHIN_SECONDS)
    helpful = bubble(page, ANSWER).get_by_role("button", name="A helpful answer", exact=True)
    helpful.click()
    expect(helpful).to_have_attribute("aria-pressed", "true")


def test_a_draft_of_the_bot_is_changed_and_sent(clinic: Clinic, visit: Visit) -> None:
    clinic.channel.bot = "drafts"
    clinic.channel.save()
    clinic.write("ann", WHITENING)
    clinic.think()
    page = visit(clinic.agent, clinic.inbox("ann"))
    draft = page.get_by_label("The draft, to be changed or sent as it is")
    expect(draft).to_have_value(ANSWER)
    draft.fill(f"{ANSWER} Sam")
    page.get_by_role("button", name="Send the draft").click()
    said(page, "The draft is on its way.")
    clinic.deliver()
    assert clinic.heard("ann")[-1] == f"{ANSWER} Sam"


def test_of_two_agents_at_one_conversation_one_is_heard(clinic: Clinic, visit: Visit) -> None:
    clinic.write("ann", PERSON)
    heard = clinic.heard("ann")
    first, second = (visit(user, clinic.inbox("ann")) for user in (clinic.agent, clinic.colleague))
    reply(second).fill("Lea here")
    send(first, "Sam here.")
    expect(bubble(first, "Sam here.")).to_be_visible()
    second.get_by_role("button", name="Send").click()
    alert = second.get_by_role("alert")
    expect(alert).to_have_text(
        re.compile("^Sam Rivera answers this conversation, so your text was not sent.")
    )
    expect(reply(second)).to_have_value("Lea here")
    expect(bubble(second, "Sam here.")).to_be_visible()
    clinic.deliver()
    assert clinic.heard("ann") == [*heard, "Sam here."]

    second.get_by_role("button", name="Take over").click()
    send(second, "Lea here, for Sam.")
    expect(bubble(second, "Lea here, for Sam.")).to_be_visible()


def test_the_same_on_a_phone(clinic: Clinic, visit: Visit) -> None:
    clinic.write("ann", PERSON)
    page = visit(clinic.agent, "/inbox/", is_phone=True)
    fits(page)
    row(page, "Ann Berg").tap()
    expect(row(page, "Ann Berg")).to_be_hidden()
    fits(page)
    for button in page.locator(".inbox-pane").locator("button, summary, select").all():
        if button.is_visible():
            button.scroll_into_view_if_needed()
            expect(button).to_be_in_viewport(ratio=1)
    page.get_by_role("button", name="Take over").tap()
    expect(page.get_by_text("You answer", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Suggest")).to_be_visible()
    quick = page.locator("#canned summary")
    expect(quick).to_have_accessible_name("Quick reply")  # though there is no room for the words
    quick.tap()
    fits(page)
    page.get_by_role("button", name=WHITENING).tap()
    expect(reply(page)).to_have_value(ANSWER)
    page.get_by_role("button", name="Send").tap()
    expect(bubble(page, ANSWER)).to_be_in_viewport()
    page.get_by_role("link", name="Back to the list").tap()
    expect(page.get_by_role("link", name="Mine")).to_be_visible()
    fits(page)


def send(page: Page, text: str) -> None:
    reply(page).fill(text)
    page.get_by_role("button", name="Send").click()
