"""A repository to deploy from, whose commits put themselves on a stage that is a file.

Its `infra.deployment.job` speaks as ours does and keeps what it did in `Repository.state`; a step is held up
for as long as `hold` says so.
"""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from infra.local.environment import ROOT

JOB = """
import json, os, signal, sys, time
from pathlib import Path

FOLDER = Path({folder!r})
STATE, HOLD = FOLDER / "state.json", FOLDER / "hold"
cancelled, parent = [], os.getppid()
signal.signal(signal.SIGINT, lambda *_: cancelled.append(1))

def say(**facts):
    print(json.dumps(facts), flush=True)

def done_by(**changes):
    STATE.write_text(json.dumps(json.loads(STATE.read_text()) | changes))

task, stage, *rest = sys.argv[1:]
state = json.loads(STATE.read_text())
if task == "look":
    told = ("place", "needs_approval", "release", "before", "kept", "history", "problem")
    say(**{{name: state[name] for name in told}})
    sys.exit()
say(ready=True)
release, who = rest[0], rest[rest.index("--who") + 1]
assert task == "rollback" or Path(".git/HEAD").read_text().strip() == release, "another commit lies here"
done_by(calls=[*state["calls"], [task, stage, release[:12], who]])
done = state["done"] if state["at"] == release else []
for step in ("build", "update"):
    if cancelled and step != "build":  # heard that soon or not, the first step is done
        say(outcome="cancelled", reason=f"Cancelled before “{{step}}”.")
        sys.exit(1)
    say(began=step)
    say(said=f"{{step}} in hand")
    while HOLD.exists() and HOLD.read_text() == step and not cancelled:
        time.sleep(0.05)
        if os.getppid() != parent:
            sys.exit()
    say(ended=step, note="kept from before" if step in done else "made", seconds=1.5)
    done = [*done, step]
    done_by(at=release, done=done)
if "breaks" in state:
    print(state["breaks"])
    sys.exit(1)
kept = list(dict.fromkeys([release[:12], *state["kept"]]))
before = kept[1] if len(kept) > 1 else ""
done_by(release=release[:12], kept=kept, before=before, done=[], at="")
say(outcome="done", reason="")
"""
WHO = ("-c", "user.name=ann", "-c", "user.email=ann@example.com")
NOTHING: dict[str, Any] = {
    "place": "a file",
    "needs_approval": False,
    "release": "",
    "before": "",
    "kept": [],
    "history": [],
    "problem": "",
    "calls": [],
    "done": [],
    "at": "",
}


class Repository:
    """A repository with one commit, and the stage that its commits are put on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.root = folder / "repository"
        package = self.root / "infra" / "deployment"
        package.mkdir(parents=True)
        for path in (package.parent, package):
            (path / "__init__.py").touch()
        shutil.copytree(ROOT / "requirements", self.root / "requirements")  # else they would be installed
        (package / "job.py").write_text(JOB.format(folder=str(folder)))
        self.installed = folder / "installed"
        """The release that the worker itself is of; no commit changes it."""
        shutil.copytree(self.root, self.installed)
        self.set(**NOTHING)
        self.git("init", "--quiet", "--initial-branch=main")
        self.first = self.commit("The first release")

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._state.read_text())
        return found

    def set(self, **changes: Any) -> None:
        """Change what the stage is."""
        before = self.state if self._state.exists() else {}
        self._state.write_text(json.dumps(before | changes))

    def hold(self, step: str) -> None:
        """Let deploys go on to this step, and no further; "" lets them go."""
        (self._folder / "hold").write_text(step)

    def commit(self, subject: str, *files: str) -> str:
        """Commit these files with something new in them; the hash."""
        for name in files:
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(subject)
        self.git("add", ".")
        self.git(*WHO, "commit", "--quiet", "--allow-empty", "--message", subject)
        return self.git("rev-parse", "HEAD").strip()

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.root, check=True, capture_output=True, text=True)
        return done.stdout

    @property
    def _state(self) -> Path:
        return self._folder / "state.json"
