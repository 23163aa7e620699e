"""Ops: the second factor, how the platform is (docs/health.md), releases, the audit log, and what they do not
see (docs/access.md)."""

import re
from typing import Any

import pyotp
from playwright.sync_api import expect
from pytest_django import Settings

from console.deployments import jobs
from console.deployments.models import Deploy
from console.operations import cloudwatch
from console.operations.views import LOOK_AGAIN_MS
from tests.console.browser.steps import Visit, section, sign_in, wait
from tests.console.conftest import World
from tests.console.test_operations import make_well
from tests.fakes.cloudwatch import FakeCloudWatch
from tests.fakes.repository import Repository
from tests.fakes.sqs import FakeSqs

LOOK_AGAIN_SECONDS = LOOK_AGAIN_MS / 1000


def test_nobody_of_ops_is_in_without_a_second_factor(world: World, visit: Visit, settings: Settings) -> None:
    settings.SECOND_FACTOR = "ops"
    page = visit(None, "/audit/change/")
    sign_in(page, world.ops.email)
    expect(page.get_by_text("Your account needs a second factor.")).to_be_visible()
    page.goto("/audit/change/")  # every page leads there
    code = page.get_by_label("Code", exact=True)
    code.fill("000000")
    page.get_by_role("button", name="Set up").click()
    expect(page.get_by_role("alert")).to_contain_text("This code is not right")
    secret = page.locator("code").inner_text()
    code.fill(pyotp.TOTP(secret).now())
    page.get_by_role("button", name="Set up").click()
    kept = page.locator(".hub-codes code")
    expect(kept).to_have_count(10)
    recovery_code = kept.first.inner_text()
    page.get_by_role("link", name="I have kept them").click()
    expect(page).to_have_url(re.compile("/audit/change/$"))

    another_day = visit(None, "/audit/change/")
    sign_in(another_day, world.ops.email)
    another_day.get_by_label("Code").fill(recovery_code)
    another_day.get_by_role("button", name="Continue").click()
    expect(another_day).to_have_url(re.compile("/audit/change/$"))
    expect(another_day.locator("#result_list")).to_contain_text("second factor")


def test_the_health_page_says_what_is_wrong_and_looks_again_by_itself(
    world: World, visit: Visit, watch: FakeCloudWatch, sqs: FakeSqs
) -> None:
    page = visit(world.ops)
    section(page, "Health").click()
    verdict = page.locator(".ops-verdict")
    expect(verdict).to_contain_text("The sweep has not run in the last hour.")
    expect(verdict).to_contain_text("No LLM box reports. Turns go to staff until one does")
    make_well(watch)
    cloudwatch.forget()  # its answer is kept for half a minute
    wait(page, LOOK_AGAIN_SECONDS + 1)
    expect(verdict).to_contain_text("All is well")
    expect(page.get_by_text("8 of 16 taken")).to_be_visible()


def test_a_release_is_read_and_asked_for(
    world: World, visit: Visit, repository: Repository, queued: list[Any]
) -> None:
    last = repository.commit("Labels", "console/inbox/migrations/0009_labels.py")
    repository.set(release=repository.first[:12])
    page = visit(world.ops)
    section(page, "Releases").click()
    page.get_by_role("button", name="Look again").click()
    expect(page.get_by_text("The worker looks since")).to_be_visible()
    jobs.look_at_releases()
    wait(page, 3)
    expect(page.get_by_role("heading", name="trial")).to_be_visible()
    expect(page.get_by_text("The first release").first).to_be_visible()

    page.get_by_role("button", name="See what changes").click()
    expect(page.get_by_text("inbox 0009_labels")).to_be_visible()
    page.get_by_role("button", name=f"Deploy {last[:12]}").click()
    state = page.locator(".releases-state")
    expect(state).to_have_text("Waiting")
    assert queued == ["look", Deploy.objects.get().pk]
    page.get_by_role("button", name="Cancel").click()
    expect(state).to_have_text("Cancelled")
    expect(page.get_by_text("Cancelled by")).to_be_visible()
    page.get_by_role("link", name="All stages and the history").click()
    expect(page.locator(".releases-history")).to_contain_text(world.ops.email)


def test_ops_find_no_text_of_a_conversation(
    world: World, visit: Visit, watch: FakeCloudWatch, sqs: FakeSqs
) -> None:
    page = visit(world.ops)
    expect(section(page, "Inbox")).to_have_count(0)
    links = [link.get_attribute("href") or "" for link in page.locator("#nav-sidebar-apps a").all()]
    named = [f"/{page}/organization/zebra-clinic/" for page in ("dashboard", "proof")]
    assert "/health/" in links
    seen = ""
    for address in (*links, *named):
        page.goto(address)
        seen += page.content()
    assert "Zebra Clinic" in seen
    assert [marker for marker in world.text_markers if marker in seen] == []
    for closed in (f"/inbox/{world.conversation.pk}/", "/workshop/zebra-clinic/"):
        answer = page.goto(closed)
        assert answer is not None
        assert answer.status == 404


def test_what_ops_do_to_an_account_is_in_the_audit_log_of_its_organization_too(
    world: World, visit: Visit
) -> None:
    page = visit(world.ops)
    section(page, "Users").click()
    page.get_by_role("link", name=world.agent.email).click()
    page.get_by_role("button", name="Save and make a new password").click()
    expect(page.get_by_text("It is shown this once.")).to_be_visible()
    password = page.locator("#one-time-password").inner_text()
    section(page, "Audit log").click()
    for log in (page, visit(world.admin, "/audit/change/")):
        line = log.locator("#result_list tbody tr").first
        expect(line).to_contain_text(world.ops.email)
        expect(line).to_contain_text(world.agent.email)
        expect(line).to_contain_text("•••")
    agent = visit(None, "/inbox/")
    sign_in(agent, world.agent.email, password)
    expect(agent).to_have_title(re.compile("Inbox"))
