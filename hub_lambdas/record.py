"""The queue record that is being handled: what code far from its handler asks about it, or says of it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.conf import settings

MAX_RECEIVES = 5
"""The queues' maxReceiveCount: after this one it is a dead letter."""

SqsRecord = Mapping[str, Any]


class Unsent(Exception):
    """A queue did not take what the record's rows call for: they are stored, and the record comes again."""


@dataclass
class _Current:
    receives: int = 0
    is_unsent: bool = False


_current = _Current()


@contextmanager
def handling(record: SqsRecord) -> Iterator[None]:
    """What is done inside is done for this record. Raises Unsent at the end if `fail` was called."""
    _current.receives, _current.is_unsent = receives(record), False
    try:
        yield
        if _current.is_unsent:
            raise Unsent
    finally:
        _current.receives = 0


def fail() -> None:
    """Have the record come again, although its handler returns."""
    _current.is_unsent = True


def comes_again() -> bool:
    """Whether the record was handled before, perhaps without that what followed from it reached a queue."""
    return _current.receives > 1


def receives(record: SqsRecord) -> int:
    """How often a queue has given it to a handler, this time included."""
    return int(record["attributes"].get("ApproximateReceiveCount", 1))


def source_queue(record: SqsRecord) -> str:
    """Name of the queue that a record came from first, without the deployment's prefix."""
    name = str(record["eventSourceARN"]).rpartition(":")[2]
    return name.removeprefix(settings.QUEUE_PREFIX).replace("-dead", "")
