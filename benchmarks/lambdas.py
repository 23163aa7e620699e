"""What a Lambda costs: cold import in CPU seconds, peak memory, warm milliseconds per record, handler by
handler.

    .venv/bin/python -m benchmarks.lambdas [--rounds 5]

Cold: a fresh process imports the handler, makes its SQS client and opens its database connection; CPU time,
so that a busy machine does little harm. Warm: the handler's own time per record with a real Postgres and
queues in memory, so without the time of SQS and of the platform.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from typing import Any

AIMS = {"cold_cpu_seconds": 0.35, "peak_mb": 80.0, "warm_ms": 5.0}
HANDLERS = ("webhook", "inbound", "wakeups", "replies", "outbound", "errands", "dead_letters", "sweep")
WARM_RECORDS = 60


def measure_cold(handler: str) -> dict[str, float]:
    """CPU seconds and peak memory of this process, which has done nothing else."""
    import importlib
    import resource
    import time

    begun = time.process_time()
    importlib.import_module(f"hub_lambdas.{handler}")
    from django.db import connection

    from hub_lambdas import queues

    queues.client()
    connection.ensure_connection()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {"cold_cpu_seconds": time.process_time() - begun, "peak_mb": usage.ru_maxrss / 1024}


def measure_warm() -> dict[str, float]:
    """Milliseconds per record of each handler on the way of WARM_RECORDS messages, one record a call."""
    import time

    from benchmarks.stage import Stage

    stage = Stage()
    spent: dict[str, list[float]] = {}

    def timed(name: str, call: Callable[[], Any]) -> None:
        begun = time.perf_counter()
        call()
        spent.setdefault(name, []).append((time.perf_counter() - begun) * 1000)

    for number in range(WARM_RECORDS + 5):
        for name, call in stage.journey(f"contact-{number}"):
            timed(name, call)
    return {name: statistics.median(times[5:]) for name, times in spent.items()}


def run_child(*arguments: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.lambdas", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def print_table(rounds: int) -> None:
    warm = run_child("--warm")
    print(f"cold: median of {rounds}")
    print(f"{'handler':<14}{'cold CPU s':>12}{'peak MB':>10}{'warm ms/record':>16}")
    for handler in HANDLERS:
        colds = [run_child("--cold", handler) for _ in range(rounds)]
        cpu = statistics.median(cold["cold_cpu_seconds"] for cold in colds)
        peak = statistics.median(cold["peak_mb"] for cold in colds)
        per_record = f"{warm[handler]:.1f}" if handler in warm else "-"
        print(f"{handler:<14}{cpu:>12.2f}{peak:>10.0f}{per_record:>16}")
    cpu, peak, warm_ms = AIMS["cold_cpu_seconds"], AIMS["peak_mb"], AIMS["warm_ms"]
    print(f"{'aim, at most':<14}{cpu:>12.2f}{peak:>10.0f}{warm_ms:>16.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cold", choices=HANDLERS, help=argparse.SUPPRESS)
    parser.add_argument("--warm", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.cold:
        print(json.dumps(measure_cold(arguments.cold)))
    elif arguments.warm:
        print(json.dumps(measure_warm()))
    else:
        from benchmarks.environment import prepare

        prepare()
        print_table(arguments.rounds)


if __name__ == "__main__":
    main()
