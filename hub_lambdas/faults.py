"""What of an unexpected exception may be logged."""

import traceback


def describe(error: BaseException) -> str:
    """Its kind and where it came from, without its text: a database's quotes the row, and with it what a
    contact wrote."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    return f"{type(error).__name__}\n{frames}".rstrip()
