"""What this machine's processor can do."""

from __future__ import annotations

from pathlib import Path

import pytest


def _flags() -> set[str]:
    try:
        return set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return set()


needs_amx = pytest.mark.skipif(
    "amx_bf16" not in _flags(), reason="the processor has no AMX, whose kernels these are"
)
