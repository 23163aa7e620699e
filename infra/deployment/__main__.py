"""Deploy a stage, or put it back to a release that ran before.

    make deploy STAGE=dev                 the commit that is checked out
    make rollback STAGE=dev [RELEASE=…]   the release before, or one that `make releases STAGE=dev` lists
    make restart STAGE=dev                have every function read its secrets anew
    make manage STAGE=dev COMMAND=…       run a command of manage.py there
    make stop STAGE=local                 end what an emulated stage stands on

Ctrl-C cancels after the step in hand, and what ran before runs again; a second one ends it at once, and the
next deploy does the rest.
"""

import argparse
import getpass
import signal
import socket
import sys
import time
from types import FrameType

from infra.deployment.errors import DeployError, StageError
from infra.deployment.ground import Ground
from infra.deployment.running import Caller, deploy, manage, releases_of, restart, roll_back
from infra.deployment.stage import Stage, load_stage
from infra.local.environment import load_env_file
from infra.packages.build import head
from infra.packages.errors import PackageError


class Terminal:
    """Prints each step with its time."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def say(self, text: str) -> None:
        print(f"[{time.monotonic() - self._started:6.1f} s] {text}", flush=True)  # noqa: T201

    def began(self, step: str) -> None:
        self.say(f"{step} …")

    def said(self, what: str) -> None:
        self.say(f"  {what} …")

    def ended(self, step: str, note: str, seconds: float) -> None:
        self.say(f"{step}: {seconds:.1f} s{f', {note}' if note else ''}")

    def failed(self, step: str, reason: str, seconds: float) -> None:
        self.say(f"{step}: FAILED after {seconds:.1f} s")  # the reason is the last that is said


class Interrupt:
    """Whether somebody pressed Ctrl-C. A second time ends the program."""

    def __init__(self, terminal: Terminal) -> None:
        self.is_wanted = False
        self._terminal = terminal
        signal.signal(signal.SIGINT, self._take)
        signal.signal(signal.SIGTERM, self._take)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self.is_wanted:
            raise KeyboardInterrupt
        self.is_wanted = True
        self._terminal.say("stopping after this step; Ctrl-C again ends it at once")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=("deploy", "rollback", "restart", "releases", "manage", "stop"))
    parser.add_argument("stage")
    parser.add_argument("what", nargs="?", help="a release to go back to; or a command with its arguments")
    arguments = parser.parse_args()
    load_env_file()
    try:
        _do(arguments.task, load_stage(arguments.stage), arguments.what)
    except (DeployError, PackageError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Ended at once: `make deploy` again does the rest, `make rollback` undoes it.")


def _do(task: str, stage: Stage, what: str | None) -> None:
    terminal = Terminal()
    if task == "stop":
        terminal.say(f"stopped {', '.join(_ground(stage).stop()) or 'nothing'}")
        return
    if stage.emulator and (started := _ground(stage).start()):
        terminal.say(f"started {', '.join(started)}; `make stop STAGE={stage.name}` ends them")
    if task == "releases":
        _list(stage)
        return
    if task == "manage":
        terminal.say(manage(stage, what or "help"))
        return
    interrupt = Interrupt(terminal)
    caller = Caller(f"{getpass.getuser()}@{socket.gethostname()}", terminal, lambda: interrupt.is_wanted)
    if task == "deploy":
        release = head()
        deploy(stage, release, caller)
    elif task == "restart":
        release = restart(stage, caller)
    else:
        release = roll_back(stage, what, caller)
    terminal.say(f"{stage.name} runs {release[:12]}")


def _list(stage: Stage) -> None:
    releases = releases_of(stage)
    current = releases.current()
    for entry in releases.told(socket.gethostname()):
        mark = "  ← runs" if entry.release == current and entry.outcome == "done" else ""
        print(f"{entry.started}  {entry.task:<8}  {entry.release}  {entry.outcome:<11}  {entry.who}{mark}")  # noqa: T201


def _ground(stage: Stage) -> Ground:
    if stage.emulator is None:
        raise StageError(f"{stage.name} is on AWS, and nothing of it runs on this machine.")
    return Ground(stage, stage.emulator)


if __name__ == "__main__":
    main()
