"""How long the console's pages take on made-up organizations with a million messages.

    .venv/bin/python -m benchmarks.console [--organizations 200] [--messages 1000000] [--rounds 40]

Fills a database of its own with `seed_demo` (or takes the one at --database, which is filled already), signs
in as the admin of the largest organization, as admins of others and as ops, and asks for pages through
Django's test client: what the server does for a request, without the network. Each page must take the same
number of queries for all members, and for ops. The status is 1 where one does not, or takes longer than the
aim.
"""

import argparse
import os
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.environment import prepare

AIM_P95_MS = 200
OTHERS = 12
"""Admins of other organizations than the largest."""
WORDS = (
    "whitening",
    "booking",
    "invoice address",
    "harbour",
    "2026-1",
    "massage friday",
    "ana",
    "castillo",
    "zzzz",
)


@dataclass(frozen=True)
class Person:
    """Somebody who looks at pages. `slug`: of their organization; "" for ops."""

    name: str
    client: Any
    slug: str
    conversations: Sequence[int] = ()


@dataclass(frozen=True)
class Page:
    """A page: its address for somebody, and who looks at it."""

    name: str
    address: Callable[[Person, random.Random], str]
    is_for_ops: bool = False


@dataclass
class Measured:
    """What was measured of a page."""

    milliseconds: list[float] = field(default_factory=list)
    slowest: str = ""
    queries: dict[bool, set[int]] = field(default_factory=lambda: defaultdict(set))
    """By whether somebody is a member, or ops."""

    def add(self, ms: float, queries: int, person: Person) -> None:
        if ms > max(self.milliseconds, default=0):
            self.slowest = person.name
        self.milliseconds.append(ms)
        self.queries[bool(person.slug)].add(queries)

    @property
    def is_constant(self) -> bool:
        return all(len(counts) == 1 for counts in self.queries.values())


def _of(end: str) -> Callable[[Person, random.Random], str]:
    """The same address for everybody."""
    return lambda person, chance: end


def _organization(page: str, query: str = "") -> Callable[[Person, random.Random], str]:
    def address(person: Person, chance: random.Random) -> str:
        return f"/{page}/organization/{person.slug}/{query}" if person.slug else f"/{page}/{query}"

    return address


def _conversation(end: str = "") -> Callable[[Person, random.Random], str]:
    return lambda person, chance: f"/inbox/{chance.choice(person.conversations)}/{end}"


PAGES = (
    Page("today", _of("/"), is_for_ops=True),
    Page("inbox", _of("/inbox/")),
    Page("inbox, all", _of("/inbox/?queue=all")),
    Page("inbox, polled", _of("/inbox/list/?queue=bot")),
    Page("search", lambda person, chance: f"/inbox/?queue=all&q={chance.choice(WORDS)}"),
    Page("conversation", _conversation()),
    Page("conversation, polled", _conversation("news/")),
    *(Page(f"dashboard, {period}", _organization("dashboard", f"?period={period}"), is_for_ops=True)
      for period in ("7d", "30d", "90d")),
    Page("turns handed over", _organization("proof", "turns/?period=24h&which=handed_over"), is_for_ops=True),
    *(Page(f"proof, {period}", _organization("proof", f"?period={period}"), is_for_ops=True)
      for period in ("24h", "7d")),
)  # fmt: skip


def people(chance: random.Random) -> list[Person]:
    """The admin of the largest organization, some others, and ops."""
    from console.conversations.models import Conversation
    from console.organizations.models import Member, Organization, User

    seeded = Organization.objects.filter(slug__startswith="seed-").order_by("slug")
    slugs = list(seeded.values_list("slug", flat=True))
    chosen = [slugs[0], *chance.sample(slugs[1:], min(OTHERS, len(slugs) - 1))]
    found = []
    for slug in chosen:
        admin = Member.objects.select_related("user").get(organization__slug=slug, role="admin").user
        keys = Conversation.objects.filter(organization__slug=slug, last_message_at__isnull=False)
        found.append(Person(slug, _signed_in(admin), slug, list(keys.values_list("pk", flat=True)[:500])))
    ops, _ = User.objects.get_or_create(email="ops@seed.example", defaults={"is_ops": True})
    return [*found, Person("ops", _signed_in(ops), "")]


def _signed_in(user: Any) -> Any:
    from django.test import Client

    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    return client


def measure(page: Page, everybody: Sequence[Person], rounds: int, chance: random.Random) -> Measured:
    """Ask for a page in turn as everybody whom it is for; the largest organization's every other time."""
    from django.db import connection, reset_queries
    from django.test.utils import CaptureQueriesContext

    members = [person for person in everybody if person.slug]
    ops = [person for person in everybody if not person.slug] if page.is_for_ops else []
    found = Measured()
    for number in range(-2, rounds):
        for person in (members[0] if number % 2 else chance.choice(members), *ops):
            address = page.address(person, chance)
            reset_queries()
            began = time.perf_counter()
            with CaptureQueriesContext(connection) as queries:
                response = person.client.get(address)
            ms = (time.perf_counter() - began) * 1000
            if response.status_code != 200:
                raise RuntimeError(f"{address} answered {response.status_code} to {person.name}")
            read = [query for query in queries if query["sql"].startswith(("SELECT", " WITH", "WITH"))]
            if number >= 0:  # the first ones compile templates
                found.add(ms, len(read), person)
    return found


def fill(organizations: int, messages: int) -> None:
    """A database of the benchmark's own."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("seed_demo", organizations=organizations, messages=messages)


def report(results: Sequence[tuple[Page, Measured]]) -> bool:
    """Print the table; whether all is as it should be."""
    is_well = True
    print(f"{'ms':<26}{'p50':>8}{'p95':>8}{'most':>8}  {'queries':<10} slowest for")
    for page, found in results:
        times = sorted(found.milliseconds)
        p95 = statistics.quantiles(times, n=20)[-1] if len(times) > 1 else times[0]
        said = ", ".join(map(str, sorted(set().union(*found.queries.values()))))
        figures = f"{statistics.median(times):>8.0f}{p95:>8.0f}{times[-1]:>8.0f}"
        print(f"{page.name:<26}{figures}  {said:<10} {found.slowest}")
        is_well &= found.is_constant and p95 <= AIM_P95_MS
    print(f"{'aim, at most':<26}{'':>8}{AIM_P95_MS:>8}")
    return is_well


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--organizations", type=int, default=200)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=40, help="requests of each page")
    parser.add_argument("--pages", default="", help="only those whose name begins so")
    parser.add_argument("--database", default="", help="one that seed_demo has filled")
    arguments = parser.parse_args()
    if arguments.database:
        os.environ["DATABASE_URL"] = arguments.database
    else:
        prepare()
    os.environ["DJANGO_SETTINGS_MODULE"] = "console.settings.console"
    import django

    django.setup()
    if not arguments.database:
        fill(arguments.organizations, arguments.messages)
    chance = random.Random(1)  # noqa: S311 - which pages to ask for
    everybody = people(chance)
    pages = [page for page in PAGES if page.name.startswith(arguments.pages)]
    results = [(page, measure(page, everybody, arguments.rounds, chance)) for page in pages]
    sys.exit(0 if report(results) else 1)


if __name__ == "__main__":
    main()
