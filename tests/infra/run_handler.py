"""Runs one of tests.infra.handlers under the real runner, as told by HANDLER TRIGGER TIMEOUT WORKERS.

TRIGGER is the ARN of a queue, or a number of seconds.
"""

import sys

from infra.local.lambdas import Runner, slots_of
from infra.local.logs import start_logging
from infra.local.triggers import Function, QueueTrigger, ScheduleTrigger, Trigger


def main(handler: str, source: str, timeout_seconds: str, workers: str) -> None:
    start_logging()
    trigger: Trigger = (
        QueueTrigger(source, 10) if source.startswith("arn:") else ScheduleTrigger("rate", float(source))
    )
    function = Function(
        stage="subject",
        name="hub-subject",
        handler=f"tests.infra.handlers.{handler}",
        region="us-east-1",
        timeout_seconds=float(timeout_seconds),
        memory_mb=128,
        environment={},
        triggers=(trigger,),
    )
    Runner(slots_of([function], int(workers))).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
