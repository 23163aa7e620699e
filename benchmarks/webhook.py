"""How long a platform waits for the answer to a webhook, warm: from the Lambda's event to its answer, with a
real Postgres and the queues of the local emulator of SQS.

    .venv/bin/python -m benchmarks.webhook [--webhooks 200]

For each kind one message a webhook, and for Meta's kinds also webhooks of the hub's own app with 10 entries,
each for a channel of another organization. "cpu" is the median of the function's own CPU time, which other
programs on the machine lengthen less. What a gateway adds is not in it, and SQS answers at its own speed.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.environment import prepare
from tests.emulator import emulator

AIM_MS = 100
WARM_UP = 10
Event = dict[str, Any]


def measure(make: Callable[[], Event], webhooks: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each webhook by the clock and of CPU, without those that warm up."""
    from hub_lambdas import webhook

    elapsed, used = [], []
    for _ in range(WARM_UP + webhooks):
        event = make()
        begun, used_before = time.perf_counter(), time.process_time()
        answer = webhook.handler(event, None)
        elapsed.append((time.perf_counter() - begun) * 1000)
        used.append((time.process_time() - used_before) * 1000)
        if not 200 <= answer["statusCode"] < 300:
            raise RuntimeError(f"the webhook answered {answer}")
    return elapsed[WARM_UP:], used[WARM_UP:]


def all_webhooks() -> Iterator[tuple[str, Callable[[], Event]]]:
    """What makes webhooks of a name, each time another."""
    from django.conf import settings

    from benchmarks.stage import prepare_database
    from benchmarks.webhooks import BATCH, META, SIGNED_WITH, batched, single
    from hub_lambdas.channels import KINDS

    settings.META_APP_SECRET, settings.META_VERIFY_TOKEN = SIGNED_WITH, "token"
    prepare_database()
    for name in KINDS:
        yield name, single(name)
    for name in META:
        yield f"{name}, {BATCH} organizations", batched(name)


def print_row(name: str, elapsed: list[float], used: list[float]) -> None:
    marks = statistics.quantiles(elapsed, n=100, method="inclusive")
    figures = (statistics.median(used), marks[49], marks[94], marks[98], max(elapsed))
    print(f"{name:<30}{''.join(f'{each:>9.1f}' for each in figures)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--webhooks", type=int, default=200, help="of each sort")
    webhooks = parser.parse_args().webhooks
    prepare()
    with emulator(Path(os.environ["HUB_HOME"]), "sqs,cloudformation") as url:
        os.environ["AWS_ENDPOINT_URL"] = url
        os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
        from infra.local import queues

        queues.apply_queues()
        print("".join([f"{'ms':<30}", *(f"{each:>9}" for each in ("cpu", "p50", "p95", "p99", "most"))]))
        for name, make in all_webhooks():
            print_row(name, *measure(make, webhooks))
        print(f"{'aim, at most':<30}{AIM_MS:>36}")


if __name__ == "__main__":
    main()
