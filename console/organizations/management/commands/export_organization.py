"""`manage.py export_organization SLUG`: an organization as a file for `import_organization`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from console.organizations.models import Organization
from console.organizations.organization_file import dump


class Command(BaseCommand):
    help = "Print an organization as YAML. Credentials are not in it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", metavar="SLUG")

    def handle(self, *args: Any, **options: Any) -> None:
        organization = Organization.objects.filter(slug=options["slug"]).first()
        if organization is None:
            raise CommandError(f"There is no organization {options['slug']!r}.")
        self.stdout.write(dump(organization), ending="")
