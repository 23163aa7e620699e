"""wakeups → do what is due for a turn now."""

import hub_lambdas.runtime  # noqa: F401, I001 - starts Django before any model is imported

import json
from collections.abc import Mapping
from typing import Any

from hub_lambdas import actions, batch


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Look again at each turn that asked to be looked at."""
    return batch.process(event, _wake)


def _wake(record: batch.SqsRecord) -> None:
    actions.advance(json.loads(record["body"])["turn"])
