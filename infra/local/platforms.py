"""Whom the channels of the local stack speak with: the simulator, or the platforms themselves."""

from collections.abc import Mapping

from infra.local.environment import LOOPBACK
from infra.local.errors import SettingError

SIMULATOR_FOLDER = "simulator"
"""In HUB_HOME: what the simulator remembers, and a file for each demo organization with its channels."""
_CHOICES = ("simulator", "real")


def are_simulated(values: Mapping[str, str]) -> bool:
    """Whether `make run` starts the simulator: unless HUB_PLATFORMS says "real"."""
    chosen = values.get("HUB_PLATFORMS") or _CHOICES[0]
    if chosen not in _CHOICES:
        raise SettingError(f"HUB_PLATFORMS is {chosen!r}: it must be {' or '.join(_CHOICES)}.")
    return chosen == _CHOICES[0]


def simulator_url(port: int) -> str:
    """The address of the simulator's page."""
    return f"http://{LOOPBACK}:{port}"


def simulator_values(port: int) -> dict[str, str]:
    """How the hub finds the platforms in the simulator, and the Meta app that it has there."""
    url = simulator_url(port)
    return {
        "HUB_SIMULATOR_URL": url,
        "HUB_TELEGRAM_API_URL": f"{url}/telegram",
        "HUB_GRAPH_API_URL": f"{url}/graph",
        "HUB_INSTAGRAM_API_URL": f"{url}/instagram",
        "HUB_SLACK_API_URL": f"{url}/slack",
        "HUB_TWILIO_API_URL": f"{url}/twilio",
        "HUB_META_APP_ID": "100200300400500",
        "HUB_META_APP_SECRET": "simulated-app-secret",
        "HUB_META_VERIFY_TOKEN": "simulated-verify-token",
    }
