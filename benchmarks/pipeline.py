"""How long a message takes through the pipeline, hop by hop, without the LLM's own time.

    .venv/bin/python -m benchmarks.pipeline [--messages 60] [--pause 0.5]

Starts everything as `make run` does, with an LLM that answers at once, and writes to the web chat as one
new contact after another. The figures come from the ledger; "beyond the window" is last message to reply
less the burst window.
"""

import argparse
import json
import secrets
import time
import urllib.request

from benchmarks.instant_llm import instant_llm
from tests.running_stack import RunningStack

AIM_P95_MS = 300
WINDOW_MS = 1000
SETTLE_SECONDS = 60
SLUG = "bright-smile"


def write(chat_url: str, text: str) -> None:
    """One message of a new contact."""
    body = json.dumps({"id": secrets.token_hex(8), "text": text}).encode()
    headers = {"authorization": f"Bearer {secrets.token_urlsafe(32)}", "content-type": "application/json"}
    request = urllib.request.Request(chat_url, data=body, headers=headers, method="POST")  # noqa: S310 - our own
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
        if response.status != 202:
            raise RuntimeError(f"the web chat answered {response.status}")


def report_when_settled(stack: RunningStack) -> dict[str, object]:
    """The ledger once nothing is open."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        report: dict[str, object] = json.loads(stack.manage("ledger", "--organization", SLUG, "--json"))
        if not report["open"] or time.monotonic() > deadline:
            return report
        time.sleep(1)


def print_report(report: dict[str, object]) -> None:
    latency = report["latency_ms"]
    assert isinstance(latency, dict)
    print(f"turns {report['turns']}, answered {report['answered']}, duplicates {report['duplicates']}")
    print(f"{'ms':<20}{'p50':>8}{'p95':>8}{'p99':>8}")
    for hop, spread in latency["hops"].items():
        print(f"{hop:<20}{spread['p50']:>8}{spread['p95']:>8}{spread['p99']:>8}")
    beyond = {name: latency[name] - WINDOW_MS for name in ("p50", "p95", "p99")}
    print(f"{'beyond the window':<20}{beyond['p50']:>8}{beyond['p95']:>8}{beyond['p99']:>8}")
    print(f"{'aim, at most':<20}{'':>8}{AIM_P95_MS:>8}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=60)
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between messages")
    arguments = parser.parse_args()
    settings = {"HUB_NEW_CONTACTS_PER_ADDRESS": "0"}  # they all write from here
    with instant_llm() as url, RunningStack(HUB_LLM_URL=url, **settings) as stack:
        for number in range(arguments.messages):
            write(stack.chat_url, f"How much is a whitening? ({number})")
            time.sleep(arguments.pause)
        print_report(report_when_settled(stack))


if __name__ == "__main__":
    main()
