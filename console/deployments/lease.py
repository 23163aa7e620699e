"""Who is at a deploy: whoever took it up last, as its row says.

Each who takes it up gets the next number, and writes only while the row has that number. So it does not
matter what becomes of a session of the database, nor whether a worker that was thought dead comes back: it
finds a higher number, writes nothing and stops. That a stage is touched by one at a time is left to
infra/deployment/lock.py.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from threading import Event, Thread
from typing import Any, Self

from django.db import OperationalError, connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from console.deployments.models import Deploy

SHOW_EVERY_SECONDS = 5.0
FREE_AFTER = timedelta(seconds=20)
"""A deploy that nobody has shown to be at for so long may be taken up by another, by the database's clock."""


class LeaseLost(Exception):
    """Somebody else has taken the deploy up."""


@dataclass(frozen=True)
class Lease:
    """One worker's time at a deploy. `goes_on`: another was at it before."""

    deploy_id: int
    number: int
    goes_on: bool

    @classmethod
    def take(cls, deploy_id: int) -> Self | None:
        """Become the one who is at a deploy; None where somebody shows to be, or there is nothing to do."""
        is_free = Q(seen_at=None) | Q(seen_at__lt=Now() - FREE_AFTER)
        with transaction.atomic():
            wanted = Deploy.objects.filter(is_free, pk=deploy_id, state__in=Deploy.AT_WORK)
            deploy = wanted.select_for_update().first()
            if deploy is None:
                return None
            lease = cls(deploy_id, deploy.lease + 1, goes_on=deploy.started_at is not None)
            began = {"started_at": deploy.started_at or timezone.now(), "seen_at": Now()}
            Deploy.objects.filter(pk=deploy_id).update(
                lease=lease.number, state=Deploy.State.RUNNING, **began
            )
        return lease

    def read(self) -> Deploy:
        """The row. Raises LeaseLost."""
        if deploy := self._row().first():
            return deploy
        raise LeaseLost

    def write(self, **values: Any) -> None:
        """Change the row. Raises LeaseLost."""
        if not self._row().update(seen_at=Now(), **values):
            raise LeaseLost

    @contextmanager
    def shown(self, every_seconds: float = SHOW_EVERY_SECONDS) -> Iterator[None]:
        """While it lasts, show that somebody is at the deploy, whatever they wait for. A database that is
        away is shown it later: meanwhile nobody can take the deploy up there."""
        ended = Event()

        def show() -> None:
            while not ended.wait(every_seconds):
                with suppress(OperationalError):
                    self._row().update(seen_at=Now())
                connection.close_if_unusable_or_obsolete()
            connection.close()  # this thread's own

        thread = Thread(target=show, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _row(self) -> QuerySet[Deploy]:
        return Deploy.objects.filter(pk=self.deploy_id, lease=self.number)
