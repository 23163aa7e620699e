"""Which sequences run, and what a lane computes next. Pure: no model, no clock, no threads.

A lane has slots, and room for so many tokens in all. In each step it writes one token for every sequence that
is that far, and spends the rest of the step's tokens on reading prompts.

Who is next: interactive before test runs, those that can still be in time before those that are late, then by
fair queueing: every request gets a tag when it comes, the finish it would have if the groups took turns token
by token. So a group that asks much waits for itself, a short request passes a long one, and since tags of
later requests only grow, each one's turn comes.

Source: self-clocked fair queueing, S. J. Golestani, "A self-clocked fair queueing scheme for broadband
applications", INFOCOM 1994.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection
from dataclasses import dataclass

from llm_api.engine.lane import BATCH_TOKENS, FEW_TOKENS
from llm_api.engine.prompt import common_length
from llm_api.engine.sequence import Sequence

WRITE_COST = 3
"""A written token takes as long as so many that are read."""
EXPECTED_ANSWER_TOKENS = 32
LEAST_SHARED_TOKENS = 32
"""So many tokens in common are worth waiting until another sequence has read them."""


@dataclass(frozen=True, slots=True)
class Moves:
    """Sequences that leave their slots, and then those that come into theirs. One that has left waits again
    from `wait_again` on, when its state is safe."""

    left: list[tuple[Sequence, int]]
    came: list[Sequence]


@dataclass(frozen=True, slots=True)
class Step:
    """Sequences that get their next token, and one that reads so many tokens of its prompt."""

    writing: list[Sequence]
    reading: Sequence | None = None
    portion_tokens: int = 0


Rank = tuple[bool, bool, float, int]
"""Who has the least is next in turn."""


def knows_nothing(sequence: Sequence) -> int:
    return 0


class Scheduler:
    """Not safe for threads: who shares it, locks. `known_tokens` says what of a prompt need not be read."""

    def __init__(
        self,
        *,
        lanes: int,
        slots: int,
        room_tokens: int,
        portion_tokens: int = BATCH_TOKENS,
        known_tokens: Callable[[Sequence], int] = knows_nothing,
        shares: bool = True,
    ) -> None:
        """`slots` and `room_tokens` are of each lane. A step reads at most `portion_tokens`: a cancel is
        heard after it, and whoever writes beside it waits for it. `shares`: what one has read is kept for
        others."""
        self._shares = shares
        self._room_tokens = room_tokens
        self._portion_tokens = portion_tokens
        self._known_tokens = known_tokens
        self._open = set(range(lanes))
        self._waiting: list[Sequence] = []
        self._running: list[list[Sequence]] = [[] for _ in range(lanes)]
        self._free_slots: list[set[int]] = [set(range(slots)) for _ in range(lanes)]
        self._virtual_time = 0.0
        self._last_tags: dict[str, float] = {}
        self._numbers = itertools.count(1)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def running(self) -> int:
        return sum(map(len, self._running))

    def running_in(self, lane: int) -> list[Sequence]:
        return list(self._running[lane])

    def used_tokens(self, lane: int) -> int:
        """Room that is taken: each sequence has the token that it is about to compute, too."""
        return sum(len(sequence.tokens) + 1 for sequence in self._running[lane])

    def has_work(self, lane: int) -> bool:
        return bool(self._waiting or self._running[lane])

    def add(self, sequence: Sequence) -> None:
        """Let a new sequence wait. It must fit into a lane's room when it has written all it may."""
        group, cost = sequence.group, self._cost(sequence)
        start = max(self._virtual_time, self._last_tags.get(group, 0.0))
        sequence.finish_tag = self._last_tags[group] = start + cost
        sequence.number = next(self._numbers)
        self._waiting.append(sequence)

    def remove(self, sequence: Sequence) -> None:
        """Forget a sequence, wherever it is; one that is not here is none."""
        if sequence in self._waiting:
            self._waiting.remove(sequence)
        elif sequence.lane is not None:
            self._release(sequence)

    def wait_again(self, sequence: Sequence) -> None:
        """Let a sequence wait at its old turn, out of its slot if it has one."""
        if sequence.lane is not None:
            self._release(sequence)
        self._waiting.append(sequence)

    def shut(self, lane: int) -> None:
        """The others need not leave anything to this lane until it is open again."""
        self._open.discard(lane)

    def open(self, lane: int) -> None:
        self._open.add(lane)

    def move(self, lane: int, now: float, busy: Collection[int] = ()) -> Moves:
        """Fill the lane's slots. `now` is in epoch seconds; `busy` are the lanes that are in a step."""
        left = self._make_room_to_grow(lane, now)
        came: list[Sequence] = []
        for sequence in sorted(self._waiting, key=lambda waiting: _rank(waiting, now)):
            if self._has_more_than_others(lane, busy):
                break
            if self._is_read_by_another(sequence):
                continue
            if not self._fits(sequence, lane):
                victim = self._victim(lane, sequence, now)
                if victim is None:
                    break
                left.append(self._push_out(victim))
                if not self._fits(sequence, lane):
                    break
            self._place(sequence, lane)
            came.append(sequence)
        return Moves(left, came)

    def next_step(self, lane: int, now: float) -> Step:
        """What to compute now: decode first, then a portion of the prompt that is next in turn. Of one only:
        a question is mostly one portion, and no more of them come between two tokens of an answer."""
        running = self._running[lane]
        writing = [sequence for sequence in running if sequence.is_writing]
        readers = [sequence for sequence in running if not sequence.is_writing]
        if not readers:
            return Step(writing)
        reader = min(readers, key=lambda each: self._reading_rank(each, now))
        return Step(writing, reader, _portion(reader.next_stop - reader.computed, self._portion_tokens))

    def _has_more_than_others(self, lane: int, busy: Collection[int]) -> bool:
        """Whether another lane takes what waits: one with less to do, but one whose step may still take long
        only when it has much less."""
        mine = len(self._running[lane])
        return any(len(self._running[other]) + (other in busy) < mine for other in self._open - {lane})

    def _cost(self, sequence: Sequence) -> float:
        """Tokens that a sequence is going to take, as far as one can tell when it comes."""
        mates = [mate for mate in self._all() if mate.group == sequence.group]
        common = max((_common(sequence, mate) for mate in mates), default=0)
        read = len(sequence.prompt.tokens) - max(common, self._known_tokens(sequence))
        return read + WRITE_COST * min(sequence.max_tokens, EXPECTED_ANSWER_TOKENS)

    def _all(self) -> list[Sequence]:
        return [*self._waiting, *(sequence for running in self._running for sequence in running)]

    def _reading_rank(self, reader: Sequence, now: float) -> Rank:
        """A reader's turn is that of the first in turn who waits for it: else a request could wait for a test
        run, which would wait for all other requests."""
        own = _rank(reader, now)
        ranks = ((_rank(sequence, now), sequence) for sequence in self._waiting)
        return min(
            (rank for rank, each in ranks if rank < own and self._waits_for(each, reader)), default=own
        )

    def _is_read_by_another(self, sequence: Sequence) -> bool:
        return any(self._waits_for(sequence, reader) for running in self._running for reader in running)

    def _waits_for(self, sequence: Sequence, reader: Sequence) -> bool:
        """Whether a running sequence is reading what another has in common with it, or has read it without
        having stored it yet: it is read only once. Who was in a crash takes nothing from others."""
        if not self._shares or sequence.group != reader.group:
            return False
        if reader.computed > reader.prompt.question_at or sequence.saved is not None or sequence.failures:
            return False
        common = _common(sequence, reader)
        if common < LEAST_SHARED_TOKENS:
            return False
        return common - self._known_tokens(sequence) >= LEAST_SHARED_TOKENS

    def _fits(self, sequence: Sequence, lane: int) -> bool:
        room = self._room_tokens - self.used_tokens(lane)
        return bool(self._free_slots[lane]) and len(sequence.tokens) + 1 <= room

    def _place(self, sequence: Sequence, lane: int) -> None:
        slot = min(self._free_slots[lane])  # neighbours are computed together
        self._free_slots[lane].remove(slot)
        self._waiting.remove(sequence)
        self._running[lane].append(sequence)
        sequence.lane, sequence.slot = lane, slot
        self._virtual_time = max(self._virtual_time, sequence.finish_tag)
        self._forget_old_tags()

    def _release(self, sequence: Sequence) -> None:
        assert sequence.lane is not None
        assert sequence.slot is not None
        self._running[sequence.lane].remove(sequence)
        self._free_slots[sequence.lane].add(sequence.slot)
        sequence.lane = sequence.slot = None

    def _push_out(self, sequence: Sequence) -> tuple[Sequence, int]:
        slot = sequence.slot
        assert slot is not None
        self._release(sequence)
        return sequence, slot

    def _victim(self, lane: int, sequence: Sequence, now: float) -> Sequence | None:
        """Who gives way to a sequence: a test run to an interactive request, unless one waits for what it
        reads whose turn is before."""
        if sequence.priority == "test":
            return None
        tests = [
            running
            for running in self._running[lane]
            if running.priority == "test" and self._reading_rank(running, now) > _rank(sequence, now)
        ]
        return max(tests, key=lambda test: (test.finish_tag, test.number), default=None)

    def _make_room_to_grow(self, lane: int, now: float) -> list[tuple[Sequence, int]]:
        """Set sequences aside, the last in turn first, until each of the others can grow by a token."""
        left: list[tuple[Sequence, int]] = []
        while self.used_tokens(lane) > self._room_tokens:
            last = max(self._running[lane], key=lambda running: _rank(running, now))
            left.append(self._push_out(last))
        return left

    def _forget_old_tags(self) -> None:
        """A tag in the past says nothing that the virtual time does not."""
        if len(self._last_tags) > 1000:
            self._last_tags = {g: tag for g, tag in self._last_tags.items() if tag > self._virtual_time}


def _rank(sequence: Sequence, now: float) -> Rank:
    is_test = sequence.priority == "test"
    return is_test, sequence.is_late(now), sequence.finish_tag, sequence.number


def _common(sequence: Sequence, mate: Sequence) -> int:
    common = common_length(sequence.prompt.tokens, mate.prompt.tokens)
    return sequence.prompt.border_before(common)


def _portion(missing: int, budget: int) -> int:
    """How many tokens to read now, but not all except a few, which would be rounded along another path."""
    few = min(FEW_TOKENS, budget // 2)
    return budget - few if 0 < missing - budget < few else min(missing, budget)
