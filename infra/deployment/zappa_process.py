"""Zappa's command line, imported once and run in a process for each call: the import takes longer than most
of what it is called for."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import zappa.cli

from infra.deployment.zappa import SAID
from infra.local.processes import follow_parent

# It asks PyPI at each call whether there is a newer one.
zappa.cli.check_new_version_available = lambda this_version: False


def run(folder: str, environment: Mapping[str, str], arguments: Sequence[str]) -> None:
    """Be Zappa, in a folder and an environment of its own; ends the process with Zappa's exit status. In a
    session of its own, too: a Ctrl-C for us must not reach it half-way. But it ends with us, so that the next
    deploy does not meet it."""
    follow_parent(os.getppid())
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    with Path(SAID).open("w") as said:
        os.dup2(said.fileno(), sys.stdout.fileno())
        os.dup2(said.fileno(), sys.stderr.fileno())
    sys.argv = ["zappa", *arguments]
    zappa.cli.handle()
