"""How the programs of infra.local log."""

import logging


def start_logging() -> None:
    """Lines with time and level, for the supervisor to keep; without the chatter of libraries."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for name in ("botocore", "environ"):
        logging.getLogger(name).setLevel(logging.WARNING)
