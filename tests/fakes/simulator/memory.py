"""What outlives a restart: the accounts, what the hub has registered for them, and the conversations."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.fakes.simulator.chats import Contact, contact_of
from tests.fakes.simulator.faults import Faults

PAUSE_SECONDS = 0.5
"""Between two times that the file is written."""


@dataclass
class Record:
    """An account that somebody has at a platform. `organization` is whose it is, by name."""

    kind: str
    address: str
    name: str
    organization: str
    credentials: Mapping[str, str]
    contacts: list[Contact] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)

    @property
    def id(self) -> str:
        return f"{self.kind}:{self.address}"

    def contact(self, contact_id: str) -> Contact:
        """A contact by id; KeyError where there is none."""
        found = next((each for each in self.contacts if each.id == contact_id), None)
        if found is None:
            raise KeyError(f"{self.name} has no contact {contact_id}.")
        return found


@dataclass(frozen=True)
class Kept:
    """A record as it was written, with what the hub had registered."""

    record: Record
    registration: Any


def read(path: Path) -> Sequence[Kept]:
    """What was kept; nothing where there is no file that can be read."""
    try:
        return [_kept(each) for each in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _kept(stored: Mapping[str, Any]) -> Kept:
    contacts = [contact_of(each) for each in stored["contacts"]]
    known = {name: stored[name] for name in ("kind", "address", "name", "organization", "credentials")}
    return Kept(Record(**known, contacts=contacts), stored["registration"])


def as_json(record: Record, registration: Any) -> dict[str, Any]:
    """What `read` reads. Faults are not kept: whoever starts anew starts well."""
    stored = asdict(record)
    del stored["faults"]
    return {**stored, "registration": registration}


class Keeper:
    """Writes what `content` returns to a file, soon after `change` was called."""

    def __init__(self, path: Path, content: Callable[[], Any]) -> None:
        self._path = path
        self._content = content
        self._is_due, self._is_over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin, with what has changed until now."""
        self._thread.start()

    def change(self) -> None:
        self._is_due.set()

    def close(self) -> None:
        """Write what has changed, and end."""
        self._is_over.set()
        self._is_due.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_over.is_set():
            self._is_due.wait()
            self._is_due.clear()
            self._write()
            self._is_over.wait(PAUSE_SECONDS)
        if self._is_due.is_set():
            self._write()

    def _write(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(self._content(), ensure_ascii=False), encoding="utf-8")
        partial.replace(self._path)
