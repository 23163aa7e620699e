"""Invoked with FOLDER STAGE RELEASE: a deploy in a process of its own, which can be killed. FOLDER holds the
stage's file and, below the release's name, its packages."""

import sys
from pathlib import Path

from infra.deployment.__main__ import Terminal
from infra.deployment.running import Caller, deploy
from infra.deployment.stage import load_stage


class Built:
    """The packages of a release that were built before."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        return ["functions.zip", "console.zip", "static.zip"]

    def archive(self) -> None:
        """A stage on this machine has no LLM boxes."""

    def build(self, name: str) -> Path:
        return self._folder / name

    def check(self, name: str, path: Path) -> str:
        return ""


def deploy_once(folder: Path, stage: str, release: str) -> None:
    caller = Caller("ann", Terminal(), lambda: False)
    deploy(load_stage(stage, folder), release, caller, Built(folder / release))


if __name__ == "__main__":
    deploy_once(Path(sys.argv[1]), *sys.argv[2:])
