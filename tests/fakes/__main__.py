"""`python -m tests.fakes telegram whatsapp`: fake platforms for the hub of `make run`, until interrupted.

Each listens on 127.0.0.1 (`--port` and those after it) with `--accounts` accounts of each of its kinds, and
is driven over HTTP (platform/control.py). What to start the hub with, and what to paste into its channels, is
printed; Meta's app delivers to `--hub`.
"""

import argparse
import threading
from collections.abc import Mapping
from contextlib import ExitStack

from tests.fakes.pages import FakePages
from tests.fakes.platform import FakePlatform
from tests.fakes.telegram import FakeTelegram
from tests.fakes.twilio import FakeTwilio
from tests.fakes.whatsapp import FakeWhatsApp

PLATFORMS: Mapping[str, type[FakePlatform]] = {
    "telegram": FakeTelegram,
    "whatsapp": FakeWhatsApp,
    "pages": FakePages,
    "twilio": FakeTwilio,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fakes", description=__doc__)
    parser.add_argument("platforms", nargs="+", choices=PLATFORMS)
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--accounts", type=int, default=1, help="how many of each kind")
    parser.add_argument("--hub", default="http://127.0.0.1:8080", help="the hub's HUB_WEBHOOK_URL")
    given = parser.parse_args()
    with ExitStack() as stack:
        for number, name in enumerate(given.platforms):
            fake = stack.enter_context(PLATFORMS[name](given.port + number))
            fake.connect_hub(given.hub)
            for kind in fake.kinds:
                for count in range(given.accounts):
                    fake.open_account(kind, f"Clinic {count + 1}")
            _introduce(fake)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


def _introduce(fake: FakePlatform) -> None:
    print(f"The fake {fake.title} listens at {fake.url}.")  # noqa: T201
    for name, value in fake.hub_settings.items():
        print(f"  {name}={value}")  # noqa: T201
    for account in fake.accounts:
        print(f"  {account.kind} {account.name}: {dict(account.credentials)}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
