"""Settings for the type checker's Django plugin: the console's, with keys made for it."""

import os

from tests.environment import set_keys

set_keys()
os.environ["DATABASE_URL"] = "postgresql://types@127.0.0.1/types"

from console.settings.console import *  # noqa: E402, F403
