"""Logs of one JSON line each. Messages of contacts never reach them: errors appear by kind and place."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Of the request that is in work: each line that is logged meanwhile has it."""


class JsonLines(logging.Formatter):
    """`log.info("event", extra={"fields": {...}})` becomes one line with the fields in it."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **({"request_id": current} if (current := request_id.get()) else {}),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1]:
            line |= {"error": name_error(record.exc_info[1]), "at": _frames(record.exc_info[1])}
        return json.dumps(line, default=str)


def name_error(error: BaseException) -> str:
    """The kind of an error, without its text, which may quote a message."""
    return type(error).__name__


def start_logging(level: int = logging.INFO) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("httpx", "httpcore", "botocore", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _frames(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return " > ".join(f"{frame.name}:{frame.lineno}" for frame in frames)
