"""What was computed before, by its tokens: the states of prompts' beginnings, kept within a budget.

Pure bookkeeping: a state is a number of bytes here. A state of some tokens also serves a prompt that shares
only the first of them, since the rest can be cut off.

When the budget is full, organizations' prefixes go last, unless they can come back from the spill. Before
them go states that go on from another one and that only one chat has used (the conversation of one contact).
Among each, the one that was used longest ago.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from llm_api.engine.prompt import Prompt
from llm_api.engine.sequence import LEAST_TOKENS, State

Tokens = npt.NDArray[np.int32]

BRANCH_CONTINUATIONS = 3
"""A beginning after which chats go on in so many ways is an organization's. One contact's conversation goes
on in two: with a question and the facts for it, and in the next turn with that question alone."""


@dataclass(eq=False, slots=True)
class Prefix:
    """Some tokens of a group's prompts and their state; None once that is only in the spill."""

    group: str
    tokens: Tokens
    state: State | None
    used: int = 0
    is_branch: bool = False
    """Chats have gone on from here in several ways: it is not one contact's conversation."""
    goes_on: bool = False
    """It begins with the tokens of another prefix of its group."""
    is_spilled: bool = False
    """The spill has its state, too."""
    continuations: list[Tokens] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.tokens)

    def note(self, continuation: Tokens) -> None:
        """A chat goes on so: perhaps as another did, as far as both are known."""
        if all(
            _common(continuation, known) < min(len(continuation), len(known)) for known in self.continuations
        ):
            self.continuations.append(continuation)

    @property
    def is_precious(self) -> bool:
        """Many chats may need it, and it would have to be computed again."""
        return (self.is_branch or not self.goes_on) and not self.is_spilled


@dataclass(frozen=True, slots=True)
class Match:
    """The first `length` tokens of a prompt can be had from `prefix`."""

    prefix: Prefix | None = None
    length: int = 0


class Spill(Protocol):
    """Where states outlive the budget and the process."""

    def load(self) -> Iterator[Prefix]:
        """What earlier processes have left, without states, the one used longest ago first."""

    def write(self, prefix: Prefix) -> None:
        """Keep the prefix, soon."""

    def read(self, prefix: Prefix) -> State | None:
        """Its state again; None when that is lost, which it then is for good."""

    def has(self, prefix: Prefix) -> bool:
        """Whether its state is there: it may not be yet, or had to make room for others."""

    def touch(self, prefix: Prefix) -> None:
        """It was of use: others make room before it does."""


@dataclass
class StoreCounts:
    hits: int = 0
    misses: int = 0
    evicted: int = 0
    spill_reads: int = 0
    spill_writes: int = 0


