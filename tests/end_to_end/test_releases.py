"""A deploy from the console: asked for in a browser, followed live, and gone on with after a `kill -9`. Where
it leads is a file (tests/fakes/repository.py); to a real stage tests/infra/deployment/test_on_the_emulator.py
goes."""

import re

import psutil
import pyotp
from playwright.sync_api import expect

from tests.end_to_end.steps import NewPage, open_section, sign_in
from tests.fakes.repository import Repository
from tests.infra.conftest import wait_until
from tests.running_stack import RunningStack

OPS = "releases@example.com"


def test_ops_deploy_and_a_killed_worker_goes_on(
    stack: RunningStack, new_page: NewPage, repository: Repository
) -> None:
    stack.manage("ensure_admin", "--email", OPS, "--organization", "none")
    page = new_page()
    sign_in(page, stack, OPS)
    open_section(page, "Releases")
    page.get_by_role("link", name="Set up a second factor").click()
    secret = re.search(r"[A-Z2-7]{32}", page.content())
    assert secret
    page.get_by_label("Code", exact=True).fill(pyotp.TOTP(secret[0]).now())
    page.get_by_role("button", name="Set up").click()
    page.get_by_role("link", name="I have kept them").click()
    open_section(page, "Releases")
    expect(page.get_by_role("heading", name="trial")).to_be_visible()
    page.get_by_role("button", name="See what changes").click()
    expect(page.get_by_text("The first release").first).to_be_visible()

    repository.hold("update")
    page.get_by_role("button", name=f"Deploy {repository.first[:12]}").click()
    steps = page.locator(".releases-steps li")
    expect(steps.filter(has_text="Update")).to_have_class("is-running")  # nobody reloads the page
    kill(stack)
    repository.hold("")

    expect(page.locator(".releases-state")).to_have_text("Done", timeout=60_000)
    expect(steps.filter(has_text="The worker was stopped in the middle of it.")).to_have_count(1)
    assert repository.state["release"] == repository.first[:12]
    assert [call[0] for call in repository.state["calls"]] == ["deploy", "deploy"]


def kill(stack: RunningStack) -> None:
    """`kill -9` of the worker of deploys, with all that it has started."""
    worker = stack.process("deploys")
    family = [worker, *worker.children(recursive=True)]
    for process in family:
        process.kill()
    wait_until(
        lambda: not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in family)
    )
