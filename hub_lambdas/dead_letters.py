"""Every dead-letter queue → the ledger. What a handler fails at for the last time is buried by `batch`; here
comes what no handler could bury, since it was killed or had no database, and what llm_api could not read."""

import hub_lambdas.runtime  # noqa: F401, I001 - starts Django before any model is imported

from collections.abc import Mapping
from typing import Any

from hub_lambdas import batch, burial


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Keep each dead letter and see to it that its contact is not left waiting."""
    return batch.process(event, burial.bury)
