"""Small facts about processes that the runner and the stack share."""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1  # prctl(2)
_libc = ctypes.CDLL(None, use_errno=True)


def follow_parent(parent_id: int) -> None:
    """Have the kernel send SIGTERM to this process when its parent dies, however it dies."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent_id:  # it died before the line above
        os.kill(os.getpid(), signal.SIGTERM)
