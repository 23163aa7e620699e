"""Our LLM service, the packaged `llama_cpp.server` and llama.cpp's llama-server, on the same requests.

    make bench-llm, or .venv/bin/python -m benchmarks.llm [--quick] [--rounds 3] ...

Each server is started afresh, with nothing in its memory (`--warm`: with what it keeps of one question to
each organization), and is asked over HTTP on the loopback; no two run at a time. All have the same model
file, requests and greedy settings, and are ended with the run. Prints the tables of docs/llm_benchmark.md and
draws its picture. It is about time: nothing else should run meanwhile.
"""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.llm.comparison import Comparison, Plan
from benchmarks.llm.llama_server import SETTINGS
from benchmarks.llm.picture import picture
from benchmarks.llm.progress import Progress
from benchmarks.llm.report import report
from benchmarks.llm.servers import ROOT, Kind, ServerFailed, kinds
from benchmarks.llm.tuned import LLAMA_SERVER_TUNED, OURS_TUNED, tuned_kinds
from llm_api.settings import find_packaged_model

PICTURE = ROOT / "docs/images/llm_benchmark.svg"


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, and so ends the servers
    arguments, progress = _arguments(), Progress()
    try:
        with tempfile.TemporaryDirectory(prefix="bench-llm-") as folder:
            plan = _plan(arguments, Path(folder) / "tuned")
            results = Comparison(plan, Path(folder), progress).run()
    except ServerFailed as error:
        progress.say(str(error))
        return 1
    except KeyboardInterrupt:
        progress.say("Stopped; the servers have ended.")
        return 130
    print(report(plan, results))
    if not (arguments.quick or arguments.warm):
        arguments.picture.write_text(picture(plan, results), encoding="utf-8")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [*(each.name for each in kinds()), OURS_TUNED, LLAMA_SERVER_TUNED]
    add = parser.add_argument
    add("--quick", action="store_true", help="1 round, 20 organizations, no Poisson arrivals")
    add("--warm", action="store_true", help="ask each organization once before; no picture")
    add("--rounds", type=int, default=3)
    add("--servers", nargs="+", choices=names, default=names)
    add("--organizations", nargs="+", type=int, default=[20, 200])
    add("--poisson", nargs="*", type=int, default=[20], help="numbers of organizations with Poisson arrivals")
    add("--burst", type=int, default=16, help="requests at once")
    add("--patience", type=float, default=240.0, help="seconds after which a request of a burst is given up")
    add(
        "--serial",
        type=float,
        default=12.0,
        help="the same for the packaged server",
    )
    add("--poisson-rounds", type=int, default=1, help="rounds with Poisson arrivals")
    add("--probe", type=float, default=15.0, help="seconds of Poisson arrivals at each rate")
    add("--limit", type=float, default=24.0, help="minutes: no round begins that would not end by then")
    add("--seed", type=int, default=1)
    add("--threads", type=int, default=os.cpu_count() or 1)
    add("--checkout", type=Path, default=ROOT, help="another checkout of this project, whose llm_api is ours")
    add("--picture", type=Path, default=PICTURE)
    add("--llama-server", default=SETTINGS, metavar="FLAGS", help="in place of '%(default)s'")
    add("--model", type=Path, help="a GGUF file in place of the embedded model")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.organizations, arguments.poisson, arguments.burst = 1, [20], [], 16
        arguments.patience = 48.0
    return arguments


def _plan(arguments: argparse.Namespace, tuned: Path) -> Plan:
    model = (arguments.model or find_packaged_model()).resolve()
    return Plan(
        model=model,
        threads=arguments.threads,
        kinds=[each for each in _kinds(arguments, model, tuned) if each.name in arguments.servers],
        organizations=arguments.organizations,
        climbed=[each for each in arguments.poisson if each in arguments.organizations],
        rounds=arguments.rounds,
        climbing_rounds=arguments.poisson_rounds,
        burst=arguments.burst,
        serial_seconds=arguments.serial,
        patience_seconds=arguments.patience,
        probe_seconds=arguments.probe,
        limit_seconds=arguments.limit * 60,
        seed=arguments.seed,
        is_warm=arguments.warm,
    )


def _kinds(arguments: argparse.Namespace, model: Path, tuned: Path) -> Sequence[Kind]:
    checkout = arguments.checkout.resolve()
    all_three = kinds(checkout, arguments.llama_server)
    if not {OURS_TUNED, LLAMA_SERVER_TUNED} & set(arguments.servers):
        return all_three
    return [*all_three, *tuned_kinds(model, arguments.threads, all_three, checkout, tuned)]


if __name__ == "__main__":
    sys.exit(main())
