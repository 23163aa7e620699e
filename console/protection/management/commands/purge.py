"""`manage.py purge`: delete what organizations have kept long enough, now and not at night."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from console.organizations.models import Organization
from console.protection import jobs, retention
from console.protection.record import note_purge
from console.protection.retention import Counts, Expired
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
                self._purge(old)

    def _organizations(self, slug: str | None) -> list[Organization]:
        found = Organization.objects.filter(slug=slug) if slug else Organization.objects.order_by("slug")
        if slug and not found:
            raise CommandError(f"There is no organization {slug!r}.")
        return list(found)

    def _purge(self, old: Expired) -> None:
        organization, total, done = old.organization, sum(retention.count(old).values()), 0

        def show(_: str, number: int) -> None:
            nonlocal done
            done += number
            if total and self.stdout.isatty():
                filled = min(BAR_WIDTH, BAR_WIDTH * done // total)
                bar = "█" * filled + "·" * (BAR_WIDTH - filled)
                self.stdout.write(f"\r{organization.slug} {bar} {done} of {total}", ending="")

        with single_run(jobs.PURGE_LOCK, organization.pk) as is_alone:
            if not is_alone:
                self.stdout.write(f"{organization.slug}: is being purged already")
                return
            deleted = retention.purge(old, show)
            note_purge(organization, deleted)
        end = "\r\x1b[K" if total and self.stdout.isatty() else ""
        self.stdout.write(f"{end}{organization.slug}: deleted {_said(deleted)}")


def _said(counts: Counts) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items()) or "nothing"
