"""The organizations of a run: files as an admin writes them, loaded as operations load them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import yaml

from tests.chaos import codes
from tests.chaos.policies import Policy
from tests.fakes.platform import FakePlatform
from tests.running_stack import RunningStack, StackFailed

_LOAD = """
from pathlib import Path
from django.core.management import call_command
for file in sorted(Path({folder!r}).glob("*.yaml")):
    call_command("import_organization", str(file))
"""


class Organizations:
    """An organization for each of the policies, numbered from 0, with an account at each of the platforms (by
    channel kind)."""

    def __init__(
        self,
        stack: RunningStack,
        platforms: Mapping[str, FakePlatform],
        policies: Sequence[Policy],
        handover_after_seconds: int = 60,
    ) -> None:
        self._stack = stack
        self._platforms = platforms
        self._policies = policies
        self._handover_after_seconds = handover_after_seconds
        self._folder = stack.home / "organizations"
        self._addresses: dict[tuple[str, int], str] = {}

    def load(self) -> None:
        """Bring them into the hub, which registers at the platforms."""
        self._folder.mkdir()
        for kind, platform in self._platforms.items():
            platform.connect_hub(self._stack.webhook_url)
            for number in range(len(self._policies)):
                self._addresses[kind, number] = platform.open_account(kind, f"Shop {number}").address
        for number in range(len(self._policies)):
            self._write(number)
        self._stack.manage("shell", "--verbosity", "0", "--command", _LOAD.format(folder=str(self._folder)))
        unknown = [
            address
            for (kind, _), address in self._addresses.items()
            if not self._platforms[kind].webhook_of(address)
        ]
        if unknown:
            raise StackFailed(f"{len(unknown)} accounts have no webhook:\n{self._stack.output}")

    def address(self, kind: str, number: int) -> str:
        """An organization's account at a platform."""
        return self._addresses[kind, number]

    def channel_id(self, kind: str, number: int) -> str:
        """The hub's id of that account's channel: its webhook's address ends with it."""
        return self._platforms[kind].webhook_of(self.address(kind, number)).rpartition("/")[2]

    def expire_token(self, kind: str, number: int) -> None:
        """The platform makes a new token for an account and takes the hub's no more."""
        self._platforms[kind].renew_token(self.address(kind, number))

    def repair(self, number: int) -> None:
        """An admin brings the new token into the hub."""
        self._stack.manage("import_organization", str(self._write(number)))

    def _write(self, number: int) -> Path:
        file = self._folder / f"{slug(number)}.yaml"
        file.write_text(yaml.safe_dump(self._content(number), sort_keys=False))
        return file

    def _content(self, number: int) -> dict[str, object]:
        return {
            **settings(number, self._policies[number]),
            "handover_after_seconds": self._handover_after_seconds,
            "channels": [self._channel(kind, number) for kind in self._platforms],
        }

    def _channel(self, kind: str, number: int) -> dict[str, object]:
        account = self._platforms[kind].account(self.address(kind, number))
        return {"kind": kind, "name": kind.title(), "credentials": dict(account.credentials)}


def settings(number: int, policy: Policy) -> dict[str, object]:
    """An organization's file without its channels."""
    return {
        "slug": slug(number),
        "name": f"Shop {number}",
        **asdict(policy),
        "prompt": "\n".join(["You answer for a shop.", *map(codes.fact, codes.codes_of(number))]),
    }


def slug(number: int) -> str:
    return f"shop-{number:02}"
