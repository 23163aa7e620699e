"""`manage.py check_channels`: how each connected channel is, as its platform says."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from console.channels.connection import examine
from console.channels.health import facts
from console.channels.models import Channel
from hub_lambdas.channels import KINDS

SAID_ALREADY = ("Checked", "Account")


class Command(BaseCommand):
    help = (
        "Ask the platforms of all connected channels whether the credential is valid and the webhook still "
        "leads here, mend what can be mended, and pause what is broken. Ends with 1 where something is wrong."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organization", metavar="SLUG", help="only this organization's channels")

    def handle(self, *args: Any, **options: Any) -> None:
        channels = Channel.objects.exclude(status=Channel.Status.RETIRED).filter(kind__in=KINDS)
        if options["organization"]:
            channels = channels.filter(organization__slug=options["organization"])
        are_well = [self._check(channel) for channel in channels.select_related("organization")]
        self.stdout.write(f"{len(are_well)} checked, {are_well.count(False)} with problems.")
        if not all(are_well):
            sys.exit(1)

    def _check(self, channel: Channel) -> bool:
        name = f"{channel.organization.slug}/{channel.kind}/{channel.name}"
        if channel.status == Channel.Status.PAUSED and not channel.is_held:
            self.stdout.write(f"{name}: paused by hand, not asked")
            return True
        problems = examine(channel).problems
        channel.refresh_from_db()
        state = "; ".join(problems) or "well"
        self.stdout.write(f"{name} ({channel.account or 'unknown account'}): {channel.status}, {state}")
        for fact in facts(channel, timezone.now()):
            if fact.label not in SAID_ALREADY:
                self.stdout.write(f"    {fact.label.lower()}: {fact.value}")
        return not problems
