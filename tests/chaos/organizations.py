"""The organizations of a run: files as an admin writes them, loaded as operations load them."""

import threading
from pathlib import Path

import yaml

from tests.chaos import codes
from tests.fakes.telegram import FakeTelegram
from tests.running_stack import RunningStack, StackFailed

_LOAD = """
from pathlib import Path
from django.core.management import call_command
for file in sorted(Path({folder!r}).glob("*.yaml")):
    call_command("import_organization", str(file))
"""


class Organizations:
    """`count` organizations with a Telegram bot each, numbered from 0. `tokens`: their bots' at the platform;
    hold `tokens_lock` from reading one to using it."""

    def __init__(
        self, stack: RunningStack, telegram: FakeTelegram, count: int, handover_after_seconds: int = 60
    ) -> None:
        self._stack = stack
        self._telegram = telegram
        self._handover_after_seconds = handover_after_seconds
        self._folder = stack.home / "organizations"
        self.tokens_lock = threading.Lock()
        self.tokens = [f"{7000 + number}:bot-of-shop-{number}" for number in range(count)]

    def load(self) -> None:
        """Bring them into the hub, which registers their bots' webhooks."""
        self._folder.mkdir()
        for number, token in enumerate(self.tokens):
            self._telegram.add_bot(token, f"shop_{number}_bot")
            self._write(number)
        self._stack.manage("shell", "--verbosity", "0", "--command", _LOAD.format(folder=str(self._folder)))
        unknown = [token for token in self.tokens if not self._telegram.bots[token].webhook["url"]]
        if unknown:
            raise StackFailed(f"{len(unknown)} bots have no webhook:\n{self._stack.output}")

    def expire_token(self, number: int) -> None:
        """The platform makes a new token for a bot and takes the hub's no more."""
        with self.tokens_lock:
            self.tokens[number] = self._telegram.renew_token(self.tokens[number])["bot_token"]

    def repair(self, number: int) -> None:
        """An admin brings the new token into the hub."""
        self._stack.manage("import_organization", str(self._write(number)))

    def _write(self, number: int) -> Path:
        file = self._folder / f"{slug(number)}.yaml"
        file.write_text(yaml.safe_dump(self._content(number), sort_keys=False))
        return file

    def _content(self, number: int) -> dict[str, object]:
        return {
            "slug": slug(number),
            "name": f"Shop {number}",
            "burst_window_seconds": 1.0,
            "handover_after_seconds": self._handover_after_seconds,
            "prompt": "\n".join(["You answer for a shop.", *map(codes.fact, codes.codes_of(number))]),
            "channels": [
                {"kind": "telegram", "name": "Bot", "credentials": {"bot_token": self.tokens[number]}}
            ],
        }


def slug(number: int) -> str:
    return f"shop-{number:02}"