@dataclass
class PrefixStore:
    """Not safe for threads: who shares it, locks."""

    budget_bytes: int
    spill: Spill | None = None
    counts: StoreCounts = field(default_factory=StoreCounts)
    bytes: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._groups: dict[str, list[Prefix]] = {}
        self._clock = itertools.count(1)
        for prefix in self.spill.load() if self.spill else ():
            self._insert(prefix)

    def __len__(self) -> int:
        return sum(len(prefixes) for prefixes in self._groups.values())

    def match(self, group: str, prompt: Prompt) -> Match:
        """The longest part of a prompt that is known. Where the prompt parts from a prefix on the way, the
        part ends at the border before: there other prompts of the group are likely to part from it, too. The
        last token is left to compute: what follows it is not kept."""
        tokens = np.array(prompt.tokens, np.int32)
        best = Match()
        for prefix in self._groups.get(group, ()):
            length = _common(prefix.tokens, tokens)
            if length < len(prefix) or length == len(tokens):
                length = prompt.border_before(min(length, len(tokens) - 1))
            shorter = length == best.length and best.prefix is not None and len(prefix) < len(best.prefix)
            if length >= LEAST_TOKENS and (length > best.length or shorter):
                best = Match(prefix, length)
        return best

    def fetch(self, match: Match) -> State | None:
        """The state for a match, where only the spill has it. Changes nothing, and takes as long as the disk
        does: whoever shares the store holds no lock for it."""
        prefix = match.prefix
        if prefix is None or prefix.state is not None or self.spill is None:
            return None
        return self.spill.read(prefix)

    def take(self, match: Match, prompt: Prompt, fetched: State | None = None) -> State | None:
        """The state for a match, whose prefix counts as used; None when it is lost, or is on the disk and was
        not `fetched`."""
        prefix = match.prefix
        if prefix is not None and prefix.state is None:
            self._fill(prefix, fetched)
        if prefix is None or prefix.state is None:
            self.counts.misses += 1
            return None
        self.counts.hits += 1
        prefix.used = next(self._clock)
        if match.length == len(prefix) and not prefix.is_branch:
            self._note_continuation(prefix, prompt)
        if prefix.is_branch:
            self._keep_on_disk(prefix)
        state = prefix.state
        self._evict()
        return state

    def wants(self, group: str, tokens: Tokens) -> bool:
        """Whether the state of these tokens is worth keeping, and new."""
        return len(tokens) >= LEAST_TOKENS and self.budget_bytes > 0 and self._find(group, tokens) is None

    def add(
        self,
        group: str,
        tokens: Tokens,
        state: State,
        prompt: Prompt | None = None,
        *,
        parted_from: Prefix | None = None,
    ) -> None:
        """Keep the state of these tokens, if it is wanted and fits. `prompt` is the one that they begin, and
        `parted_from` another chat that begins with them, too."""
        if len(state) > self.budget_bytes or not self.wants(group, tokens):
            return
        prefix = Prefix(group, tokens, state)
        if parted_from is not None:
            prefix.note(parted_from.tokens[len(tokens) :])
        if prompt is not None and len(tokens) < len(prompt.tokens):
            prefix.note(_continuation(prompt, len(tokens)))
        self._insert(prefix)
        self.bytes += len(state)
        self._evict()

    def drop(self, prefix: Prefix) -> None:
        """Forget a prefix, if it is still known."""
        prefixes = self._groups.get(prefix.group, [])
        if prefix in prefixes:
            prefixes.remove(prefix)
            self._forget_state(prefix)
            if not prefixes:
                del self._groups[prefix.group]

    def _insert(self, new: Prefix) -> None:
        prefixes = self._groups.setdefault(new.group, [])
        for known in prefixes:
            common = _common(known.tokens, new.tokens)
            new.goes_on |= common == len(known)
            known.goes_on |= common == len(new)
        new.used = next(self._clock)
        prefixes.append(new)

    def _find(self, group: str, tokens: Tokens) -> Prefix | None:
        return next((p for p in self._groups.get(group, ()) if np.array_equal(p.tokens, tokens)), None)

    def _note_continuation(self, prefix: Prefix, prompt: Prompt) -> None:
        """A chat goes on after the whole prefix, perhaps as none did before."""
        prefix.note(_continuation(prompt, len(prefix)))
        prefix.is_branch = len(prefix.continuations) >= BRANCH_CONTINUATIONS

    def _keep_on_disk(self, prefix: Prefix) -> None:
        if self.spill is None:
            return
        if self.spill.has(prefix):
            self.spill.touch(prefix)
        else:
            self.spill.write(prefix)
            self.counts.spill_writes += 1
        prefix.is_spilled = True

    def _fill(self, prefix: Prefix, fetched: State | None) -> None:
        """Give a prefix its state from the spill, or forget the prefix where that is lost."""
        if fetched is not None and prefix in self._groups.get(prefix.group, ()):
            prefix.state = fetched
            self.counts.spill_reads += 1
            self.bytes += len(fetched)
        elif self.spill is None or not self.spill.has(prefix):
            self.drop(prefix)

    def _evict(self) -> None:
        while self.bytes > self.budget_bytes:
            in_memory = (p for group in self._groups.values() for p in group if p.state is not None)
            victim = min(in_memory, key=lambda prefix: (prefix.is_precious, prefix.used))
            if victim.is_spilled and self.spill and not self.spill.has(victim):
                victim.is_spilled = False
                continue
            self.counts.evicted += 1
            if victim.is_spilled:
                self._forget_state(victim)
            else:
                self.drop(victim)

    def _forget_state(self, prefix: Prefix) -> None:
        if prefix.state is not None:
            self.bytes -= len(prefix.state)
            prefix.state = None


def _continuation(prompt: Prompt, length: int) -> Tokens:
    """The message that comes after the first `length` tokens."""
    end = next((border for border in prompt.borders if border > length), len(prompt.tokens))
    return np.array(prompt.tokens[length:end], np.int32)


def _common(one: Tokens, two: Tokens) -> int:
    """How many tokens two have in common from the beginning."""
    length = min(len(one), len(two))
    different = one[:length] != two[:length]
    first = int(different.argmax()) if length else 0
    return first if length and different[first] else length
