"""What a stage ran, runs and may run again: packages and settings of each release, and the history, in its
bucket.

RELEASE/functions.zip, RELEASE/console.zip, RELEASE/static.zip, RELEASE/settings.json
RELEASE/llm.yaml, RELEASE/llm.json  where there are LLM boxes: their template, and what they run
boxes/llm-DIGEST.tar.gz  the archives, each for all releases that have it in common
current.json            the release that the last deploy or rollback left running
history/TIME-TASK.json  each deploy and rollback: who, when, what became of it
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from hub_lambdas.sentences import stored
from infra.deployment.bucket import Bucket
from infra.deployment.errors import ReleaseError
from infra.deployment.lock import holder_of
from infra.deployment.settings import Settings

CURRENT = "current.json"
BOXES = "boxes"
"""The folder of the archives that LLM boxes run."""
_ARCHIVE_OF = "llm.json"
HISTORY = "history/"
ROLLBACK = "rollback"
"""The task of an entry that went back to a release."""
KEPT = 10
"""So many of the latest releases can be gone back to."""
RUNNING, DONE, FAILED, CANCELLED = "running", "done", "failed", "cancelled"
INTERRUPTED = "interrupted"
"""What people are told of one that is written down as running while nobody is at it."""


@dataclass(frozen=True)
class Entry:
    """One deploy or rollback. `outcome` "running" without a holder of the lock: it was interrupted. Times are
    ISO 8601."""

    task: str
    release: str
    who: str
    started: str
    outcome: str = RUNNING
    finished: str = ""
    reason: str = ""

    @property
    def key(self) -> str:
        return f"{HISTORY}{self.started}-{self.task}.json"

    def began_before(self, moment: str) -> bool:
        return datetime.fromisoformat(self.started) < datetime.fromisoformat(moment)


class Releases:
    """The releases of one stage."""

    def __init__(self, bucket: Bucket, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._bucket, self._clock = bucket, clock

    def address(self, release: str, file: str) -> str:
        """Where Zappa finds a file of a release."""
        return f"s3://{self._bucket.name}/{release}/{file}"

    def has(self, release: str, file: str) -> bool:
        try:
            self._bucket.client.head_object(Bucket=self._bucket.name, Key=f"{release}/{file}")
        except ClientError:
            return False
        return True

    def keep(self, release: str, path: Path, name: str) -> None:
        """Keep a file of a release. It appears whole or not at all."""
        self._bucket.client.upload_file(str(path), self._bucket.name, f"{release}/{name}")

    def fetch(self, release: str, name: str, path: Path) -> Path:
        """Bring a kept file to this machine."""
        self._bucket.client.download_file(self._bucket.name, f"{release}/{name}", str(path))
        return path

    def keep_archive(self, release: str, name: str) -> None:
        """Note which archive of BOXES the LLM boxes of a release run."""
        self._bucket.write(f"{release}/{_ARCHIVE_OF}", {"archive": name})

    def archive(self, release: str) -> str:
        """The key of the archive that the LLM boxes of a release run. Raises ReleaseError."""
        if found := self._archive(release):
            return f"{BOXES}/{found}"
        raise ReleaseError(_not_kept(release))

    def keep_settings(self, release: str, settings: Settings) -> None:
        self._bucket.write(f"{release}/settings.json", settings)

    def settings(self, release: str) -> dict[str, dict[str, Any]]:
        """What its functions were given. Raises ReleaseError."""
        found = self._bucket.read(f"{release}/settings.json")
        if found is None:
            raise ReleaseError(_not_kept(release))
        settings: dict[str, dict[str, Any]] = found[0]
        return settings

    def current(self) -> str | None:
        found = self._bucket.read(CURRENT)
        return str(found[0]["release"]) if found else None

    def set_current(self, release: str) -> None:
        self._bucket.write(CURRENT, {"release": release})

    def kept(self) -> list[str]:
        """The releases that can be gone back to, the latest first. One that failed has pushed none out."""
        ran = dict.fromkeys(entry.release for entry in self.history() if entry.outcome == DONE)
        return [*ran][:KEPT]

    def forget_old(self) -> list[str]:
        """Delete the files of all releases but the kept ones, and archives that none of these has; which
        releases those were."""
        history = self.history()
        kept = {*self.kept(), self.current()}
        old = [
            release for release in dict.fromkeys(entry.release for entry in history) if release not in kept
        ]
        for release in old:
            for key in self._bucket.keys(f"{release}/"):
                self._bucket.delete(key)
        self._forget_archives({self._archive(release) for release in kept if release})
        return old

    def history(self) -> list[Entry]:
        """Newest first."""
        return [*self._history()]

    def told(self, host: str) -> list[Entry]:
        """The history for people, newest first: what was killed is called so, as far as `host` can tell. Only
        what began since somebody holds the lock, or since this looks, is still running."""
        now = self._clock()
        holder = holder_of(self._bucket, host, now)
        since = holder.since if holder else now.isoformat()
        return [
            replace(entry, outcome=INTERRUPTED)
            if entry.outcome == RUNNING and entry.began_before(since)
            else entry
            for entry in self.history()
        ]

    def begin(self, task: str, release: str, who: str) -> Entry:
        entry = Entry(task, release, who, self._now())
        self._write(entry)
        return entry

    def end(self, entry: Entry, outcome: str, reason: str = "") -> None:
        self._write(replace(entry, outcome=outcome, finished=self._now(), reason=reason))

    def one_before(self) -> str:
        """Where a rollback leads that names no release: back to what runs, where something was interrupted
        half-way; else to what ran before, and was not rolled back from. Raises ReleaseError."""
        history, current = self.history(), self.current()
        if history and history[0].outcome == RUNNING and current:
            return current
        before = [release for release in _good(history) if release != current]
        if before:
            return before[-1]
        raise ReleaseError(
            stored(
                "No other release ran on this stage, or it was rolled back from: there is nothing to go back "
                "to. RELEASE=… names one all the same."
            )
        )

    def _archive(self, release: str) -> str | None:
        found = self._bucket.read(f"{release}/{_ARCHIVE_OF}")
        return str(found[0]["archive"]) if found else None

    def _forget_archives(self, used: Collection[str | None]) -> None:
        for key in self._bucket.keys(f"{BOXES}/"):
            if key.removeprefix(f"{BOXES}/") not in used:
                self._bucket.delete(key)

    def _history(self) -> Iterator[Entry]:
        for key in sorted(self._bucket.keys(HISTORY), reverse=True):
            if found := self._bucket.read(key):
                known: Mapping[str, Any] = found[0]
                yield Entry(**known)

    def _write(self, entry: Entry) -> None:
        self._bucket.write(entry.key, asdict(entry))

    def _now(self) -> str:
        return self._clock().isoformat(timespec="milliseconds")


def _not_kept(release: str) -> str:
    return stored(
        "Release %(release)s is not kept: `make releases STAGE=…` lists those that are.", release=release
    )


def _good(history: Sequence[Entry]) -> list[str]:
    """The releases that ran, each where it came last, without those that were rolled back from."""
    ran: list[str] = []
    for entry in reversed(history):
        if entry.outcome != DONE:
            continue
        if entry.task == ROLLBACK and entry.release in ran:
            del ran[ran.index(entry.release) + 1 :]
        else:
            ran = [release for release in ran if release != entry.release] + [entry.release]
    return ran
