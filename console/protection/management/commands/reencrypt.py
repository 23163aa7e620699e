"""`manage.py reencrypt`: once a new key is in front of HUB_CREDENTIAL_KEYS, so that the old ones can go."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from console.protection import reencryption
from console.protection.reencryption import Outcome


class Command(BaseCommand):
    help = (
        "Write everything that is stored encrypted anew with the first of HUB_CREDENTIAL_KEYS. Safe to "
        "interrupt and to repeat: it does what is left. Ends with 1 where no key opens a row."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        unreadable = 0
        for column in reencryption.columns():
            name, total = f"{column.model._meta.label}.{column.name}", reencryption.count(column)

            def show(done: int, name: str = name, total: int = total) -> None:
                if done < total:
                    self.stderr.write(f"{name}: {done:,} of {total:,}")

            counts = reencryption.reencrypt(column, show)
            said = ", ".join(f"{counts[outcome]:,} {outcome.value}" for outcome in Outcome)
            self.stdout.write(f"{name}: {said}")
            unreadable += counts[Outcome.UNREADABLE]
        if unreadable:
            raise CommandError(
                f"{unreadable} open with none of HUB_CREDENTIAL_KEYS: add the key that they were written "
                "with, and run this again. All others have the first key."
            )
        self.stdout.write("All have the first of HUB_CREDENTIAL_KEYS; the others can go.")
