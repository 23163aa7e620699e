"""`manage.py smoke_test`: whether a message is answered in time on the stage that this runs on, before a
deploy counts as done."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from console.channels import trial
from console.channels.models import Channel
from console.organizations.models import Organization
from console.prompts.models import CannedPrompt
from hub_lambdas.channels import KINDS
from hub_lambdas.channels.base import ChannelError

SLUG = "smoke-test"
QUESTION = "What are your opening hours?"
ANSWER = "We are open every day from 9:00 to 17:00."
ATTEMPTS = 3
"""The first ones wake functions that have not run yet, and have the LLM read the prompt."""
GIVE_UP_AFTER_SECONDS = 30.0
LOOK_SECONDS = 0.1


class Command(BaseCommand):
    help = (
        "Ask a question as a visitor of a web chat would, at an organization that is there for it alone, and "
        "wait for the answer. Ends with 1 where none of a few attempts is answered in time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--within-seconds", type=float, default=5.0, metavar="N", help="default 5")

    def handle(self, *args: Any, **options: Any) -> None:
        channel, within_seconds = _channel(), options["within_seconds"]
        trial.forget([channel])
        said = []
        for _ in range(ATTEMPTS):
            seconds, problem = _ask(channel)
            said.append(problem or f"answered in {seconds:.1f} s")
            if seconds is not None and seconds <= within_seconds:
                self.stdout.write(", ".join(said).capitalize())
                return
        raise CommandError(f"No answer within {within_seconds:g} s: {', then '.join(said)}.")


def _channel() -> Channel:
    """The channel that is asked, made at the first time with all that it needs."""
    organization, _ = Organization.objects.get_or_create(slug=SLUG, defaults={"name": "Smoke test"})
    CannedPrompt.objects.get_or_create(
        organization=organization, question=QUESTION, defaults={"answer": ANSWER}
    )
    channel, _ = Channel.objects.get_or_create(
        organization=organization, kind=_kind_without_account(), defaults={"name": "Smoke test"}
    )
    return channel


def _kind_without_account() -> str:
    """The hub's own: no platform has a part in it."""
    return next(name for name, kind in KINDS.items() if not kind.fields)


def _ask(channel: Channel) -> tuple[float | None, str]:
    """The seconds to the answer, None with a problem where none came."""
    try:
        contact = trial.begin(channel, QUESTION)
    except ChannelError as error:
        return None, str(error)
    deadline = time.monotonic() + GIVE_UP_AFTER_SECONDS
    while not (found := trial.progress(contact, timezone.now())).is_over and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    return found.seconds, "" if found.is_answered else found.problem or "no answer"
