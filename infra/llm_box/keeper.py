"""Keeps an LLM box honest: drains it before it is taken away, restarts an LLM that does not answer, and gives
the box back where a restart does not help.

AWS tells a box that it has to go by its metadata: `spot/instance-action` two minutes before a spot instance
ends (docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html), and
`autoscaling/target-lifecycle-state` when its group shrinks
(docs.aws.amazon.com/autoscaling/ec2/userguide/retrieving-target-lifecycle-state-through-imds.html).
"""

import logging
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import boto3
import httpx

log = logging.getLogger(__name__)

SERVICE = "channels-hub-llm"
HOOK = "drain"
"""The lifecycle hook of infra/llm.yaml."""
METADATA_URL = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254")
"""The variable is that of AWS's own libraries."""
LOOK_EVERY_SECONDS = 5.0
RESTART_AFTER_SECONDS = 60.0
"""How long the LLM may be silent: a large model needs a while to load."""
GIVE_UP_AFTER_SECONDS = 300.0


class Due(Enum):
    """What is to be done with the box now."""

    NOTHING = "nothing"
    DRAIN = "drain"
    RESTART = "restart"
    GIVE_UP = "give up"


@dataclass
class Watch:
    """What is known of the box. Times are monotonic seconds."""

    healthy_at: float
    restarted_at: float | None = None
    is_drained: bool = False
    is_given_up: bool = False

    def due(self, now: float, *, must_go: bool, healthy: bool) -> Due:
        """What is due at `now`; notes what it saw."""
        if healthy:
            self.healthy_at, self.restarted_at = now, None
        if must_go:
            return Due.NOTHING if self.is_drained else Due.DRAIN
        silent_seconds = now - self.healthy_at
        if silent_seconds >= GIVE_UP_AFTER_SECONDS and not self.is_given_up:
            return Due.GIVE_UP
        last_try = self.healthy_at if self.restarted_at is None else self.restarted_at
        if not self.is_given_up and now - last_try >= RESTART_AFTER_SECONDS:
            return Due.RESTART
        return Due.NOTHING


class Box(Protocol):
    """The machine, and what AWS says of it."""

    def must_go(self) -> bool: ...

    def is_healthy(self) -> bool: ...

    def drain(self) -> None:
        """Stop the LLM, which finishes what it has in hand, and let the group go on."""

    def restart(self) -> None: ...

    def give_up(self) -> None:
        """Have the group put another box in this one's place."""


def look(box: Box, watch: Watch, now: float) -> Due:
    """Look once, and do what is due."""
    due = watch.due(now, must_go=box.must_go(), healthy=box.is_healthy())
    if due is Due.DRAIN:
        box.drain()
        watch.is_drained = True
    elif due is Due.RESTART:
        watch.restarted_at = now
        box.restart()
    elif due is Due.GIVE_UP:
        box.give_up()
        watch.is_given_up = True
    if due is not Due.NOTHING:
        log.warning("%s: done", due.value)
    return due


def keep(box: Box, watch: Watch, now: float) -> Due | None:
    """The same, whatever fails: what is known of the box stays known, so that the next look tries what this
    one could not do. None where it failed."""
    try:
        return look(box, watch, now)
    except Exception:
        log.exception("a look at the box failed")
        return None


class Ec2Box:
    """A box of an Auto Scaling group."""

    def __init__(
        self,
        group: str,
        port: int,
        metadata_url: str = METADATA_URL,
        run: Callable[[list[str]], object] = subprocess.check_call,
    ) -> None:
        self._group, self._run = group, run
        self._health_url = f"http://127.0.0.1:{port}/healthz"
        self._metadata = httpx.Client(base_url=metadata_url, timeout=2, trust_env=False)
        self._scaling = boto3.client("autoscaling")

    def must_go(self) -> bool:
        if self._read("spot/instance-action") is not None:
            return True
        return (self._read("autoscaling/target-lifecycle-state") or "").startswith("Terminated")

    def is_healthy(self) -> bool:
        try:
            return httpx.get(self._health_url, timeout=5, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def drain(self) -> None:
        self._run(["systemctl", "stop", SERVICE])
        try:
            self._scaling.complete_lifecycle_action(
                AutoScalingGroupName=self._group,
                LifecycleHookName=HOOK,
                LifecycleActionResult="CONTINUE",
                InstanceId=self.id(),
            )
        except self._scaling.exceptions.ClientError as error:
            # A spot instance goes without the hook: nothing waits for an answer.
            log.info("no lifecycle action to complete: %s", error.response.get("Error", {}).get("Code"))

    def restart(self) -> None:
        self._run(["systemctl", "restart", SERVICE])

    def give_up(self) -> None:
        self._scaling.set_instance_health(InstanceId=self.id(), HealthStatus="Unhealthy")

    def close(self) -> None:
        self._metadata.close()
        self._scaling.close()

    def id(self) -> str:
        return self._read("instance-id") or ""

    def _read(self, path: str) -> str | None:
        """One piece of metadata; None where there is none, as long as nothing is the matter."""
        try:
            token = self._metadata.put(
                "/latest/api/token", headers={"x-aws-ec2-metadata-token-ttl-seconds": "60"}
            )
            answer = self._metadata.get(
                f"/latest/meta-data/{path}", headers={"x-aws-ec2-metadata-token": token.text}
            )
        except httpx.HTTPError:
            return None
        return answer.text.strip() if answer.status_code == 200 else None


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    box = Ec2Box(os.environ["HUB_SCALING_GROUP"], int(os.environ.get("HUB_LLM_PORT", "8001")))
    watch = Watch(healthy_at=time.monotonic())
    while True:
        keep(box, watch, time.monotonic())
        time.sleep(LOOK_EVERY_SECONDS)


if __name__ == "__main__":
    main()
