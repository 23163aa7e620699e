"""Invoked with UNPACKED RUNTIME HANDLER and one event as JSON on each line of stdin: prints what the handler
answers, a line each, with nothing on the path but the package and what AWS has in its runtime."""

import importlib
import json
import sys

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
