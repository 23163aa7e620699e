"""`manage.py ledger`: what the ledger says in numbers."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from console.conversations.report import HOPS, Percentiles, Report, report
from console.organizations.models import Organization


class Command(BaseCommand):
    help = "Turns by outcome, open turns and their age, duplicates, and latencies (p50, p95, p99)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organization", metavar="SLUG", help="only this organization")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        organizations = Organization.objects.all()
        if slug := options["organization"]:
            organizations = organizations.filter(slug=slug)
            if not organizations:
                raise CommandError(f"There is no organization {slug!r}.")
        found = report(list(organizations.values_list("pk", flat=True)))
        self.stdout.write(json.dumps(found.as_json(), indent=2) if options["json"] else _table(found))


def _table(found: Report) -> str:
    oldest = "" if found.oldest_open_seconds is None else f"  (oldest {found.oldest_open_seconds} s)"
    lines = [
        f"{'turns':<14}{found.turns:>8}",
        f"{'answered':<14}{found.answered:>8}",
        f"{'handed over':<14}{found.handed_over:>8}",
        f"{'declined':<14}{found.declined:>8}",
        f"{'open':<14}{found.open:>8}{oldest}",
        f"{'duplicates':<14}{found.duplicates:>8}",
        f"{'dead letters':<14}{found.dead_letters:>8}",
        "",
        f"{'milliseconds':<14}{'p50':>8}{'p95':>8}{'p99':>8}",
        _latency_line("reply", found.reply_ms),
        *(_latency_line(f"  {name}", found.hops_ms[name]) for name in HOPS),
    ]
    return "\n".join(lines)


def _latency_line(name: str, percentiles: Percentiles) -> str:
    values = "".join(f"{'-' if value is None else value:>8}" for value in percentiles.values())
    return f"{name.replace('_', ' '):<14}{values}"
