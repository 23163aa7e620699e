"""`manage.py purge`: delete what organizations have kept long enough, now and not at night."""

from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from console.organizations.models import Organization
from console.protection import jobs, purging, retention
from console.protection.models import Purge
from console.single_run import single_run

BAR_WIDTH = 30


class Command(BaseCommand):
    help = (
        "Delete what is older than its organization keeps: messages, files, contacts, dead letters, exports."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organization", metavar="SLUG", help="only this organization")
        parser.add_argument("--dry-run", action="store_true", help="say what would go, and delete nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        for organization in self._organizations(options["organization"]):
            old = retention.expired(organization, timezone.now())
            if old is None:
                self.stdout.write(f"{organization.slug}: keeps everything")
            elif options["dry_run"]:
                self.stdout.write(f"{organization.slug}: would delete {_said(retention.count(old))}")
            else:
                self._purge(organization)

    def _organizations(self, slug: str | None) -> list[Organization]:
        found = Organization.objects.filter(slug=slug) if slug else Organization.objects.order_by("slug")
        if slug and not found:
            raise CommandError(f"There is no organization {slug!r}.")
        return list(found)

    def _purge(self, organization: Organization) -> None:
        with single_run(jobs.PURGE_LOCK, organization.pk) as is_alone:
            if not is_alone:
                self.stdout.write(f"{organization.slug}: is being purged already")
                return
            purge = purging.run(organization, self._show)
        end = "\r\x1b[K" if self.stdout.isatty() else ""
        self.stdout.write(f"{end}{organization.slug}: deleted {_said(purge.deleted if purge else {})}")

    def _show(self, purge: Purge) -> None:
        if self.stdout.isatty():
            filled = BAR_WIDTH * purge.percent // 100
            bar = "█" * filled + "·" * (BAR_WIDTH - filled)
            counted = f"{purge.rows_done} of {purge.rows_total}"
            self.stdout.write(f"\r{purge.organization.slug} {bar} {counted}", ending="")


def _said(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items()) or "nothing"
