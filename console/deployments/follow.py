"""A program whose lines are followed while it runs, and that can be cancelled meanwhile."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from hub_lambdas.sentences import stored

LOOK_SECONDS = 1.0
SAID_LINES = 12


def follow(
    command: Sequence[str], folder: Path, is_cancelled: Callable[[], bool]
) -> Generator[dict[str, Any], None, None]:
    """Run a program in `folder`; gives each JSON object that it prints on a line of its own. Each second
    `is_cancelled` is asked: once that is so, and the program has said something, it gets a SIGINT. Where it
    ends without having said its outcome, the last that it printed is the reason of a failed one. Closing the
    generator kills it."""
    with subprocess.Popen(  # noqa: S603 - our own arguments
        command,
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield from _told(process, is_cancelled)
        finally:
            process.kill()


def _told(process: "subprocess.Popen[str]", is_cancelled: Callable[[], bool]) -> Iterator[dict[str, Any]]:
    lines: SimpleQueue[str | None] = SimpleQueue()
    Thread(target=_pump, args=(process, lines), daemon=True).start()
    others: list[str] = []
    has_outcome = has_spoken = is_interrupted = False
    while True:
        if is_cancelled() and has_spoken and not is_interrupted:
            process.send_signal(signal.SIGINT)
            is_interrupted = True
        try:
            line = lines.get(timeout=LOOK_SECONDS)
        except Empty:
            continue
        if line is None:
            break
        said = _object(line)
        if said is None:
            others = [*others, line.rstrip()][-SAID_LINES:]
        else:
            has_spoken, has_outcome = True, has_outcome or "outcome" in said
            yield said
    if not has_outcome:
        yield {"outcome": "failed", "reason": "\n".join(others) or stored("It ended without a word.")}


def _pump(process: "subprocess.Popen[str]", lines: "SimpleQueue[str | None]") -> None:
    with suppress(ValueError):  # the pipe was closed under it: nobody follows any more
        for line in process.stdout or ():
            lines.put(line)
    lines.put(None)


def _object(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
