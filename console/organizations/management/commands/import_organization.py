"""`manage.py import_organization FILE.yaml`: configuration as code."""

import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from console.channels.connection import connect
from console.organizations import organization_import
from console.organizations.organization_file import FileError, parse


class Command(BaseCommand):
    help = "Create an organization from a YAML file, or bring it to what the file says."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE.yaml")

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"]
        try:
            outcome = organization_import.apply(
                parse(file.name, file.read_text(encoding="utf-8")), os.environ
            )
        except FileError as error:
            raise CommandError(str(error)) from None
        except UnicodeDecodeError:
            raise CommandError(f"{file} is not UTF-8 text.") from None
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}.") from None
        for change in outcome.changes or ["unchanged"]:
            self.stdout.write(change)
        for channel in outcome.to_connect:
            connected = connect(channel)
            if connected.is_repaired:
                self.stdout.write(
                    f"channel {channel.name!r}: active again, {connected.released} that waited on the way now"
                )
            for problem in connected.problems:
                self.stderr.write(self.style.WARNING(f"warning: channel {channel.name!r}: {problem}"))
