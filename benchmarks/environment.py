"""The environment of a benchmark: keys, a folder and a database of its own, gone when it ends."""

import os
from pathlib import Path

from tests.environment import make_home, set_keys


def prepare() -> None:
    """Set it for this process and its children; call before anything reads the settings."""
    set_keys()
    make_home()
    os.environ["DJANGO_SETTINGS_MODULE"] = "hub_lambdas.settings"
    os.environ["HUB_LOG_LEVEL"] = "ERROR"
    if not os.environ.get("DATABASE_URL"):
        from infra.local.postgres import database_url

        os.environ["DATABASE_URL"] = database_url(Path(os.environ["HUB_HOME"]))
