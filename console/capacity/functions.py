"""AWS Lambda functions: an environment for each invocation at a time, made where none is free, then kept."""


class Functions:
    """Functions that are invoked one after the other for each message, and so are warm or cold together."""

    def __init__(self, busy_seconds: float, cold_start_seconds: float, keep_seconds: float) -> None:
        self._busy_seconds = busy_seconds
        self._cold_start_seconds = cold_start_seconds
        self._keep_seconds = keep_seconds
        self._free_at: list[float] = []

    def delay(self, now: float) -> float:
        """Seconds until they run: none, or those of a cold start."""
        place = len(self._free_at) - 1
        while place >= 0 and self._free_at[place] > now:
            place -= 1
        is_warm = place >= 0 and now - self._free_at[place] < self._keep_seconds
        delay = 0.0 if is_warm else self._cold_start_seconds
        del self._free_at[place if is_warm else 0 : place + 1]  # the one that is taken, or all that are gone
        self._free_at.append(now + delay + self._busy_seconds)
        return delay
