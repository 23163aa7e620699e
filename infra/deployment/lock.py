"""One deploy of a stage at a time: an object in its bucket, whose holder keeps showing that it is alive."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta

import psutil
from botocore.exceptions import BotoCoreError, ClientError

from hub_lambdas.sentences import stored
from infra.deployment.bucket import Bucket, Taken
from infra.deployment.errors import Locked

KEY = "lock.json"
SHOW_EVERY_SECONDS = 20.0
STALE_AFTER = timedelta(seconds=90)
"""A holder that has not been seen for so long is dead."""


@dataclass(frozen=True)
class Holder:
    """Who holds it, for what, and when it was seen last. Times are ISO 8601."""

    who: str
    host: str
    process_id: int
    task: str
    since: str
    seen: str

    def is_same(self, other: "Holder") -> bool:
        """Whether it is the same deploy, whenever either was seen."""
        return replace(self, seen="") == replace(other, seen="")

    def is_dead(self, now: datetime, host: str) -> bool:
        """Certainly, where its process was on this machine; else by its silence."""
        if self.host == host and not psutil.pid_exists(self.process_id):
            return True
        return now - datetime.fromisoformat(self.seen) > STALE_AFTER


@contextlib.contextmanager
def holding(
    bucket: Bucket,
    who: str,
    host: str,
    task: str,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Iterator[Callable[[], bool]]:
    """Hold the lock of a stage; gives a function that says whether it was lost. Raises Locked."""
    now = clock()
    since = now.isoformat(timespec="seconds")
    holder = Holder(who, host, os.getpid(), task, since, seen=since)
    pulse = Pulse(bucket, holder, _take(bucket, holder, now), clock)
    pulse.start()
    try:
        yield pulse.is_lost
    finally:
        pulse.stop()
        _give_back(bucket, holder)


def holder_of(bucket: Bucket, host: str, now: datetime) -> Holder | None:
    """Who holds the lock of a stage, and is alive as far as `host` can tell."""
    found = bucket.read(KEY)
    holder = Holder(**found[0]) if found else None
    return None if holder is None or holder.is_dead(now, host) else holder


def _take(bucket: Bucket, holder: Holder, now: datetime) -> str:
    """The lock's tag."""
    try:
        return bucket.create(KEY, asdict(holder))
    except Taken:
        found = bucket.read(KEY)
    if found is None:  # given back a moment ago
        return _take(bucket, holder, now)
    other, tag = Holder(**found[0]), found[1]
    if other.is_same(holder):  # written, but the answer was lost on its way
        return tag
    if not other.is_dead(now, holder.host):
        raise Locked(
            stored(
                "%(who)s (%(host)s) is at “%(task)s” of this stage since %(since)s, last seen %(seen)s: wait "
                "for its end. A dead one's lock ends %(seconds)s s after that.",
                who=other.who,
                host=other.host,
                task=other.task,
                since=other.since,
                seen=other.seen,
                seconds=STALE_AFTER.seconds,
            )
        )
    try:
        return bucket.replace(KEY, asdict(holder), tag)
    except Taken:
        return _take(bucket, holder, now)


def _give_back(bucket: Bucket, holder: Holder) -> None:
    """Delete the lock, where it is still this holder's. Where S3 cannot be reached it ends by its silence."""
    with contextlib.suppress(BotoCoreError, ClientError):
        found = bucket.read(KEY)
        if found and Holder(**found[0]).is_same(holder):
            bucket.delete(KEY)


class Pulse(threading.Thread):
    """Shows that the holder is alive, until it ends or somebody has taken the lock from it."""

    def __init__(self, bucket: Bucket, holder: Holder, tag: str, clock: Callable[[], datetime]) -> None:
        super().__init__(name="lock", daemon=True)
        self._bucket, self._holder, self._tag, self._clock = bucket, holder, tag, clock
        self._seen = datetime.fromisoformat(holder.seen)
        self._is_taken = False
        self._stopped = threading.Event()

    def is_lost(self) -> bool:
        """Whether somebody else has the lock, or may have it because this one was silent for too long."""
        return self._is_taken or self._clock() - self._seen > STALE_AFTER

    def stop(self) -> None:
        self._stopped.set()
        self.join()

    def run(self) -> None:
        while not self._is_taken and not self._stopped.wait(SHOW_EVERY_SECONDS):
            # The network may be away for a while: the next time shows it again, or is_lost says how it is.
            with contextlib.suppress(Exception):
                self.show()

    def show(self) -> None:
        """Write that the holder is alive now. Raises what S3 or the way there does not do."""
        now = self._clock()
        seen = replace(self._holder, seen=now.isoformat(timespec="seconds"))
        try:
            self._tag = self._bucket.replace(KEY, asdict(seen), self._tag)
        except Taken:
            self._look()
        else:
            self._seen = now

    def _look(self) -> None:
        """S3 refuses a write that is repeated because its answer was lost, too: then it is there."""
        found = self._bucket.read(KEY)
        stored = Holder(**found[0]) if found else None
        if found and stored and stored.is_same(self._holder):
            self._tag, self._seen = found[1], datetime.fromisoformat(stored.seen)
        else:
            self._is_taken = True
