"""llama.cpp's own server, which scripts/llama_server.sh compiles for this machine.

The settings were the fastest of those tried on the loads of this benchmark on two cores;
docs/llm_benchmark.md tells which were tried, and how each fared.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("llama-server")
SETTINGS = (
    "--parallel 1 --ctx-size 4096 --kv-unified --flash-attn off --ubatch-size 128"
    " --cache-ram 8192 --slot-prompt-similarity 0.1"
)


def llama_server_command(model: Path, host: str, port: int, threads: int, settings: str) -> Sequence[str]:
    """How to start it. `settings` are flags of its own."""
    return [
        str(PROGRAM),
        *("--model", str(model), "--host", host, "--port", str(port)),
        *("--threads", str(threads), "--threads-batch", str(threads)),
        *settings.split(),
    ]
