"""What the worker of deploys sees of the repository and of the stages, written down for the console."""

import logging
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from console.deployments.checkout import Checkout, CheckoutError, of_settings
from console.deployments.follow import follow
from console.deployments.models import Commit, Repository, Stage
from hub_lambdas.sentences import stored

log = logging.getLogger(__name__)

JOB = ("-m", "infra.deployment.job")
BROKE_OFF = stored("It broke off; the worker's log says why.")


def look() -> None:
    """Fetch the repository, and look at each stage."""
    repository, _ = Repository.objects.get_or_create(pk=1)
    began = timezone.now()
    try:
        checkout = of_settings()
        with checkout.held():
            fetch(checkout)
            for name in settings.DEPLOY_STAGES:
                see(name)
    except CheckoutError as error:
        repository.problem = str(error)
    except Exception:
        log.exception("the releases could not be looked at")
        repository.problem = BROKE_OFF
    else:
        repository.problem = ""
        Stage.objects.exclude(name__in=settings.DEPLOY_STAGES).delete()
    repository.fetched_at = began
    repository.save(update_fields=["problem", "fetched_at"])


def fetch(checkout: Checkout) -> None:
    """Have the branch as it is now, and its commits in the table. Raises CheckoutError."""
    checkout.fetch()
    commits = [Commit(position=number, **asdict(each)) for number, each in enumerate(checkout.log())]
    with transaction.atomic():
        Commit.objects.all().delete()
        Commit.objects.bulk_create(commits)


def own_code() -> tuple[str, Path]:
    """The interpreter and the folder of the release that is installed here. It looks at stages and rolls them
    back: what is merely on the branch is run by nobody, and cannot say that it needs no approval."""
    return sys.executable, settings.DEPLOYER


def see(name: str) -> Stage:
    """A stage as it is now. Raises CheckoutError."""
    python, folder = own_code()
    found: dict[str, Any] = next(follow([python, *JOB, "look", name], folder, lambda: False))
    if "outcome" in found:
        raise CheckoutError(
            stored("%(stage)s cannot be looked at: %(reason)s", stage=name, reason=found["reason"])
        )
    stage, _ = Stage.objects.update_or_create(name=name, defaults={**found, "seen_at": timezone.now()})
    return stage


def see_if_possible(name: str) -> None:
    """The same for who goes on either way: the page says since when it is as it was."""
    try:
        see(name)
    except Exception as error:
        log.exception("%s could not be looked at", name)
        if isinstance(error, OperationalError):
            connection.close_if_unusable_or_obsolete()
