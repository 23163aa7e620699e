"""Fills an empty database with made-up organizations and the conversations of months.

    manage.py seed_demo --organizations 200 --messages 1000000 [--days 90] [--seed 1] [--password WORDS]

The largest organization has most, the second half as much, the third a third. What is made depends on the
seed and on when the newest message comes (now, or --until). With --password every account signs in with it:
admin@seed-0001.example is the admin of the largest. Refuses where there are organizations, unless --force.
"""

import time
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from console.conversations.seeding.people import PREFIX
from console.conversations.seeding.seeding import Plan, seed
from console.dashboards import tallying
from console.organizations.models import Organization

BAR = 30


class Command(BaseCommand):
    help = "Fill an empty database with made-up organizations and conversations."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organizations", type=int, default=200)
        parser.add_argument("--messages", type=int, default=1_000_000)
        parser.add_argument("--days", type=int, default=90, help="how far back the messages go")
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument(
            "--until", help="when the newest message comes, like 2026-11-30T12:00; now without it"
        )
        parser.add_argument("--password", default="", help="of every account; without it none can sign in")
        parser.add_argument("--force", action="store_true", help="also where there is real data")

    def handle(self, *args: Any, **options: Any) -> None:
        if min(options["organizations"], options["messages"], options["days"]) < 1:
            raise CommandError("--organizations, --messages and --days must be 1 or more.")
        self._refuse_real_data(options["force"])
        self.began = self.shown = time.monotonic()
        plan = Plan(
            organizations=options["organizations"],
            messages=options["messages"],
            days=options["days"],
            seed=options["seed"],
            until=_until(options["until"]),
            password=options["password"],
        )
        messages = seed(plan, self._say)
        self._count()
        took = time.monotonic() - self.began
        self.stdout.write(f"{plan.organizations:,} organizations, {messages:,} messages in {took:.0f} s.")

    def _refuse_real_data(self, is_forced: bool) -> None:
        if Organization.objects.filter(slug__startswith=PREFIX).exists():
            raise CommandError("There are made-up organizations already: start with an empty database.")
        if Organization.objects.exists() and not is_forced:
            raise CommandError(
                "This database has organizations in it. Take an empty one, or say --force to have made-up "
                "ones beside them."
            )

    def _count(self) -> None:
        hours = tallying.due(timezone.now(), tallying.EVERY_HOUR)
        for number, hour in enumerate(hours, start=1):
            tallying.count(hour)
            self._say("hours counted", number, len(hours))

    def _say(self, what: str, done: int, of: int) -> None:
        """One line that changes on a terminal; in a log, a line every few seconds."""
        now, is_terminal = time.monotonic(), self.stderr.isatty()
        if not is_terminal and done < of and now < self.shown + 5:
            return
        self.shown = now
        filled = BAR * done // of
        bar = f"[{'#' * filled}{'.' * (BAR - filled)}] {done:,} of {of:,} {what}, {now - self.began:.0f} s"
        self.stderr.write(
            f"\r{bar:<79}" if is_terminal else bar, ending="" if is_terminal and done < of else "\n"
        )


def _until(said: str | None) -> datetime:
    if not said:
        return timezone.now()
    try:
        at = datetime.fromisoformat(said)
    except ValueError:
        raise CommandError("Write --until as 2026-11-30T12:00, in UTC.") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
