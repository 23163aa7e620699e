"""What every test stands on: keys, a Postgres server of the run's own, and Django started on both.

It happens on import, for the conftest files below this one import models.
"""

import gc

import django
import pytest
from django.conf import settings

from tests.environment import make_home, set_keys

set_keys()
make_home()
django.setup()

# Nothing here outlives the run, so no commit has to reach the disk; and its server does not go away.
settings.DATABASES["default"]["OPTIONS"]["options"] = "-c synchronous_commit=off"
settings.DATABASES["default"]["CONN_HEALTH_CHECKS"] = False
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast, and only that


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What two workers may share out: whole files, since their tests share what is slow to start; the folder
    with the running system as one, and each chunk of the histories."""
    for item in items:
        if item.path.name != "test_histories.py":
            group = "stack" if item.path.parent.name == "end_to_end" else item.path.stem
            item.add_marker(pytest.mark.xdist_group(group))


def pytest_collection_finish() -> None:
    """All that was imported and collected stays to the end: nobody has to look for garbage in it."""
    gc.collect()
    gc.freeze()
