"""The main pages, read by axe-core in a browser: nothing in them keeps somebody out.

axe finds what is labelled badly, has too little contrast, or cannot be reached by keyboard or said aloud.
Light pages are read in English, dark ones in Spanish, whose words are longer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from console.operations import cloudwatch
from console.workshop.models import CaseRun
from tests import factories
from tests.chromium import chromium
from tests.console.conftest import World, cookies, make_letter, signed_in, with_factor
from tests.console.test_languages import make_deploy
from tests.fakes.cloudwatch import FakeCloudWatch
from tests.fakes.sqs import FakeSqs

SERIOUS = ("serious", "critical")


@dataclass(frozen=True)
class Visit:
    """Somebody who looks at some pages."""

    language: str
    scheme: Literal["light", "dark"]
    cookies: Sequence[Any]
    addresses: Sequence[str]


def visits(world: World, server: LiveServer) -> Iterator[Visit]:
    """Everybody, in both languages."""
    letter = make_letter(world.organization, turn=world.conversation.turns.get())
    factories.make_canned_prompt(world.organization, "Where is the zebra?")
    own = f"{world.organization.pk}/change/"
    admins = [
        *("/", "/preferences/", "/sessions/", "/audit/change/", "/protection/erasure/", "/protection/purge/"),
        *("/inbox/?queue=all", f"/inbox/{world.conversation.pk}/?queue=all"),
        *("/dashboard/organization/zebra-clinic/", "/proof/organization/zebra-clinic/"),
        *(
            f"/workshop/zebra-clinic/{page}"
            for page in ("", "playground/", "cases/", "unanswered/", "publish/")
        ),
        f"/workshop/zebra-clinic/cases/run/{CaseRun.objects.get(organization=world.organization).pk}/",
        "/retirement/zebra-clinic/",
        *(f"/organizations/organization/{own}", "/organizations/member/", "/organizations/invitation/"),
        *(f"/channels/channel/{page}" for page in ("", "add/", f"{world.channel.pk}/change/")),
        f"/conversations/deadletter/{letter.pk}/change/",
    ]
    make_deploy()
    ops = ["/health/", "/capacity/", "/releases/", "/releases/deploys/1/", "/organizations/user/"]
    yield Visit("en", "light", [], ["/login/"])
    yield Visit("en", "light", cookies(signed_in(world.admin), server.url), admins)
    yield Visit("en", "light", cookies(with_factor(world.ops), server.url), ops)
    admin = factories.make_member(world.organization, language="es")
    yield Visit("es", "dark", [], ["/login/"])
    yield Visit("es", "dark", cookies(signed_in(admin), server.url), admins)
    other = factories.make_user(is_ops=True, language="es")
    yield Visit("es", "dark", cookies(with_factor(other), server.url), ops)


def test_nothing_keeps_anybody_out(
    live_server: LiveServer, world: World, sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloudwatch.forget()
    monkeypatch.setattr(cloudwatch, "client", FakeCloudWatch)
    everybody = list(
        visits(world, live_server)
    )  # before the browser's loop, which the database does not like
    with chromium() as browser:
        found = {line for visit in everybody for line in _violations(browser, live_server.url, visit)}
    assert not found, "\n".join(sorted(found))


def _violations(browser: Browser, base: str, visit: Visit) -> Iterator[str]:
    context = browser.new_context(
        color_scheme=visit.scheme, locale=visit.language, reduced_motion="reduce", base_url=base
    )
    context.add_cookies(list(visit.cookies))
    page = context.new_page()
    for address in visit.addresses:
        answer = page.goto(address)
        assert answer is not None
        assert answer.ok, address
        assert page.locator("html").get_attribute("lang") == visit.language, address
        yield from (f"{address} {visit.scheme}: {each}" for each in _said(page))
    context.close()


def _said(page: Page) -> Iterator[str]:
    for violation in Axe().run(page).response["violations"]:
        if violation["impact"] in SERIOUS:
            for node in violation["nodes"]:
                yield f"{violation['id']}: {node['html'][:160]} {node['failureSummary'][:240]}"
