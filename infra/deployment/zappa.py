"""Zappa's command line, each call a process of its own."""

import json
import multiprocessing
import re
import tempfile
from collections.abc import Callable, Mapping
from multiprocessing.connection import wait
from pathlib import Path
from threading import Lock

from hub_lambdas.sentences import stored
from infra.deployment.errors import ZappaError
from infra.deployment.settings import Settings

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_RAISED = re.compile(r"(?:\w+\.)*(?P<kind>\w+(?:Error|Exception)): (?P<what>.+)")
_SAID_LINES = 12
SAID = "said.txt"
"""What Zappa prints, in the folder where it runs."""
_PROCESSES = multiprocessing.get_context("forkserver")
_LOCK = Lock()
"""A start looks at all other processes, too, and how one ended can be read once."""
_PROCESSES.set_forkserver_preload(["infra.deployment.zappa_process"])


class Zappa:
    """Runs Zappa in an environment that leads it to the stage. `say` is told of each function that is given
    a package. Each call raises ZappaError."""

    def __init__(
        self, environment: Mapping[str, str], say: Callable[[str], None] = lambda function: None
    ) -> None:
        self._environment, self._say = environment, say

    def deploy(self, settings: Settings, function: str, package: str) -> None:
        """Make a function of the package at an s3:// address."""
        self._say(function)
        self._run(settings, "deploy", function, "--zip", package, "--disable_progress")

    def update(self, settings: Settings, function: str, package: str) -> None:
        """Give a function the package at an s3:// address, and its settings."""
        self._say(function)
        self._run(settings, "update", function, "--zip", package, "--disable_progress")

    def manage(self, settings: Settings, function: str, command: str) -> str:
        """Run a command of manage.py in a function; what it printed."""
        return self._run(settings, "manage", function, command, "--no-color")

    def _run(self, settings: Settings, command: str, function: str, *arguments: str) -> str:
        # In a folder of its own: Zappa reads all code where it runs, and leaves templates there.
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "zappa_settings.json").write_text(json.dumps(settings))
            process = _PROCESSES.Process(
                target=_run, args=(folder, dict(self._environment), [command, function, *arguments])
            )
            with _LOCK:
                process.start()
            wait([process.sentinel])
            with _LOCK:
                process.join()
            said = _COLOURS.sub("", Path(folder, SAID).read_text()).strip()
        if process.exitcode:
            raise ZappaError(
                stored(
                    "zappa %(command)s %(function)s failed: %(reason)s",
                    command=command,
                    function=function,
                    reason=reason(said),
                )
            )
        return said


def _run(folder: str, environment: Mapping[str, str], arguments: list[str]) -> None:
    from infra.deployment import zappa_process  # there already, in the process that this one is a fork of

    zappa_process.run(folder, environment, arguments)


def reason(said: str) -> str:
    """The exception that ended it, where there was one; else the last that it said."""
    lines = said.splitlines()
    raised = [found for line in lines if (found := _RAISED.fullmatch(line))]
    if not raised:
        return "\n".join(lines[-_SAID_LINES:])
    kind, what = raised[-1]["kind"], raised[-1]["what"]
    return what if kind == "CommandError" else f"{kind}: {what}"  # a command says it in a sentence
