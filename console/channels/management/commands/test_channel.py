"""`manage.py test_channel`: a test message through the whole system, and whether it was answered in time."""

import time
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from console.channels import trial
from console.channels.models import Channel
from console.channels.trial import Progress
from hub_lambdas.channels.base import ChannelError

LOOK_SECONDS = 0.2


class Command(BaseCommand):
    help = (
        "Post a test message to a channel's webhook as its platform would, and print each step on its way to "
        "the answer, which is not sent to the platform. Ends with 1 where no answer comes in time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("channel", help="its id, or ORGANIZATION/KIND/NAME as check_channels writes it")
        parser.add_argument("--text", help="what to ask; else the first canned prompt's question")
        parser.add_argument("--timeout-seconds", type=float, default=30.0, metavar="N", help="default 30")

    def handle(self, *args: Any, **options: Any) -> None:
        channel = _find(options["channel"])
        text = options["text"] or trial.default_text(channel)
        self.stdout.write(f"“{text}”")
        try:
            contact = trial.begin(channel, text)
        except ChannelError as error:
            raise CommandError(str(error)) from error
        deadline, shown = time.monotonic() + options["timeout_seconds"], 0
        while True:
            found = trial.progress(contact, timezone.now())
            shown = self._show(found, shown)
            if found.is_over or time.monotonic() > deadline:
                break
            time.sleep(LOOK_SECONDS)
        if not found.is_answered:
            raise CommandError(found.problem or f"No answer within {options['timeout_seconds']:g} s.")
        self.stdout.write(f"“{found.answer}”")

    def _show(self, found: Progress, shown: int) -> int:
        """Print the steps that are new; how many have been printed by then."""
        done = [step for step in found.steps if step.at is not None]
        for step in done[shown:]:
            self.stdout.write(f"{step.seconds or 0:6.2f} s  {step.label}")
        return len(done)


def _find(name: str) -> Channel:
    slug, _, rest = name.partition("/")
    kind, _, own_name = rest.partition("/")
    known = {"organization__slug": slug, "kind": kind, "name": own_name} if rest else {"pk": name}
    try:
        return Channel.objects.get(**known)
    except (Channel.DoesNotExist, ValidationError):
        raise CommandError(f"There is no channel {name}: `manage.py check_channels` lists them.") from None
