"""Poison: what a run puts on the hub's queues and nobody can process, and what has to become of each record.

It is a dead letter at its fifth delivery. How soon that comes depends on its queue: `errands` delivers again
after 90 s, so that a run may end before. Then the record must still be there.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

MARK = "poison-of-the-chaos-run"
CONSOLE_JOBS = "console-jobs"
_NOBODY = "00000000-0000-4000-8000-000000000000"


class End(StrEnum):
    """What has to become of a record, in the words of the report."""

    LETTER = "a dead letter, which ops see"
    TOLD = "a dead letter, of which its organization's staff are told"
    NOTHING = "nothing: it speaks of what is not there, as after an erasure"
    LATER = "a dead letter after hours, or deleted by Celery: no contact waits for a job"


@dataclass(frozen=True)
class Poison:
    """A record. `mark` is in its body, and in no other's."""

    queue: str
    mark: str
    body: str
    end: End


_UNKNOWN: Mapping[str, tuple[dict[str, object], End]] = {
    "dm-inbound.fifo": (
        {"channel": _NOBODY, "received_at": 1.0, "inbound": {"type": "message"}},
        End.NOTHING,
    ),
    "dm-outbound.fifo": ({"message": 2**40}, End.NOTHING),
    "wakeups": ({"turn": 2**40}, End.NOTHING),
    "errands": ({"media": 2**40}, End.NOTHING),
    "llm-requests": ({"organization": "nobody"}, End.LETTER),
    "llm-replies": ({"id": _NOBODY, "status": "completed", "text": "Certainly."}, End.NOTHING),
    CONSOLE_JOBS: ({"id": _NOBODY}, End.LATER),
}
"""Well-formed JSON that speaks of what is not there; llm_api cannot tell to whom it would have to reply."""


def records(channel_id: str) -> list[Poison]:
    """For every queue rubbish, and something that speaks of what is not there; and what the platform of this
    channel can never have sent."""
    found = []
    for queue, (fields, end) in _UNKNOWN.items():
        rubbish, unknown = f"{MARK}:rubbish:{queue}", f"{MARK}:unknown:{queue}"
        rubbish_end = End.LATER if queue == CONSOLE_JOBS else End.LETTER
        found.append(Poison(queue, rubbish, f"{{rubbish {rubbish}", rubbish_end))
        found.append(Poison(queue, unknown, json.dumps(fields | {"mark": unknown}), end))
    unread = {"channel": channel_id, "received_at": 1.0, "inbound": {"type": "message"}}
    mark = f"{MARK}:unread:dm-inbound.fifo"
    return [*found, Poison("dm-inbound.fifo", mark, json.dumps(unread | {"mark": mark}), End.TOLD)]
