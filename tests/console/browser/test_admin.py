"""An organization's admin: the prompt workshop (docs/workshop.md), settings, members, dashboards."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import pytest
from django.core import mail
from django.utils import timezone
from playwright.sync_api import Page, expect

from console.dashboards import tallying
from console.organizations.models import Member
from console.prompts import drafts
from console.workshop import jobs
from hub_lambdas import staff
from tests import factories
from tests.console.browser.clinic import HOURS, WHITENING, Clinic
from tests.console.browser.steps import Visit, fits, said, section, sign_in, wait

OLD, NEW = "240 €", "299 €"
NEWS_WITHIN_SECONDS = 2


# --- the workshop -------------------------------------------------------------------------------------------


def test_a_draft_is_tried_beside_what_is_published_and_then_counts(clinic: Clinic, visit: Visit) -> None:
    page = visit(clinic.admin)
    section(page, "Prompt workshop").click()
    page.get_by_role("link", name=WHITENING).click()
    answer = page.get_by_label("Answer")
    answer.fill(answer.input_value().replace(OLD, NEW))
    page.get_by_role("button", name="Keep in the draft").click()
    said(page, "Kept in the draft. It counts once it is published.")

    page.get_by_role("link", name="Playground").click()
    page.get_by_label("Question").fill(WHITENING)
    page.get_by_role("button", name="Ask both").click()
    expect(page.get_by_text("The LLM is asked…")).to_have_count(2)
    clinic.think()
    wait(page, NEWS_WITHIN_SECONDS)
    answers = [f"Dear patient, a whitening costs {price}." for price in (OLD, NEW)]
    expect(page.locator(".workshop-bubble.is-out")).to_have_text(answers)
    assert not clinic.platform.sent

    publish(page, ("240", "299"))
    clinic.write("ann", WHITENING)
    clinic.think()
    assert clinic.heard("ann") == [f"Dear Ann Berg, a whitening costs {NEW}."]


def test_a_conversation_is_a_test_case_in_two_clicks_and_publishing_warns(
    clinic: Clinic, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic.write("ann", WHITENING)
    clinic.think()
    change_price(clinic)
    page = visit(clinic.admin, clinic.inbox("ann"))
    page.locator(".hub-turn summary").click()
    page.get_by_role("link", name="Make it a test case").click()
    expect(page.get_by_label("Question")).to_have_value(WHITENING)
    expect(page.get_by_label("The answer must contain")).to_have_value(OLD)
    page.get_by_role("button", name="Keep").click()
    said(page, "The test case is kept.")

    runs: list[int] = []
    monkeypatch.setattr(jobs.run_cases, "delay", runs.append)
    page.get_by_role("button", name="Run: published and draft").click()
    expect(page.get_by_text("0 of 2 answers")).to_be_visible()
    monkeypatch.setattr(jobs, "time", SimpleNamespace(sleep=lambda _: clinic.think()))
    jobs.run_cases(runs[0])
    wait(page, NEWS_WITHIN_SECONDS)
    expect(page.locator(".workshop-table tr.is-worse")).to_contain_text(f"“{OLD}” is missing.")

    page.get_by_role("link", name="Publish…").click()
    expect(page.get_by_role("alert")).to_contain_text("1 test case got worse")
    page.get_by_role("button", name="Publish version 2").click()
    expect(page.get_by_text("Say so if you mean it.")).to_be_visible()
    page.get_by_label("Publish it although test cases got worse").check()
    page.get_by_role("button", name="Publish version 2").click()
    said(page, "Version 2 is published.")


def test_the_bot_learns_from_staff_in_two_clicks(clinic: Clinic, visit: Visit) -> None:
    question, answer = "Do you repair dentures?", "Yes, bring them to us; it takes two days."
    clinic.write("ann", question)
    clinic.think()
    staff.reply(clinic.conversation("ann").pk, clinic.agent, answer)
    clinic.deliver()
    page = visit(clinic.admin, clinic.inbox("ann"))
    page.get_by_role("link", name="Make it a canned prompt").click()
    expect(page.get_by_label("Question")).to_have_value(question)
    expect(page.get_by_label("Answer")).to_have_value(answer)
    page.get_by_role("button", name="Add to the draft").click()
    said(page, "Kept in the draft.")
    publish(page, (answer,))
    clinic.write("ben", question)
    clinic.think()
    assert clinic.heard("ben") == [answer]


def test_the_workshop_on_a_phone(clinic: Clinic, visit: Visit) -> None:
    change_price(clinic)
    page = visit(clinic.admin, "/workshop/", is_phone=True)
    fits(page)
    for part in ("Playground", "Test cases", "Unanswered", "Versions"):
        page.get_by_role("link", name=part).tap()
        expect(page.get_by_role("link", name=part)).to_have_attribute("aria-current", "page")
        fits(page)
    page.get_by_role("link", name="Publish…").tap()
    expect(page.get_by_role("button", name="Publish version 2")).to_be_visible()
    fits(page)


def change_price(clinic: Clinic) -> None:
    """A draft in which a whitening costs more."""
    with drafts.editing(clinic.organization, clinic.admin) as draft:
        canned = draft.canned[0]
        canned.answer = canned.answer.replace(OLD, NEW)
        drafts.put(draft, canned)


def publish(page: Page, changes: tuple[str, ...]) -> None:
    """Publish the draft, having read what changes, word by word."""
    page.get_by_role("link", name="Publish…").click()
    expect(page.locator("del, ins")).to_have_text([re.compile(re.escape(each)) for each in changes])
    page.get_by_label("Note").fill("As the team wants it")
    page.get_by_role("button", name="Publish version 2").click()
    said(page, "Version 2 is published. It counts from the next message on.")


# --- settings, members, organizations -----------------------------------------------------------------------


def test_settings_are_kept_and_what_is_wrong_is_said_where_it_stands(clinic: Clinic, visit: Visit) -> None:
    page = visit(clinic.admin)
    section(page, "Organization").click()
    tuesday, topics = page.get_by_label("Tuesday"), page.get_by_label("Topics for staff")
    save = page.get_by_role("button", name="Save", exact=True)
    tuesday.fill("9 to 5")
    topics.fill("Complaint")
    save.click()
    expect(page.get_by_text("Tuesday: “9 to 5” is no time span: write 09:00-18:00.")).to_be_visible()
    sections = page.get_by_role("navigation", name="Sections").get_by_role("link", name="wrong")
    expect(sections).to_have_text([re.compile("Business hours"), re.compile("What goes to staff at once")])
    sections.last.click()
    expect(page.get_by_text("“Complaint” is no topic")).to_be_in_viewport()
    expect(topics).to_have_value("Complaint")

    tuesday.fill("9:00-17:00")
    topics.fill("Complaint: not happy")
    save.click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    expect(tuesday).to_have_value("09:00-17:00")
    clinic.write("ann", "I am not happy with you.")
    assert clinic.conversation("ann").owner == "staff"


def test_somebody_is_invited_by_e_mail_joins_and_signs_in(clinic: Clinic, visit: Visit) -> None:
    page = visit(clinic.admin)
    section(page, "Invitations").click()
    page.get_by_title("Add invitation").click()
    page.get_by_label(re.compile("E-?mail")).fill("nia@example.com")
    page.get_by_label("Role").select_option(label="Agent")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("nia@example.com has an e-mail with a link.")).to_be_visible()
    (sent,) = mail.outbox
    link = re.search(r"http://[^/]+(/join/\S+)", str(sent.body))
    assert link
    assert sent.to == ["nia@example.com"]

    guest = visit(None, link[1])
    expect(guest.get_by_text("Kim Osei invites nia@example.com to Bright Smile Dental")).to_be_visible()
    guest.get_by_label("Your name").fill("Nia Roth")
    guest.get_by_label("Choose a password").fill("short")
    guest.get_by_role("button", name="Join Bright Smile Dental").click()
    expect(guest.get_by_text("This password is too short")).to_be_visible()
    guest.get_by_label("Choose a password").fill(factories.PASSWORD)
    guest.get_by_role("button", name="Join Bright Smile Dental").click()
    expect(guest.get_by_role("heading", name="Today")).to_be_visible()

    another_day = visit(None, "/inbox/")
    sign_in(another_day, "nia@example.com")
    expect(another_day).to_have_title(re.compile("Inbox"))
    expect(section(another_day, "Members")).to_have_count(0)
    expect(visit(None, link[1]).get_by_text("This invitation is not good any more")).to_be_visible()


def test_a_member_of_two_organizations_looks_at_one_at_a_time(clinic: Clinic, visit: Visit) -> None:
    other = factories.make_organization("heron-bakery", name="Heron Bakery")
    Member.objects.create(organization=other, user=clinic.admin, role="agent")
    factories.make_inbound(factories.make_conversation(factories.make_channel(other), "Cid Baker"))
    clinic.write("ann", HOURS)
    page = visit(clinic.admin, "/inbox/?queue=all")
    names = page.locator(".inbox-row strong")
    expect(names).to_have_text(["Ann Berg", "Cid Baker"])

    for choice, shown in (
        ("Heron Bakery", ["Cid Baker"]),
        ("Bright Smile Dental", ["Ann Berg"]),
        ("All organizations", ["Ann Berg", "Cid Baker"]),
    ):
        page.locator("#site-name").click()
        page.get_by_role("button", name=choice).click()
        expect(page.get_by_role("heading", name="Today")).to_be_visible()
        chosen = choice if choice != "All organizations" else "channels-hub"
        expect(page.locator("#site-name")).to_have_text(chosen)
        page.goto("/inbox/?queue=all")
        expect(names).to_have_text(shown)


# --- dashboards ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("scheme", "is_phone"), [("light", False), ("dark", True)])
def test_a_dashboard_is_read_in_light_and_dark(
    clinic: Clinic, visit: Visit, scheme: Literal["light", "dark"], is_phone: bool
) -> None:
    for contact in ("ann", "ben"):
        clinic.write(contact, WHITENING)
        clinic.think()
    clinic.write("cid", "Do you repair dentures?")
    clinic.think()
    for hour in tallying.due(timezone.now(), tallying.EVERY_HOUR):
        tallying.count(hour)

    page = visit(clinic.admin, "/dashboard/", scheme=scheme, is_phone=is_phone)
    tiles = page.locator(".hub-kpi")
    expect(tiles.filter(has_text="Messages received")).to_contain_text("3")
    expect(tiles.filter(has_text="Answered")).to_contain_text("66.6 %")
    fits(page)
    page.get_by_role("link", name="24 hours").click()
    expect(page.get_by_role("link", name="24 hours")).to_have_attribute("aria-current", "true")
    chart = page.locator("#chart-outcomes")
    expect(chart.locator(".proof-drawing")).to_be_visible()
    chart.get_by_text("Numbers").click()
    fits(page)
    with page.expect_download() as download:
        chart.get_by_role("link", name="Download as CSV").click()
    assert "answered" in Path(download.value.path()).read_text()
    assert (brightness(page) > 128) == (scheme == "light")


def brightness(page: Page) -> float:
    """Of what a page is written on: 0 is black, 255 white."""
    return page.evaluate("""() => {
        const paper = document.createElement("canvas").getContext("2d");
        paper.fillStyle = getComputedStyle(document.getElementById("main")).backgroundColor;
        paper.fillRect(0, 0, 1, 1);
        return paper.getImageData(0, 0, 1, 1).data.slice(0, 3).reduce((sum, each) => sum + each) / 3;
    }""")
