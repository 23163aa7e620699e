"""One invocation of a handler: its context, and how AWS reads what it returned for a batch of messages."""

import contextlib
import json
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from infra.local.tally import Invocation, tell
from infra.local.triggers import Function


@dataclass(frozen=True)
class LambdaContext:
    """The context object of the Python runtime, as far as the local runner can fill it."""

    function_name: str
    invoked_function_arn: str
    memory_limit_in_mb: str
    timeout_seconds: float
    aws_request_id: str = field(default_factory=lambda: str(uuid4()))
    function_version: str = "$LATEST"
    log_group_name: str = ""
    log_stream_name: str = ""
    started_at: float = field(default_factory=time.monotonic)

    def get_remaining_time_in_millis(self) -> int:
        left_seconds = self.started_at + self.timeout_seconds - time.monotonic()
        return max(0, int(left_seconds * 1000))


def context_of(function: Function) -> LambdaContext:
    """A context for an invocation that starts now."""
    return LambdaContext(
        function_name=function.name,
        invoked_function_arn=function.arn,
        memory_limit_in_mb=str(function.memory_mb),
        timeout_seconds=function.timeout_seconds,
        log_group_name=f"/aws/lambda/{function.name}",
    )


@contextlib.contextmanager
def counted(context: LambdaContext) -> Iterator[None]:
    """Around a call of a handler: AWS counts invocations, and so does the emulator (infra.local.metrics)."""
    failed = True
    try:
        yield
        failed = False
    finally:
        took_seconds = time.monotonic() - context.started_at
        tell(Invocation(context.function_name, took_seconds * 1000, failed))


def failed_message_ids(result: Any, message_ids: Collection[str]) -> set[str]:
    """The messages of a batch that stay on the queue after a handler returned `result`.

    Rule ("Handling errors for an SQS event source in Lambda", success and failure conditions): null, an empty
    response and an empty or null list are a success; what cannot be read, or names no message of the batch,
    fails all of it.
    """
    everything = set(message_ids)
    try:
        json.dumps(result)  # the runtime answers in JSON; a result that is none is an error of the invocation
    except (TypeError, ValueError):
        return everything
    if result is None:
        return set()
    if not isinstance(result, dict):
        return everything
    failures = result.get("batchItemFailures")
    if failures is None:
        return set()
    if not isinstance(failures, list) or not all(isinstance(item, dict) for item in failures):
        return everything
    named = [item.get("itemIdentifier") for item in failures]
    return set(named) if all(name in list(message_ids) for name in named) else everything
