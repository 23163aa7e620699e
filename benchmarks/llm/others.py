"""What other programs took of the processor meanwhile: where it is much, times say little."""

import os
import time

import psutil

from benchmarks.llm.servers import Server


class Others:
    """Begins to count when it is made."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._began = self._now()

    def share(self) -> float:
        """Of the time of all cores since then."""
        elapsed, busy, own = (now - then for now, then in zip(self._now(), self._began, strict=True))
        return max(0.0, busy - own) / (elapsed * (os.cpu_count() or 1))

    def _now(self) -> tuple[float, float, float]:
        """Seconds: on the clock, of all processors at work or taken away, of server and client."""
        times = psutil.cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        guest = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # counted in user as well
        return time.monotonic(), sum(times) - idle - guest, self._server.cpu_seconds() + time.process_time()
