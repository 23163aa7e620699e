"""A simulator within a test: `with simulating(folder, hub_url) as simulator:` serves it on a free port."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from infra.local.platforms import simulator_values
from tests.fakes.server import Answer, Request, Served
from tests.fakes.simulator.front import Front
from tests.fakes.simulator.simulator import Setup, Simulator


@contextmanager
def simulating(folder: Path, hub_url: str, **settings: str) -> Iterator[Simulator]:
    """`settings`: those that the hub has of its own."""

    def respond(request: Request) -> Answer | None:
        return front.respond(request)

    with Served(respond) as served:
        addresses = {"HUB_WEBHOOK_URL": hub_url, "HUB_CONSOLE_URL": "http://console.example"}
        known = simulator_values(urlsplit(served.url).port or 0) | addresses | settings
        with Simulator(Setup(served.url, folder, known)) as simulator:
            front = Front(simulator)
            yield simulator


def django_settings(simulator: Simulator) -> Mapping[str, str]:
    """By which the hub's code finds the platforms in it."""
    return {name.removeprefix("HUB_"): value for name, value in simulator.setup.settings.items()}
