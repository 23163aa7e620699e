"""Reads JSON that somebody else wrote: any value may stand anywhere, and nothing here raises."""

import hashlib
import re
from datetime import UTC, datetime
from typing import Any

_MAX_INTEGER = 2**63
_WEB_ADDRESS = re.compile(r"https?://[!-~]{1,2000}")
_LINE_LENGTH = 200
_PLAUSIBLE_EPOCH_SECONDS = range(946_684_800, 4_102_444_800)
"""2000 to 2100: whatever lies outside is no time at which a message was written."""


def find(value: Any, *path: str) -> Any:
    """What lies at `path` in nested objects; None where there is nothing."""
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def text(value: Any, *path: str) -> str:
    """The string at `path`, "" where there is none."""
    found = find(value, *path)
    return found if isinstance(found, str) else ""


def line(value: Any, *path: str) -> str:
    """The string at `path` as a line that can be shown and stored."""
    return "".join(each for each in text(value, *path) if each.isprintable())[:_LINE_LENGTH]


def web_address(value: Any, *path: str) -> str:
    """The address at `path`, "" where there is none or one that is too long for any platform's."""
    found = text(value, *path)
    return found if _WEB_ADDRESS.fullmatch(found) else ""


def integer(value: Any, *path: str) -> int | None:
    """The whole number of at most 64 bits at `path`."""
    return whole(find(value, *path))


def whole(value: Any) -> int | None:
    """`value` if it is a whole number of at most 64 bits."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if -_MAX_INTEGER <= value < _MAX_INTEGER else None


def moment(value: Any, *path: str) -> datetime | None:
    """The time at `path`, given in seconds since 1970; None for an absurd one."""
    seconds = integer(value, *path)
    if seconds is None or seconds not in _PLAUSIBLE_EPOCH_SECONDS:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def digest(content: bytes) -> str:
    """An id for something that came without one: the same content has the same."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
