"""Tells CloudFormation that a new LLM box is ready, or that it never was: so an update takes the box before
only once this one answers, and ends where none does.

Runs at the end of the installation. The signal is that of docs.aws.amazon.com/AWSCloudFormation/latest/
APIReference/API_SignalResource.html; nobody waits for that of a box that its group starts outside an update.
"""

import logging
import os
import sys
import time
from collections.abc import Callable

import boto3
from botocore.exceptions import ClientError

from infra.llm_box.keeper import Ec2Box

log = logging.getLogger(__name__)

GROUP = "Boxes"
"""The logical name of the group in infra/llm.yaml."""
PATIENCE_SECONDS = 10 * 60.0
"""Below the time that infra/llm.yaml gives a box from its launch on."""
LOOK_EVERY_SECONDS = 2.0


def wait_until(is_healthy: Callable[[], bool], patience_seconds: float, pause_seconds: float) -> bool:
    """Whether it became healthy in time."""
    deadline = time.monotonic() + patience_seconds
    while not is_healthy():
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause_seconds)
    return True


def signal(stack: str, box: str, *, is_ready: bool) -> None:
    """Say so to the update or creation of the stack, where there is one."""
    cloudformation = boto3.client("cloudformation")
    try:
        cloudformation.signal_resource(
            StackName=stack,
            LogicalResourceId=GROUP,
            UniqueId=box,
            Status="SUCCESS" if is_ready else "FAILURE",
        )
    except ClientError as error:
        log.info("nobody waits for this box: %s", error.response.get("Error", {}).get("Message"))
    finally:
        cloudformation.close()


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    box = Ec2Box(os.environ["HUB_SCALING_GROUP"], int(os.environ.get("HUB_LLM_PORT", "8001")))
    is_ready = wait_until(box.is_healthy, PATIENCE_SECONDS, LOOK_EVERY_SECONDS)
    signal(os.environ["HUB_STACK"], box.id(), is_ready=is_ready)
    if not is_ready:
        sys.exit(f"The LLM is not well after {PATIENCE_SECONDS:.0f} s: see journalctl -u channels-hub-llm.")


if __name__ == "__main__":
    main()
