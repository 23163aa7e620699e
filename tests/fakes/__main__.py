"""`python -m tests.fakes`: every platform for the hub of `make run`, until interrupted.

They listen on 127.0.0.1, on `--port` and those after it, have `--accounts` accounts of each kind, and are
driven over HTTP (platform/control.py). What to start the hub with, and what to paste into its channels, is
printed. Meta's app delivers to `--hub`.
"""

import argparse
import threading

from tests.fakes.platforms import FakePlatforms


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fakes", description=__doc__)
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--accounts", type=int, default=1, help="how many of each kind")
    parser.add_argument("--hub", default="http://127.0.0.1:8080", help="the hub's HUB_WEBHOOK_URL")
    given = parser.parse_args()
    with FakePlatforms(given.port) as platforms:
        for kind, platform in platforms.of.items():
            platform.connect_hub(given.hub)
            for number in range(given.accounts):
                platform.open_account(kind, f"Clinic {number + 1}")
        print(_introduction(platforms), flush=True)  # noqa: T201
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


def _introduction(platforms: FakePlatforms) -> str:
    lines = ["Start the hub with:"]
    lines += [f"  {name}={value}" for name, value in platforms.hub_settings.items()]
    for platform in platforms.all:
        lines.append(f"The fake {platform.title} is controlled at {platform.url}/control/. Its accounts:")
        lines += [
            f"  {account.kind} {account.address}: {dict(account.credentials)}"
            for account in platform.accounts
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
