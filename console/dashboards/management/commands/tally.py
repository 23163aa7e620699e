"""Counts every hour of the ledger into the tally that dashboards read.

    manage.py tally

The sweep does the same, 48 hours of the past a minute; it is needed only where nobody wants to wait for that.
"""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from console.dashboards import tallying

SAID_EVERY = 240


class Command(BaseCommand):
    help = "Count every hour of the ledger for the dashboards, now."

    def handle(self, *args: Any, **options: Any) -> None:
        hours = tallying.due(timezone.now(), tallying.EVERY_HOUR)
        for number, hour in enumerate(hours, start=1):
            tallying.count(hour)
            if number % SAID_EVERY == 0:
                self.stderr.write(f"{number:,} of {len(hours):,} hours, back to {hour:%Y-%m-%d %H:%M} UTC")
        self.stdout.write(f"{len(hours):,} hours counted.")
