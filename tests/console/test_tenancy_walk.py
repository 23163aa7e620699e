"""Nobody sees into an organization that is not theirs: every view, tried by everybody who might.

Members of another organization must get the very same answers whether the organization is there or not.
"""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from django.contrib import admin
from django.core.handlers import wsgi
from django.db import connection, transaction
from django.http import QueryDict
from django.test import Client
from django.utils import timezone

from console.conversations.models import Contact, Turn
from console.inbox.models import Draft, Suggestion
from console.organizations.models import Organization, User
from console.prompts import drafts
from console.protection.models import Erasure, Purge
from console.roles import TABLE
from console.signin import second_factor
from console.workshop.models import Case, CaseRun
from console.workshop.page import digest
from tests import factories
from tests.console import walk
from tests.console.conftest import World, make_letter, signed_in, text
from tests.fakes.sqs import FakeSqs

TIMES = ("Expires", "Last-Modified")
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
_VARYING = re.compile(
    r'(?<=name="csrfmiddlewaretoken" value=")\w+|csrftoken=\w+|sessionid=\w+'
    r"|(?<=results in )\d+\.\d\d(?= seconds)"  # the search's own time, which Unfold prints
)


@dataclass(frozen=True, eq=False)
class Visit:
    """A request: the body of a POST, None for a GET."""

    address: str
    data: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        method = "GET" if self.data is None else "POST"
        return f"{method} {self.address} {(self.data or {}).get('action', '')}"


@pytest.fixture
def people(world: World, sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch) -> dict[str, User | None]:
    """Everybody who has no business in the organization, while the clock stands still."""
    text = '{"text": "zebra letter text"}'
    turn = world.conversation.turns.get()
    make_letter(world.organization, body=text, cause="ValueError: zebra cause", turn=turn)
    make_letter(world.other)
    with drafts.editing(world.organization, world.admin) as draft:
        draft.instructions = "zebra prompt text, in a draft"
    for user in (world.outsider, world.outside_agent):
        second_factor.begin(user)  # its page has a key, which is to be the same on each visit
    former = factories.make_member(world.organization, "admin", email="former-admin@example.com")
    former.memberships.get().delete()
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    return {
        "anonymous": None,
        "former_member": former,
        "outside_admin": world.outsider,
        "outside_agent": world.outside_agent,
        "ops": world.ops,
    }


def visits(organization: Organization) -> list[Visit]:
    """Every request to every view that names a row of `organization`."""
    found: list[Visit] = []
    for address in walk.addresses(organization):
        found += [Visit(address), Visit(address, _harm(organization))]
    for model, model_admin in admin.site._registry.items():
        listing = f"/{model._meta.app_label}/{model._meta.model_name}/"
        selected = {
            "_selected_action": [walk.row_of(model, organization).pk],
            "post": "yes",
            "confirmed": "yes",
        }
        found += [Visit(listing, {"action": name, **selected}) for name in walk.actions(model_admin)]
        change = f"{listing}{walk.row_of(model, organization).pk}/change/"
        found += [
            Visit(change, {**_harm(organization), name: "1"}) for name in walk.submit_names(model_admin)
        ]
    return found


def questions(organization: Organization) -> list[Visit]:
    """Every list, asked for rows of `organization`. One code path serves all roles: two of them ask."""
    return [
        Visit(f"/{model._meta.app_label}/{model._meta.model_name}/?{query}")
        for model, model_admin in admin.site._registry.items()
        for query in walk.queries(model_admin, organization)
    ]


def _harm(organization: Organization) -> dict[str, Any]:
    """What somebody might send to do harm."""
    return {
        "post": "yes",
        "confirmed": "yes",
        "organization": organization.pk,
        "name": "taken over",
        "email": "intruder@example.com",
        "role": "admin",
        "question": "taken over",
        "answer": "taken over",
        "instructions": "taken over",
        "text": "taken over",
        "format": "csv",
        "is_active": "on",
        "revision": 1,
        "seen": digest("zebra prompt text, in a draft"),
    }


def _furnish(world: World) -> None:
    """Give the other organization a row for every page of its own, and this one a reply of staff."""
    factories.make_outbound(world.conversation, "zebra staff reply", purpose="staff", author=world.agent)
    turn = Turn.objects.get(organization=world.other)
    channel = turn.conversation.contact.channel
    Suggestion.objects.create(turn=turn, text="heron suggestion")
    Draft.objects.create(turn=turn, request=turn.requests.get())
    case = Case.objects.create(organization=world.other, question="heron case question")
    run = CaseRun.objects.create(organization=world.other, state=CaseRun.State.DONE)
    factories.make_rehearsal(world.other, "heron rehearsal question")
    factories.make_rehearsal(world.other, case.question, text="heron case answer", run=run, case=case)
    gone = Contact.objects.create(channel=channel, platform_id="erased-1", erased_at=NOW)
    Erasure.objects.create(organization=world.other, contact=gone, state=Erasure.State.DONE)
    Purge.objects.create(organization=world.other, began_at=NOW)


