"""`manage.py ensure_admin`: somebody who can sign in."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from console.organizations.models import Member, Organization, User
from console.settings.base import env


class Command(BaseCommand):
    help = "Create or repair the first ops user, with the password HUB_ADMIN_PASSWORD."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--email", default="admin@example.com")
        parser.add_argument("--first", action="store_true", help="do nothing where there is a user already")
        parser.add_argument(
            "--organization",
            metavar="SLUG",
            nargs="+",
            default=["bright-smile", "harbour-bikes"],
            help="make them an admin of those that exist",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        password: str = env.str("HUB_ADMIN_PASSWORD", default="")
        if not password:
            raise CommandError("HUB_ADMIN_PASSWORD is not set: run `make run` once, which makes it.")
        if options["first"] and User.objects.exists():
            return
        user = User.objects.filter(email__iexact=options["email"]).first() or User(
            email=options["email"].lower()
        )
        user.is_ops = user.is_active = True
        if not user.check_password(password):  # a new hash would sign them out
            user.set_password(password)
        user.save()
        for organization in Organization.objects.filter(slug__in=options["organization"]):
            Member.objects.update_or_create(
                organization=organization, user=user, defaults={"role": Member.Role.ADMIN}
            )
        self.stdout.write(user.email)
