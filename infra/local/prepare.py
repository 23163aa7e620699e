"""What lies between the stores and the services: tables, queues, the first user, the demo organizations.

One interpreter does all of it, because a second start should be quick. Each finished step is a line on the
standard output, and each chat page a line that starts with CHAT_MARK.
"""

import os
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import OperationalError

from infra.local import queues
from infra.local.environment import ROOT, home_of, load_environment
from infra.local.errors import StackError
from infra.local.platforms import SIMULATOR_FOLDER, are_simulated
from infra.local.programs import aws_state_folder
from infra.local.progress import CHAT_MARK

DEMOS = (ROOT / "demo" / "dental-clinic.yaml", ROOT / "demo" / "bike-workshop.yaml")


def steps(home: Path) -> Iterator[str]:
    """Do one step after the other; yields what is done."""
    call_command("migrate", interactive=False, verbosity=0)
    yield "database migrated"
    queues.apply()
    forget_saved_messages(home)
    yield "queues ready"
    if import_demos():
        yield "demo organizations loaded"
    if are_simulated(os.environ) and (count := connect_simulator(home / SIMULATOR_FOLDER)):
        yield f"{count} demo channels connected to the simulator"
    call_command("ensure_admin", "--first", stdout=StringIO())


def forget_saved_messages(home: Path) -> None:
    """Drop the state that the emulator of AWS saved and has read: after a crash it would be read again."""
    for name in ("sqs", "cloudformation"):
        (aws_state_folder(home) / f"{name}.json").unlink(missing_ok=True)


def import_demos() -> bool:
    """Load the demo into a database that holds no organization; a later start leaves it as people edited
    it."""
    from django.apps import apps

    if apps.get_model("organizations", "Organization")._base_manager.exists():
        return False
    for file in DEMOS:
        call_command("import_organization", str(file), stdout=StringIO())
    return True


def connect_simulator(folder: Path) -> int:
    """Connect each demo organization by the file of channels that the simulator wrote for it; how many
    channels that made. One that has such channels keeps them as people edited them: they are asked how they
    are, which connects them again to a simulator that has forgotten them."""
    from console.channels.connection import examine, is_to_connect
    from console.channels.models import Channel
    from console.organizations.models import Organization
    from console.organizations.organization_file import parse

    count = 0
    for path in sorted(folder.glob("*.yaml")):
        file = parse(path.name, path.read_text(encoding="utf-8"))
        kinds = {entry.kind for entry in file.channels}
        channels = Channel.objects.filter(organization__slug=file.slug, kind__in=kinds)
        for channel in channels:
            if is_to_connect(channel):
                examine(channel)
        if not channels and Organization.objects.filter(slug=file.slug).exists():
            call_command("import_organization", str(path), stdout=StringIO())
            count += len(file.channels)
    return count


def chat_urls() -> list[str]:
    output = StringIO()
    call_command("chat_urls", stdout=output)
    return [line.strip() for line in output.getvalue().splitlines() if line.strip()]


def main() -> None:
    load_environment()
    os.environ["DJANGO_SETTINGS_MODULE"] = "console.settings.console"
    try:
        django.setup()
        for done in steps(home_of(os.environ)):
            sys.stdout.write(f"{done}\n")
        for url in chat_urls():
            sys.stdout.write(f"{CHAT_MARK}{url}\n")
    except OperationalError as problem:
        sys.exit(f"The database cannot be used ({str(problem).splitlines()[0]}): check DATABASE_URL.")
    except (StackError, CommandError, ImproperlyConfigured) as problem:
        sys.exit(str(problem))


if __name__ == "__main__":
    main()
