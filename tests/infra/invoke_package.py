"""Invoked with UNPACKED RUNTIME HANDLER and one event as JSON on each line of stdin: prints what the handler
answers, a line each, and at last the most memory that it took, with nothing on the path but the package and
what AWS has in its runtime."""

import importlib
import json
import sys
from pathlib import Path

sys.path[:0] = sys.argv[1:3]
module, _, name = sys.argv[3].rpartition(".")
handler = getattr(importlib.import_module(module), name)


class Context:
    function_name = invoked_function_arn = aws_request_id = "test"
    memory_limit_in_mb = 128

    def get_remaining_time_in_millis(self) -> int:
        return 10_000


for line in sys.stdin:
    sys.stdout.write(f"answer: {json.dumps(handler(json.loads(line), Context()))}\n")

status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
sys.stdout.write(f"peak: {int(status['VmHWM'].split()[0]) / 1024}\n")
