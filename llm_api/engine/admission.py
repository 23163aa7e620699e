"""Which states of complete answers are worth keeping for a chat's next turn.

A copy takes time and pushes others out. Where chats show all that was said they go on from their last answer;
where they show the last turns alone, and each question with other facts, as the hub's do, hardly one does.
What nearly nobody asks for again is not let into a cache: B. M. Maggs, R. K. Sitaraman, "Algorithmic nuggets
in content delivery", ACM SIGCOMM Computer Communication Review 45 (2015), on one-hit wonders.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST = 16
"""So many are kept before it is judged."""
TRIAL = 17
"""One in so many is kept in any case, to see whether it changes. Odd: not always the same turn of a chat."""
WORTH_IT = 8
"""One in so many must be used: to read an answer and its question again takes some ten times a copy."""
REMEMBERED = 128


@dataclass
class Admission:
    """As far as seen lately."""

    kept: float = 0.0
    used: float = 0.0
    asked: int = 0

    def admits(self) -> bool:
        """Whether to keep the next one."""
        self.asked += 1
        is_worth_it = self.kept < FIRST or self.used * WORTH_IT >= self.kept
        return is_worth_it or self.asked % TRIAL == 0

    def note_kept(self) -> None:
        self.kept += 1
        if self.kept > REMEMBERED:
            self.kept, self.used = self.kept / 2, self.used / 2

    def note_used(self) -> None:
        """A chat has gone on from one that nobody had gone on from before."""
        self.used += 1
