"""What every test stands on: keys, a Postgres server of the run's own, and Django started on both.

It happens on import, for the conftest files below this one import models.
"""

import gc
from collections.abc import Iterator
from contextlib import suppress

import django
import hypothesis
import pytest
from django.conf import settings
from django.contrib.contenttypes.management import create_contenttypes
from django.db import connections
from django.db.models.signals import post_migrate
from xdist.remote import Producer

from tests.environment import make_home, set_keys
from tests.fakes.sqs import FakeSqs
from tests.sharing_out import Scheduling, longest_first

set_keys()
make_home()

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")

# Nothing here outlives the run, so no commit has to reach the disk; and its server does not go away.
settings.DATABASES["default"]["OPTIONS"]["options"] = "-c synchronous_commit=off"
settings.DATABASES["default"]["CONN_HEALTH_CHECKS"] = False
settings.DATABASES["default"]["ENGINE"] = "tests.database"
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast, and only that
# A worker has Django set up before this is read, and has a connection by the settings as they were.
with suppress(AttributeError):
    del connections["default"]
django.setup()


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSqs]:
    """The queues, in place of AWS' client."""
    from hub_lambdas import queues  # once Django is started

    fake = FakeSqs()
    queues.url.cache_clear()
    monkeypatch.setattr(queues, "client", lambda: fake)
    yield fake
    queues.url.cache_clear()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> None:
    """What Django notes of each model after a migration is there now, and need not be looked for after each
    test that commits."""
    post_migrate.disconnect(create_contenttypes)
    post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    longest_first(items)


def pytest_collection_finish() -> None:
    """All that was imported and collected stays to the end: nobody has to look for garbage in it."""
    gc.collect()
    gc.freeze()
