"""Deploys, rollbacks and looks at a stage for a program that follows them: one JSON object on each line.

    python -m infra.deployment.job look STAGE
    python -m infra.deployment.job deploy|rollback STAGE RELEASE --who WHO [--patience-seconds N]

A look says what is there: {"place", "needs_approval", "release", "before", "kept", "history", "problem"}.
The others say {"ready": true} once they can be cancelled, {"began": step}, {"said": what it has in hand}, and
{"ended": step, "note", "seconds"} or {"failed": step, "reason", "seconds"}; at last
{"outcome": "done" | "failed" | "cancelled", "reason"}. SIGINT cancels after the step in hand; SIGTERM and the
death of the program that follows end it at once, and the same again does the rest.
"""

import argparse
import json
import os
import signal
import socket
import sys
import time
from dataclasses import asdict
from threading import Event
from typing import Any

from hub_lambdas.sentences import stored
from infra.deployment.errors import Cancelled, DeployError, Locked, ReleaseError
from infra.deployment.ground import Ground
from infra.deployment.plan import Step, carry_out
from infra.deployment.releases import CANCELLED, DONE, FAILED, ROLLBACK, Releases
from infra.deployment.running import Caller, aws_errors, deploy, releases_of, roll_back
from infra.deployment.stage import Stage, load_stage
from infra.local.environment import load_env_file
from infra.local.processes import follow_parent
from infra.packages.errors import PackageError

HISTORY = 50
"""So many of the latest deploys and rollbacks are told of."""
RETRY_SECONDS = 5.0


class Lines:
    """Reports each step as a line."""

    def began(self, step: str) -> None:
        say(began=step)

    def said(self, what: str) -> None:
        say(said=what)

    def ended(self, step: str, note: str, seconds: float) -> None:
        say(ended=step, note=note, seconds=round(seconds, 1))

    def failed(self, step: str, reason: str, seconds: float) -> None:
        say(failed=step, reason=reason, seconds=round(seconds, 1))


def say(**facts: Any) -> None:
    sys.stdout.write(f"{json.dumps(facts)}\n")  # in one piece, since steps have threads
    sys.stdout.flush()


def look(stage: Stage) -> dict[str, Any]:
    """What runs on a stage and what ran, the latest first."""
    found: dict[str, Any] = {"place": stage.place, "needs_approval": stage.needs_approval}
    found |= {"release": "", "before": "", "kept": [], "history": [], "problem": ""}
    if stage.emulator and not Ground(stage, stage.emulator).is_up():
        return found | {"problem": stored("It is not started: a deploy starts it.")}
    try:
        with aws_errors():
            found |= _look(releases_of(stage))
    except DeployError as error:
        found["problem"] = str(error)
    return found


def _look(releases: Releases) -> dict[str, Any]:
    try:
        before = releases.one_before()
    except ReleaseError:
        before = ""
    return {
        "release": releases.current() or "",
        "before": before,
        "kept": releases.kept(),
        "history": [asdict(entry) for entry in releases.told(socket.gethostname())[:HISTORY]],
    }


def put(task: str, stage: Stage, release: str, who: str, patience_seconds: float) -> int:
    """Deploy a release or go back to it; the exit status. A lock that another holds is waited for as long as
    `patience_seconds`: the one of a deploy that was killed ends by itself."""
    cancelled = Event()
    signal.signal(signal.SIGINT, lambda *_: cancelled.set())
    say(ready=True)
    caller = Caller(who, Lines(), cancelled.is_set)
    try:
        if stage.emulator:
            ground = Ground(stage, stage.emulator)
            begin = Step(stored("ground"), lambda: _start(ground))
            carry_out([begin], [], caller.report, caller.is_cancelled)
        _put_patiently(task, stage, release, caller, patience_seconds)
    except Cancelled as error:
        say(outcome=CANCELLED, reason=str(error))
        return 1
    except (DeployError, PackageError) as error:
        say(outcome=FAILED, reason=str(error))
        return 1
    say(outcome=DONE, reason="")
    return 0


def _start(ground: Ground) -> str:
    started = ", ".join(ground.start())
    return stored("started %(programs)s", programs=started or stored("nothing, it runs"))


def _put_patiently(task: str, stage: Stage, release: str, caller: Caller, patience_seconds: float) -> None:
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            if task == ROLLBACK:
                roll_back(stage, release, caller)
            else:
                deploy(stage, release, caller)
        except Locked:
            if time.monotonic() > deadline or caller.is_cancelled():
                raise
            time.sleep(RETRY_SECONDS)
        else:
            return


def main() -> None:
    follow_parent(os.getppid())
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=("look", "deploy", "rollback"))
    parser.add_argument("stage")
    parser.add_argument("release", nargs="?", default="")
    parser.add_argument("--who", default="")
    parser.add_argument("--patience-seconds", type=float, default=0.0)
    arguments = parser.parse_args()
    load_env_file()
    try:
        stage = load_stage(arguments.stage)
    except DeployError as error:
        sys.exit(str(error))
    if arguments.task == "look":
        say(**look(stage))
    else:
        sys.exit(put(arguments.task, stage, arguments.release, arguments.who, arguments.patience_seconds))


if __name__ == "__main__":
    main()
