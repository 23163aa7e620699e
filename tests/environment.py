"""The environment that tests and type checks run in: keys made for it, and a folder of its own.

The folder is HUB_HOME, so where DATABASE_URL is unset the embedded Postgres keeps its data there: a server of
this run only, which stops with it.
"""

import atexit
import os
import shutil
import tempfile

from cryptography.fernet import Fernet


def set_keys() -> None:
    """Set what the settings demand, none of it of any worth outside a test run."""
    os.environ["HUB_SECRET_KEY"] = "only-for-tests-" + "0123456789" * 4
    os.environ["HUB_CREDENTIAL_KEYS"] = Fernet.generate_key().decode()
    os.environ["HUB_LLM_TOKEN"] = "only-for-tests"
    os.environ["HUB_DEBUG"] = "false"
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "test")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "test")
    os.environ.setdefault("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # nobody listens there
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings.console")


def make_home() -> None:
    """A folder for this run's files and database, removed when the process ends."""
    home = tempfile.mkdtemp(prefix="hub-tests-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)  # before the server's own, so it runs after that
    os.environ["HUB_HOME"] = home
