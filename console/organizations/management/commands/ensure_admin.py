"""`manage.py ensure_admin`: somebody who can sign in."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from console.organizations.models import Member, Organization, User
from console.settings.base import env

LOCAL = "local"
LOCAL_EMAIL = "admin@example.com"
DEMOS = ("bright-smile", "harbour-bikes")
"""Slugs that anybody's organization may have elsewhere."""


class Command(BaseCommand):
    help = "Create or repair the first ops user, with the password HUB_ADMIN_PASSWORD."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--email", help="of the user; on this machine admin@example.com unless named")
        parser.add_argument("--first", action="store_true", help="do nothing where there is a user already")
        parser.add_argument(
            "--organization",
            metavar="SLUG",
            nargs="+",
            help="make them an admin of those that exist; on this machine of the demos unless named",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        password: str = env.str("HUB_ADMIN_PASSWORD", default="")
        if not password:
            raise CommandError("HUB_ADMIN_PASSWORD is not set: run `make run` once, which makes it.")
        if options["first"] and User.objects.exists():
            return
        is_local = settings.STAGE == LOCAL
        email = options["email"] or (LOCAL_EMAIL if is_local else "")
        if not email:
            raise CommandError(
                f"Name the first ops user of {settings.STAGE} with --email: it must be a real one."
            )
        user = User.objects.filter(email__iexact=email).first() or User(email=email.lower())
        user.is_ops = user.is_active = True
        if not user.check_password(password):  # a new hash would sign them out
            user.set_password(password)
        user.save()
        slugs = options["organization"] or (DEMOS if is_local else ())
        for organization in Organization.objects.filter(slug__in=slugs):
            Member.objects.update_or_create(
                organization=organization, user=user, defaults={"role": Member.Role.ADMIN}
            )
        self.stdout.write(user.email)
