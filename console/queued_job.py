"""Having a console job run for a row."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from django.db import transaction
from django.utils.translation import gettext_noop
from kombu.exceptions import OperationalError

UNREACHABLE = gettext_noop("The queue could not be reached.")


def queue_job(job: Any, row_id: int, otherwise: Callable[[], None]) -> None:
    """Queue `job` for a row once that is there to be found. `otherwise` is called where the queue does not
    take it."""

    def send() -> None:
        try:
            job.delay(row_id)
        except (OperationalError, BotoCoreError, ClientError):
            otherwise()

    transaction.on_commit(send)
