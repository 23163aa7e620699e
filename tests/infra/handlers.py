"""Tiny handlers for the tests of the runner. Each appends the messages it was given to the file RECORD."""

import os
import sys
import time
from pathlib import Path
from typing import Any


def _bodies(event: dict[str, Any]) -> list[str]:
    bodies = [record["body"] for record in event["Records"]]
    with Path(os.environ["RECORD"]).open("a") as record:
        record.writelines(f"{body}\n" for body in bodies)
    return bodies


def succeed(event: dict[str, Any], context: Any) -> None:
    _bodies(event)


def fail_marked(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Fails each message whose body starts with "bad"."""
    _bodies(event)
    failed = [record for record in event["Records"] if record["body"].startswith("bad")]
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in failed]}


def fail_from_first(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """As on a FIFO queue: the first bad message fails, and so does all after it. Good at a second try."""
    bodies = (
        Path(os.environ["RECORD"]).read_text().splitlines() if Path(os.environ["RECORD"]).exists() else []
    )
    failed: list[dict[str, str]] = []
    _bodies(event)
    for record in event["Records"]:
        if failed or (record["body"].startswith("bad") and record["body"] not in bodies):
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


def throw(event: dict[str, Any], context: Any) -> None:
    _bodies(event)
    raise RuntimeError("no luck")


def answer_nonsense(event: dict[str, Any], context: Any) -> Any:
    _bodies(event)
    return ["all", "went", "well"]


def hang_when_told(event: dict[str, Any], context: Any) -> None:
    if "hang" in _bodies(event):
        time.sleep(600)


def exit_when_told(event: dict[str, Any], context: Any) -> None:
    if "exit" in _bodies(event):
        sys.exit(3)


def take_a_moment(event: dict[str, Any], context: Any) -> None:
    """Says when it began and when it was done."""
    _bodies(event)
    time.sleep(1.5)
    with Path(os.environ["RECORD"]).open("a") as record:
        record.write("done\n")


def tick(event: dict[str, Any], context: Any) -> None:
    with Path(os.environ["RECORD"]).open("a") as record:
        record.write(f"{event['detail-type']} {context.function_name}\n")
