"""`python -m tests.fakes.simulator`: the simulator, until it is stopped. The hub's settings are taken from
the environment, as every program of `make run` gets them."""

import argparse
import os
import signal
import threading
from collections.abc import Mapping
from pathlib import Path

from infra.local.environment import LOOPBACK, PORT_SETTINGS
from infra.local.platforms import simulator_url, simulator_values
from tests.fakes.server import Served
from tests.fakes.simulator.front import Front
from tests.fakes.simulator.simulator import Setup, Simulator


def settings_of(values: Mapping[str, str], port: int) -> dict[str, str]:
    """The hub's settings that count here."""
    settings = {name: values.get(name) or value for name, value in simulator_values(port).items()}
    for name in ("HUB_CONSOLE", "HUB_WEBHOOK"):
        local = f"http://{LOOPBACK}:{values.get(f'{name}_PORT') or PORT_SETTINGS[f'{name}_PORT']}"
        settings[f"{name}_URL"] = (values.get(f"{name}_URL") or local).rstrip("/")
    return settings


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=PORT_SETTINGS["HUB_SIMULATOR_PORT"])
    parser.add_argument("--home", type=Path, default=Path(".hub/simulator"), help="where it remembers")
    given = parser.parse_args()
    setup = Setup(simulator_url(given.port), given.home, settings_of(os.environ, given.port))
    is_over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: is_over.set())
    with Simulator(setup) as simulator, Served(Front(simulator).respond, given.port):
        is_over.wait()


if __name__ == "__main__":
    main()
