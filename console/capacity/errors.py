"""What can be wrong with what a person gives. Each message tells them what to do."""


class CapacityError(Exception):
    """Something to put right; printed as one sentence, without a traceback."""
