"""The environment file of an ops box's worker, on stdout: what the release gives the console (settings.json,
on stdin), and the box's own. Runs as root while the box is installed; only root can read what it writes to.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

WORKERS = {"jobs": ("console-jobs", "--beat"), "deploys": ("deploys", "")}
"""What the worker of each box takes from, and what else it does: one keeps the schedule of nightly jobs."""


def lines(box: str, region: str, settings: Mapping[str, Any]) -> list[str]:
    """`NAME="value"` as systemd reads it. Only the box that deploys is told of the secret that names the
    repository. HUB_HOME is the service's own folder."""
    values = dict(settings["console"]["aws_environment_variables"])
    values |= {"HUB_HOME": "/var/lib/channels-hub", "AWS_DEFAULT_REGION": region}
    queue, options = WORKERS[box]
    values["WORKER_OPTIONS"] = f"--queues {values['HUB_QUEUE_PREFIX']}{queue} {options}".rstrip()
    if box == "deploys":
        values["HUB_SECRETS"] = f"{values['HUB_SECRETS']},channels-hub/{values['HUB_STAGE']}/deploys"
    return [f"{name}={json.dumps(value)}" for name, value in sorted(values.items())]


def main() -> None:
    sys.stdout.write("\n".join(lines(sys.argv[1], sys.argv[2], json.load(sys.stdin))) + "\n")


if __name__ == "__main__":
    main()
