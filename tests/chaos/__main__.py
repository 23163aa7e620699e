"""`python -m tests.chaos`: a run whose exit status says whether every promise was kept."""

import argparse
import sys

from tests.chaos.plan import plan
from tests.chaos.run import Options, run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="another seed is another run")
    parser.add_argument("--messages", type=int, default=600)
    parser.add_argument("--organizations", type=int, default=20)
    parser.add_argument(
        "--seconds",
        type=float,
        default=0.0,
        help="how long contacts write; 0 = a second for four messages",
    )
    parser.add_argument(
        "--without", default="", metavar="SAFEGUARD,…", help="switch some off (see tests/chaos/sabotage)"
    )
    arguments = parser.parse_args()
    made = plan(arguments.seed, arguments.messages, arguments.organizations, seconds=arguments.seconds)
    outcome = run(made, Options(without=arguments.without), _print)
    _print(outcome.report)
    sys.exit(0 if outcome.count.is_kept else 1)


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
