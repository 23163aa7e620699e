"""`manage.py ledger`: what the ledger says in numbers."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from console.conversations.report import (
    HOPS,
    MEASURES,
    DeadLetters,
    Numbers,
    Percentiles,
    Report,
    Scope,
    dead_letters,
    report,
)
from console.organizations.models import Organization

OUTCOMES = ("turns", "answered", "handed_over", "declined")
PROMISES = ("overdue", "held", "duplicates", "unknown_deliveries")
TIMES = tuple(name for name in MEASURES if name not in ("reply", *HOPS))


class Command(BaseCommand):
    help = "Turns by outcome, what must be 0, and times (p50, p95, p99)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organization", metavar="SLUG", help="only this organization")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        slug = options["organization"]
        organizations = Organization.objects.filter(slug=slug) if slug else Organization.objects.all()
        if slug and not organizations:
            raise CommandError(f"There is no organization {slug!r}.")
        scope = Scope(list(organizations.values_list("pk", flat=True)), is_platform=not slug)
        found, letters = report(scope), dead_letters(scope)
        if options["json"]:
            self.stdout.write(json.dumps(_json(found, letters), indent=2))
        else:
            self.stdout.write(_table(found.total, letters))


def _json(found: Report, letters: DeadLetters) -> dict[str, Any]:
    numbers = found.total
    return {
        **numbers.counts,
        "oldest_open_seconds": numbers.oldest_open_seconds,
        "in_time_percent": numbers.in_time_percent,
        "dead_letters": letters.stored,
        "dead_letters_waiting": letters.waiting,
        "reasons": {outcome: dict(counted) for outcome, counted in found.reasons.items()},
        "latency_ms": {
            **numbers.ms["reply"],
            **{name: numbers.ms[name] for name in TIMES},
            "hops": {name: numbers.ms[name] for name in HOPS},
        },
    }


def _table(numbers: Numbers, letters: DeadLetters) -> str:
    counts = numbers.counts
    oldest = "" if numbers.oldest_open_seconds is None else f"  (oldest {numbers.oldest_open_seconds} s)"
    lines = [
        *(_count_line(name, counts[name]) for name in OUTCOMES),
        _count_line("open", counts["open"]) + oldest,
        *(_count_line(name, counts[name]) for name in PROMISES),
        _count_line("dead_letters", letters.stored) + f"  ({letters.waiting} waiting)",
        "",
        f"{'milliseconds':<24}{'p50':>8}{'p95':>8}{'p99':>8}",
        *(_time_line(name, numbers.ms[name]) for name in ("reply", *TIMES)),
        *(_time_line(f"  {name}", numbers.ms[name]) for name in HOPS),
    ]
    return "\n".join(lines)


def _count_line(name: str, count: int) -> str:
    return f"{name.replace('_', ' '):<24}{count:>8}"


def _time_line(name: str, percentiles: Percentiles) -> str:
    values = "".join(f"{'-' if value is None else value:>8}" for value in percentiles.values())
    return f"{name.replace('_', ' '):<24}{values}"
