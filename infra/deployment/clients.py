"""How AWS is reached for a stage, whatever the environment of this process says of another."""

import os
from typing import Any, Protocol

from boto3.session import Session

from infra.deployment.stage import Stage
from infra.local.stack_env import emulator_values


class Clients(Protocol):
    """Who makes boto3's clients."""

    def client(self, service: str) -> Any: ...


class StageClients:
    """Clients of a stage's account, or of the emulator in its place."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        known = emulator_values(stage.emulator.port) if stage.emulator else {}
        self._session = Session(
            region_name=stage.region,
            aws_access_key_id=known.get("AWS_ACCESS_KEY_ID"),
            aws_secret_access_key=known.get("AWS_SECRET_ACCESS_KEY"),
        )

    def client(self, service: str) -> Any:
        url = self._stage.emulator.url if self._stage.emulator else None
        make: Any = self._session.client  # its types know each service by its own name only
        return make(service, endpoint_url=url)

    def environment(self) -> dict[str, str]:
        """The same for a program that looks into its environment."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
        if self._stage.emulator:
            for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
                kept.pop(name, None)
            kept |= emulator_values(self._stage.emulator.port)
        return {**kept, "AWS_DEFAULT_REGION": self._stage.region}
