"""How often a platform takes messages."""

from collections.abc import Hashable


class Bucket:
    """For each key `burst` calls at once, and from then on one in `seconds`."""

    def __init__(self, burst: int, seconds: float) -> None:
        self._burst, self._seconds = burst, seconds
        self._left: dict[Hashable, tuple[float, float]] = {}

    def take(self, key: Hashable, now: float) -> float:
        """Take a call, 0.0; or the seconds until there is one again."""
        left, at = self._left.get(key, (float(self._burst), now))
        left = min(self._burst, left + (now - at) / self._seconds)
        if left < 1:
            return (1 - left) * self._seconds
        self._left[key] = left - 1, now
        return 0.0
