"""errands → what no answer waits for: the files that came with messages, and contacts' names."""

import hub_lambdas.runtime  # noqa: F401, I001 - starts Django before any model is imported

import json
from collections.abc import Mapping
from typing import Any

from hub_lambdas import batch, media, names


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Run each errand; one that was run already is let be."""
    return batch.process(event, _run)


def _run(record: batch.SqsRecord) -> None:
    errand = json.loads(record["body"])
    if "contact" in errand:
        names.look_up(errand["contact"])
    else:
        media.see_to(errand["media"])
