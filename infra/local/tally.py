"""How infra.local.metrics hears of invocations: a datagram for each, which nobody waits for.

The socket has a name that only the kernel keeps (unix(7), abstract sockets): no file to clear away, and the
length of HUB_HOME does not matter.
"""

import contextlib
import hashlib
import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.local.environment import home_of


@dataclass(frozen=True)
class Invocation:
    """One invocation of a function that is over. `failed`: it raised, or was ended."""

    function: str
    milliseconds: float
    failed: bool


def address_of(home: Path) -> str:
    """The socket of the stack in a home."""
    return f"\0channels-hub-{hashlib.sha256(os.fsencode(home)).hexdigest()[:16]}"


def tell(invocation: Invocation) -> None:
    """Tell of an invocation, if anybody listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, contextlib.suppress(OSError):
        sender.setblocking(False)
        sender.sendto(json.dumps(asdict(invocation)).encode(), address_of(home_of(os.environ)))


def heard(datagram: bytes) -> Invocation | None:
    """What was told; None where it is none of ours."""
    try:
        return Invocation(**json.loads(datagram))
    except (ValueError, TypeError):
        return None
