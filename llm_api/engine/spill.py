"""Organizations' prefixes on disk: they outlive the budget in memory, and a restart.

A file holds the group, the tokens and the state of one prefix. Files belong to one model file and one version
of llama.cpp, whose fingerprint is the name of their folder: those of others are left alone until their turn
to go comes. What cannot be read, or does not match its checksum, is deleted and computed again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BufferedReader
from pathlib import Path

import llama_cpp
import numpy as np

from llm_api.engine.plan import KERNELS
from llm_api.engine.prefix_store import Prefix, Tokens
from llm_api.engine.sequence import State

log = logging.getLogger(__name__)

MAGIC = b"hub-prefix-1\n"
SUFFIX = ".prefix"


def fingerprint(model_path: Path, slots: int, memory: str = "f16") -> str:
    """What a state depends on, besides its tokens: the weights, the code that computed it, the form of
    its `memory`, and how many slots the lane had (llama.cpp restores a state only where there are as many
    streams)."""
    with model_path.open("rb") as file:
        digest = hashlib.file_digest(file, "blake2b")
    code = f"llama-cpp-python {llama_cpp.__version__}, kernels {KERNELS}"
    digest.update(f"{code}, {memory}, {slots} streams".encode())
    return digest.hexdigest()[:32]


class DiskSpill:
    """Writes in a thread of its own, so that nobody waits for the disk. The folder is for this user only: the
    tokens are the organizations' instructions."""

    def __init__(self, folder: Path, fingerprint: str, budget_bytes: int) -> None:
        self._root = folder
        self._folder = folder / fingerprint
        self._budget_bytes = budget_bytes
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spill")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def load(self) -> Iterator[Prefix]:
        """What earlier processes have left, without states, the one used longest ago first."""
        for path in sorted(self._folder.glob(f"*{SUFFIX}"), key=_used_at):
            try:
                with path.open("rb") as file:
                    group, tokens, _ = _read_head(file)
            except (OSError, ValueError, KeyError, TypeError):
                _discard(path)
                continue
            if path == self._path(group, tokens):
                yield Prefix(group, tokens, None, is_branch=True, is_spilled=True)

    def write(self, prefix: Prefix) -> None:
        """Keep the prefix, soon."""
        if prefix.state is not None:
            self._writer.submit(self._write, prefix.group, prefix.tokens, prefix.state)

    def read(self, prefix: Prefix) -> State | None:
        """Its state again; None when that is lost, which it then is for good."""
        path = self._path(prefix.group, prefix.tokens)
        try:
            with path.open("rb") as file:
                _, _, checksum = _read_head(file)
                state: State = np.fromfile(file, np.uint8)
            if _checksum(state) != checksum:
                raise ValueError("wrong checksum")
        except (OSError, ValueError, KeyError, TypeError):
            _discard(path)
            return None
        self._touch(prefix.group, prefix.tokens)
        return state

    def has(self, prefix: Prefix) -> bool:
        """Whether its state is there: it may not be yet, or had to make room for others."""
        return self._path(prefix.group, prefix.tokens).is_file()

    def touch(self, prefix: Prefix) -> None:
        """It was of use: others make room before it does."""
        self._writer.submit(self._touch, prefix.group, prefix.tokens)

    def flush(self) -> None:
        """Wait until all is written."""
        self._writer.submit(int).result()

    def close(self) -> None:
        self._writer.shutdown()

    def _write(self, group: str, tokens: Tokens, state: State) -> None:
        path = self._path(group, tokens)
        if path.exists():  # it was asked for again before it was written
            return
        head = {"group": group, "tokens": tokens.tolist(), "checksum": _checksum(state)}
        unfinished = path.with_suffix(".new")
        try:
            with open(unfinished, "wb", opener=_private) as file:
                file.write(MAGIC + json.dumps(head).encode() + b"\n")
                state.tofile(file)
            unfinished.replace(path)
            self._prune()
        except OSError as error:  # a full disk: what is in memory is still of use
            log.warning("cannot spill a prefix", extra={"fields": {"error": type(error).__name__}})
            _discard(unfinished)

    def _touch(self, group: str, tokens: Tokens) -> None:
        with suppress(OSError):
            os.utime(self._path(group, tokens))

    def _path(self, group: str, tokens: Tokens) -> Path:
        name = hashlib.blake2b(group.encode() + b"\0" + tokens.tobytes(), digest_size=16).hexdigest()
        return self._folder / f"{name}{SUFFIX}"

    def _prune(self) -> None:
        """Delete what was used longest ago, of whatever model, until the rest is within the budget."""
        paths = sorted(self._root.glob(f"*/*{SUFFIX}"), key=_used_at, reverse=True)
        total = 0
        for path in paths:
            with suppress(OSError):
                total += path.stat().st_size
            if total > self._budget_bytes:
                _discard(path)


def _read_head(file: BufferedReader) -> tuple[str, Tokens, int]:
    """The group, the tokens and the checksum of the state that follows."""
    if file.read(len(MAGIC)) != MAGIC:
        raise ValueError("no prefix")
    head = json.loads(file.readline())
    return str(head["group"]), np.array(head["tokens"], np.int32), int(head["checksum"])


def _checksum(state: State) -> int:
    return zlib.crc32(state.data)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)


def _used_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # gone meanwhile
        return 0.0


def _discard(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)
