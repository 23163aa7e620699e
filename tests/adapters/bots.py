"""Bots that others' code runs (bot.mjs), and what they make of webhooks."""

import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent
PATH = f"{FOLDER.parent.parent / '.venv' / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"


@dataclass(frozen=True)
class Bots:
    """Each address below `url` (/KIND/NAME) is a bot of its own."""

    url: str

    def call(self, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> str:
        """What they answer: the text of a 2xx, the status of anything else."""
        request = urllib.request.Request(self.url + path, body, dict(headers or {}))  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
                return str(response.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return str(error.code)

    def seen(self, path: str) -> list[dict[str, Any]]:
        """What the bot of an address has read in its webhooks, and what came of its answers."""
        seen: list[dict[str, Any]] = json.loads(self.call(f"/seen{path}"))
        return seen

    def sign(self, kind: str, **content: Any) -> str:
        """The signature of a platform, by code that is not ours."""
        return self.call(f"/sign/{kind}", json.dumps(content).encode())


@contextmanager
def running(settings: Mapping[str, Any]) -> Iterator[Bots]:
    """The bots, made with `settings` by kind. Skips the test where they cannot run, and fails it in CI."""
    node = shutil.which("node", path=PATH)
    if node is None or not (FOLDER / "node_modules" / "installed").is_file():
        tell = pytest.fail if "CI" in os.environ else pytest.skip
        tell("Node.js or its packages are missing: run scripts/node.sh.")
    command = [node, str(FOLDER / "bot.mjs"), json.dumps(settings)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            assert url, "the bots did not start: see Node's message above"
            yield Bots(url)
        finally:
            process.stdin.close()  # they end with it
            process.wait(10)