class Noted(QueryDict):
    """A query that notes by which names it is read."""

    names: ClassVar[set[str]] = set()

    def __getitem__(self, key: str) -> Any:
        self.names.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self.names.add(str(key))
        return super().__contains__(key)


def _asked_for(visitor: "Visitor", address: str, organization: Organization) -> list[Visit]:
    """A page, asked for rows of `organization` by every name that it reads: each alone, and all at once, as
    long as that has it read more."""
    found: dict[str, Visit] = {}
    known: dict[str, Any] = {}
    start = f"{address}{'&' if '?' in address else '?'}"
    while True:
        Noted.names.clear()
        visitor.answer(Visit(start + urlencode(known)))
        read = walk.query(Noted.names, organization)
        if read.keys() <= known.keys():
            return list(found.values())
        known |= read
        for query in [*({name: value} for name, value in read.items()), known]:
            found[start + urlencode(query)] = Visit(start + urlencode(query))


class Visitor:
    """A browser whose visits leave no trace: each is rolled back."""

    def __init__(self, user: User | None) -> None:
        self.client = Client() if user is None else signed_in(user)
        self.cookies = self.client.cookies.copy()
        self.has_written = False

    def answer(self, visit: Visit, untouched: "Untouched | None" = None) -> str:
        """All that the visitor is told: status, headers, body, messages."""
        self.client.cookies = self.cookies.copy()
        self.has_written = False
        with transaction.atomic(), connection.execute_wrapper(self._notice_writes):
            send = self.client.get if visit.data is None else self.client.post
            response: Any = send(visit.address, visit.data)
            messages = self.client.session.get("_messages", "")
            if self.has_written and untouched is not None:
                untouched.check(visit)
            transaction.set_rollback(True)
        assert response.status_code < 500, visit
        headers = {name: value for name, value in response.headers.items() if name not in TIMES}
        said = f"{response.status_code} {headers} {messages} {text(response)}"
        return _VARYING.sub("", said)

    def _notice_writes(self, execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        is_write = str(sql).startswith(("INSERT", "UPDATE", "DELETE"))
        self.has_written |= is_write and '"signin_session"' not in str(sql)
        return execute(sql, params, many, context)


class Untouched:
    """The rows of an organization, which nobody may change."""

    def __init__(self, organization: Organization) -> None:
        self.organization = organization
        self.before = self._rows()

    def check(self, visit: Visit) -> None:
        assert self._rows() == self.before, f"{visit} changes what is not theirs"

    def _rows(self) -> list[Any]:
        return [list(walk.rows_of(model, self.organization).values()) for model in walk.tenant_models()]


def _erase(organization: Organization) -> None:
    """Make it as if it had never been there. Foreign keys are checked at the end, which never comes."""
    doomed = {
        model: list(walk.rows_of(model, organization).values_list("pk", flat=True))
        for model in walk.tenant_models()
    }
    for model, keys in doomed.items():
        model._default_manager.filter(pk__in=keys)._raw_delete("default")  # type: ignore[attr-defined]


def test_nothing_of_another_organization(
    world: World, people: dict[str, User | None], capsys: pytest.CaptureFixture[str]
) -> None:
    tried, asked = visits(world.organization), questions(world.organization)
    visitors = {who: Visitor(user) for who, user in people.items()}
    untouched = Untouched(world.organization)
    answers: dict[tuple[str, Visit], str] = {}
    for who, visitor in visitors.items():
        is_ops = who == "ops"
        markers = [*world.text_markers, *world.secret_markers, *(() if is_ops else world.settings_markers)]
        for visit in [*tried, *(asked if who in ("outside_admin", "ops") else ())]:
            said = visitor.answer(visit, None if is_ops else untouched)
            leaks = [marker for marker in markers if marker in said]
            assert not leaks, f"{who} sees {leaks} at {visit}"
            answers[who, visit] = said
    _erase(world.organization)
    for visit in [*tried, *asked]:
        said = visitors["outside_admin"].answer(visit)
        assert said == answers["outside_admin", visit], f"one can tell at {visit}"
    with capsys.disabled():
        said = f"{len(set(walk.routes()))} views, {len(answers)} pairs of request and role"
        sys.stderr.write(f"\n{said}\n")


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Queries of addresses note by which names they are read."""
    monkeypatch.setattr(wsgi, "QueryDict", Noted)


@pytest.mark.parametrize("who", ["outside_admin", "outside_agent", "ops"])
def test_nothing_by_a_query_that_names_what_is_anothers(
    who: str, world: World, people: dict[str, User | None], noted: None
) -> None:
    """Whoever asks their own pages for another organization's rows and words gets none of them, and the
    same answer as if they were not there."""
    _furnish(world)
    visitor = Visitor(people[who])
    tried = [
        visit
        for address in walk.addresses(world.other)
        for visit in _asked_for(visitor, address, world.organization)
    ]
    names = {name for visit in tried for name, _ in parse_qsl(urlsplit(visit.address).query)}
    assert {"channel", "chart", "period"} <= names
    is_ops = who == "ops"
    assert is_ops or {"q", "label", "found", "turn", "reply", "to"} <= names
    markers = [*world.text_markers, "zebra staff reply", *world.secret_markers]
    markers += [] if is_ops else world.settings_markers
    untouched = Untouched(world.organization)
    answers = {visit: visitor.answer(visit, None if is_ops else untouched) for visit in tried}
    for visit, said in answers.items():
        leaks = [marker for marker in markers if marker in said]
        assert not leaks, f"{who} sees {leaks} at {visit}"
    if not is_ops:
        _erase(world.organization)
        for visit, said in answers.items():
            assert visitor.answer(visit) == said, f"one can tell at {visit}"


def test_the_queries_would_find(world: World, people: dict[str, User | None], noted: None) -> None:
    """What names a row shows it to whoever may see it."""
    _furnish(world)
    visitor, own = Visitor(world.admin), world.organization
    found = {
        f"/inbox/?{urlencode(walk.query(['q', 'queue'], own))}": "zebra staff reply",
        f"/inbox/list/?{urlencode(walk.query(['label', 'queue'], own))}": "Zebra Contact",
        f"/workshop/zebra-clinic/cases/add/?{urlencode(walk.query(['turn'], own))}": "zebra message text",
        f"/workshop/zebra-clinic/canned/add/?{urlencode(walk.query(['reply'], own))}": "zebra staff reply",
    }
    for address, marker in found.items():
        assert marker in visitor.answer(Visit(address)), address


def test_a_name_in_a_query_that_nobody_has_explained_ends_the_walk(world: World) -> None:
    with pytest.raises(walk.UnknownView, match="Say in QUERY what a page may be asked by these: secret_id"):
        walk.query(["q", "secret_id"], world.organization)


def test_the_walk_would_notice(world: World, people: dict[str, User | None]) -> None:
    """The organization's own admin sees every marker but the secrets: they are there to be found."""
    visitor = Visitor(world.admin)
    said = "".join(visitor.answer(Visit(address)) for address in walk.addresses(world.organization))
    for marker in (*world.settings_markers, *world.text_markers):
        assert marker in said, marker
    for marker in world.secret_markers:
        assert marker not in said


def test_a_view_that_nobody_has_explained_ends_the_walk(world: World) -> None:
    with pytest.raises(walk.UnknownView, match="say in PARAMETERS what secret_id is"):
        walk.addresses_of("inbox/<int:secret_id>/", world.organization)


def test_visitors_get_nothing_but_the_sign_in_page(world: World, people: dict[str, User | None]) -> None:
    visitor = Visitor(None)
    for address in walk.addresses(world.organization):
        if address not in walk.OPEN_TO_ALL:
            said = visitor.answer(Visit(address))
            assert said.startswith("404") or re.match(r"302 .*'Location': '/(login/\?next=|no-such)", said), (
                said
            )


@pytest.mark.parametrize("role", ["admin", "agent", "ops"])
def test_pages_follow_the_table(role: str, world: World, people: dict[str, User | None]) -> None:
    """What a role has no verb for is closed, and what it may view is open."""
    visitor = Visitor(getattr(world, role))
    for model in admin.site._registry:
        name = f"{model._meta.app_label}.{model._meta.model_name}"
        admins, agents, ops, platform = TABLE[name]
        verbs = {"admin": admins, "agent": agents, "ops": f"{ops} {platform}"}[role].split()
        base = f"/{name.replace('.', '/')}/"
        key = walk.row_of(model, world.organization).pk
        pages = {"view": base, "add": f"{base}add/", "delete": f"{base}{key}/delete/"}
        for verb, address in pages.items():
            status = visitor.answer(Visit(address))[:3]
            assert verb in verbs or status in ("302", "403", "404"), address
        if "view" in verbs:
            assert visitor.answer(Visit(base))[:3] in ("200", "302"), base


@pytest.mark.parametrize("role", ["admin", "agent", "ops"])
def test_no_link_leads_to_a_closed_door(role: str, world: World, people: dict[str, User | None]) -> None:
    visitor = Visitor(getattr(world, role))
    own = [f"/{model._meta.app_label}/{model._meta.model_name}/" for model in admin.site._registry]
    conversation = f"/conversations/conversation/{world.conversation.pk}/change/"
    pages = [visitor.answer(Visit(address)) for address in ["/", "/proof/", conversation, *own]]
    found = {unescape(link).split("#")[0] for page in pages for link in re.findall(r'href="(/[^"]*)"', page)}
    one_of_each = {link.split("?")[0]: link for link in sorted(found)}
    for link in one_of_each.values():
        if not link.startswith("/static/"):
            assert visitor.answer(Visit(link))[:3] in ("200", "302"), f"{role} is shown {link}"
